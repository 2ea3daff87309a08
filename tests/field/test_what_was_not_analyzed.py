"""No finding is not an all-clear: where something was not analyzed, nothing is claimed.

An operation without a rule, values that leave for NumPy, modules that TorchScript runs: of border,
sampling grid, sizes and symmetry nothing is said, in words, in JSON, and in a report.
"""

import numpy as np
import pytest
import torch
from tests.field.everywhere import C, circular, classifier
from torch import Tensor, nn

from neocog.audits.config import AuditConfig
from neocog.audits.inside import sampling_section
from neocog.audits.result import Audit
from neocog.audits.sections import sections
from neocog.audits.suite import audit_model
from neocog.audits.verdict import verdict
from neocog.data.samples import Samples
from neocog.graph.alignment import CIRCULAR_SHIFT, QUARTER_TURN, RULES, alignment
from neocog.graph.receptive_field import receptive_field
from neocog.verbs.summary import summary

ASKED = AuditConfig(
    n=40,
    shift=("circular",),
    max_shift=4,
    map_max_shift=0,
    rotation=False,
    scale=False,
    elastic=False,
)


class Of(nn.Module):
    """A function as a module."""

    def __init__(self, f: object) -> None:
        super().__init__()
        self.f = f

    def forward(self, x: Tensor) -> Tensor:
        return self.f(x)


class Doubled(torch.autograd.Function):
    """Somebody's own, in NumPy."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return torch.from_numpy(2 * x.detach().numpy()[..., ::-1].copy())


def by_list(x: Tensor) -> Tensor:
    return x + torch.tensor(x.tolist(), dtype=x.dtype)


UNKNOWN = {
    "an operation without a rule": (
        lambda x: x + torch.linalg.svdvals(x)[..., :1, None],
        "aten._linalg_svd",
    ),
    "a function in NumPy": (lambda x: Doubled.apply(x), "Tensor.numpy"),
    "values in lists": (by_list, "Tensor.tolist"),
    "one value": (lambda x: x + float(x[0, 0, 0, 0]), "Tensor.item"),
    "an index from the data": (
        lambda x: x.gather(3, x.argmax(3, keepdim=True).expand_as(x)),
        "aten.argmax",
    ),
}


def audited(net: nn.Module) -> Audit:
    x = torch.from_numpy(np.random.default_rng(0).random((40, 2, 16, 16), dtype=np.float32))
    return audit_model(net.float(), Samples.of((x, np.arange(40) % 3)), ASKED)


@pytest.mark.parametrize("name", UNKNOWN)
def test_nothing_is_claimed_behind(name: str) -> None:
    f, named = UNKNOWN[name]
    net = classifier(circular(2), Of(f), nn.Softsign(), nn.Conv2d(C, C, 3, 2, 1))
    if name == "one value":  # of one place: then it is known what is in the way
        assert not alignment(net, (2, 16, 16)).aligned(CIRCULAR_SHIFT)
        assert receptive_field(net, (2, 16, 16)).unknown == (named,)
        return
    found = alignment(net, (2, 16, 16))
    assert (found.status, found.total_stride) == ("partial", None)
    assert named in found.unknown
    assert found.nearest == {}
    assert not any(found.aligned(rule) for rule in RULES)
    said = " ".join(found.sentences())
    assert named in said
    assert "no finding is not an all-clear" in said
    assert "nothing in the geometry" not in said
    assert "nearest" not in said
    assert receptive_field(net, (2, 16, 16)).status == "partial"


def test_what_never_reaches_the_output_does_not_matter() -> None:
    class Aside(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            self.last = torch.linalg.svdvals(x)
            return x

    assert alignment(classifier(Aside()), (2, 16, 16)).status == "complete"
    head = classifier(nn.AdaptiveAvgPool2d(1), Of(lambda x: torch.linalg.svdvals(x)[..., None]))
    assert alignment(head, (2, 16, 16)).aligned(QUARTER_TURN)  # all of one mean: it has no places


def test_an_audit_says_so_in_words_and_in_json() -> None:
    found = audited(
        classifier(Of(UNKNOWN["an operation without a rule"][0]), nn.Conv2d(C, C, 3, 2))
    )
    plain = found.to_json()
    assert (plain["alignment"], plain["alignment_sizes"]) == ([], {})
    assert (plain["alignment_status"], plain["total_stride"]) == ("partial", None)
    assert plain["not_analyzed"] == ["aten._linalg_svd"]
    assert plain["shift"]["circular"]["border"] is None
    said = verdict(found)
    assert "aten._linalg_svd" in said
    assert "no finding is not an all-clear" in said
    assert "that is the border" not in said
    assert "nothing in the geometry" not in said


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("way", ["traced", "scripted", "traced inside"])
def test_modules_that_torchscript_runs(way: str) -> None:
    net = classifier(circular(2), nn.Conv2d(C, C, 3, 2, 1)).float()
    x = torch.zeros(1, 2, 16, 16)
    if way == "scripted":
        net = torch.jit.script(net)
    else:
        net = torch.jit.trace(net, x)
        net = nn.Sequential(net, nn.Identity()) if way == "traced inside" else net
    found = audited(net)
    assert found.alignment is not None
    assert any("TorchScript" in name for name in found.alignment.unknown)
    plain = found.to_json()
    assert (plain["alignment"], plain["alignment_sizes"], plain["total_stride"]) == ([], {}, None)
    assert plain["alignment_status"] == "partial"
    report = " ".join(s.text for s in sections(found))
    assert "nothing in the geometry" not in report
    assert "Nothing in this model downsamples" not in sampling_section(found).text
    assert receptive_field(net, (2, 16, 16)).status == "partial"


def test_a_black_box_has_no_geometry() -> None:
    x = torch.from_numpy(np.random.default_rng(0).random((40, 2, 16, 16), dtype=np.float32))
    net = classifier().float()
    found = audit_model(net, Samples.of((x, np.arange(40) % 3)), ASKED, black_box=True)
    plain = found.to_json()
    assert (plain["alignment_status"], plain["total_stride"]) == ("unknown", None)
    assert plain["not_analyzed"] == ["the whole model"]
    assert "nothing in the geometry" not in verdict(found)


def test_a_count_is_partial_too() -> None:
    net = classifier(Of(UNKNOWN["an operation without a rule"][0]))
    plain = summary(net.float(), size=(2, 16, 16)).to_json()
    assert (plain["status"], plain["alignment_status"]) == ("partial", "partial")
    assert plain["not_analyzed"] == ["aten._linalg_svd"]
    plain = summary(classifier(circular(2), nn.GroupNorm(1, C)), size=(2, 16, 16)).to_json()
    assert (plain["alignment_status"], plain["total_stride"]) == ("complete", 2)


def test_flips_of_a_network_that_wraps_around_are_never_the_border() -> None:
    torch.manual_seed(0)
    net = classifier(circular(2), nn.GroupNorm(1, C), circular(2))
    found = audited(net)
    assert found.shift["circular"].border is not None
    assert found.shift["circular"].border.border == 0
    assert "the border" not in verdict(found)
    zeros = classifier(circular(2), nn.GroupNorm(1, C), nn.Conv2d(C, C, 3, 2, 1))
    other = audited(zeros)
    assert other.alignment is not None
    assert any(row.is_border for row in other.alignment.rows)
    assert other.shift["circular"].flip_rate == 0  # so nothing is put down to it either
    assert "that is the border" not in verdict(other)
