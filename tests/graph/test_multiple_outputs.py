"""Networks that return tuples, mappings or dataclasses: the tensor that is taken is named."""

import collections
import dataclasses
import json
import sys
import types
import warnings
from pathlib import Path

import pytest
import torch
from tests.cli.conftest import seven  # noqa: F401  # a fixture
from torch import Tensor, nn

import neocog
from neocog.errors import ModelError, UsageError
from neocog.runs.load import load

TOLD = {"size": (1, 28, 28), "mean": (0.13,), "std": (0.31,)}
SIZE = ["--size", "1,28,28", "--mean", "0.13", "--std", "0.31"]
Pair = collections.namedtuple("Pair", ["aux_logits", "logits"])

pytestmark = pytest.mark.filterwarnings(
    "ignore:No weights", "ignore:The network returns", "ignore:The outputs"
)


@dataclasses.dataclass
class Output:
    """As libraries of transformers have it."""

    loss: Tensor | None
    logits: Tensor
    hidden_states: tuple[Tensor, ...]


class Plain:
    def __init__(self, aux: Tensor, scores: Tensor) -> None:
        self.aux, self.scores = aux, scores


FORMS = {  # what comes back of (features, logits, auxiliary logits), and where the logits are
    "tuple": (lambda f, z, a: (z, a), "0"),
    "one": (lambda f, z, a: (z,), "0"),
    "features first": (lambda f, z, a: [f, z], "1"),
    "mapping": (lambda f, z, a: {"aux": a, "out": z}, "out"),
    "named tuple": (lambda f, z, a: Pair(a, z), "logits"),
    "dataclass": (lambda f, z, a: Output(None, z, (f, a)), "logits"),
    "object": (lambda f, z, a: Plain(a, z), "scores"),
    "nested": (lambda f, z, a: {"features": f, "head": {"logits": z}}, "head.logits"),
    "loss first": (lambda f, z, a: (z.sum(), z), "1"),
    "numbers of classes": (lambda f, z, a: (z.argmax(1), z), "1"),
}


class Several(nn.Module):
    def __init__(self, form: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(1, 4, 5, stride=2)
        self.linear, self.aux = nn.Linear(576, 10), nn.Linear(576, 10)
        self.form = form

    def forward(self, x: Tensor) -> object:
        f = self.conv(x).relu()
        z = self.linear(f.flatten(1))
        return z if self.form == "alone" else FORMS[self.form][0](f, z, self.aux(f.flatten(1)))


class Trains(Several):
    """Auxiliary outputs in training mode alone."""

    def forward(self, x: Tensor) -> object:
        self.form = "named tuple" if self.training else "alone"
        return super().forward(x)


@pytest.fixture
def nets(monkeypatch: pytest.MonkeyPatch) -> str:
    room = types.ModuleType("nets_of_several")
    room.pair = lambda: Several("tuple")
    monkeypatch.setitem(sys.modules, "nets_of_several", room)
    return "nets_of_several"


@pytest.mark.parametrize("form", FORMS)
def test_the_prediction_is_found_and_named(form: str) -> None:
    name = FORMS[form][1]
    x = torch.rand(3, 1, 28, 28)
    model = load(Several(form), **TOLD)
    assert model.spec.output.name == name
    assert torch.equal(model.module(x), load(Several("alone"), **TOLD).module(x))
    said = [n for n in model.card["notes"] if "is used as its output" in n]
    assert len(said) == (form != "one")
    assert all(f"`{name}` (2, 10) is used" in n and "--output" in n for n in said)


def test_another_is_taken_where_it_is_asked_for() -> None:
    x = torch.rand(3, 1, 28, 28)
    net = Several("tuple").eval()
    model = load(net, output="1", **TOLD)
    assert torch.equal(model.module(x), net((x - 0.13) / 0.31)[1])
    assert not [n for n in model.card["notes"] if "is used as" in n]
    with pytest.raises(UsageError, match=r"`2` is none\. Known: `0`, `1`"):
        load(net, output="2", **TOLD)
    with pytest.raises(UsageError, match=r"`logits` is none\. It returns one tensor alone"):
        load(Several("alone"), output="logits", **TOLD)


def test_the_number_of_classes_chooses() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> object:
            return x.flatten(1)[:, :20], x.flatten(1)[:, :5]

    assert load(Two(), classes=5, **TOLD).spec.output.name == "1"
    assert load(Two(), classes=20, **TOLD).spec.output.name == "0"


def test_no_tensor_that_fits_is_a_sentence() -> None:
    class No(nn.Module):
        def forward(self, x: Tensor) -> object:
            return {"loss": x.sum(), "map": x}

    with pytest.raises(ModelError, match=r"gave `loss` \(\), `map` \(2, 1, 28, 28\)\. Name a fac"):
        load(No(), **TOLD)


def test_probabilities_among_several_are_noticed() -> None:
    class Both(nn.Module):
        def forward(self, x: Tensor) -> object:
            z = x.flatten(1)[:, :6]
            return {"features": z, "probs": (3 * z).softmax(1)}

    output = load(Both(), **TOLD).spec.output
    assert (output.name, output.kind) == ("probs", "probabilities")


def test_the_command_line_names_it(call, nets, seven) -> None:  # noqa: F811
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        said = call("evaluate", f"{nets}:pair", "digits", *SIZE, "--json")
        other = call("evaluate", f"{nets}:pair", "digits", *SIZE, "--json", "--output", "1")
        wrong = call("predict", f"{nets}:pair", seven, *SIZE, "--output", "aux")
    line = "The network returns 2 tensors; `0` (2, 10) is used as its output, not `1` (2, 10)"
    assert line in said.err
    assert any(line in n for n in json.loads(said.out)["notes"])
    assert "is used as" not in other.err
    assert json.loads(said.out)["confusion"] != json.loads(other.out)["confusion"]
    assert (wrong.status, wrong.out) == (2, "")
    assert "`aux` is none. Known: `0`, `1`" in wrong.err


@pytest.mark.parametrize("form", ["tuple", "mapping", "dataclass"])
def test_verbs_take_modules_of_several_outputs(form: str, tmp_path: Path) -> None:
    net, x = Several(form), torch.rand(3, 1, 28, 28)
    asked = neocog.AuditConfig(n=3, rotation=False, scale=False, elastic=False)
    found = neocog.audit(net, (x, torch.zeros(3)), asked).audit
    assert any("is used as its output" in n for n in found.notes)
    assert found.accuracy is not None
    shown = neocog.explain(net, x, sanity_checks=False, n=1)
    assert any("is used as its output" in n for n in shown.notes)
    assert neocog.summary(net, size=(1, 28, 28)).cost.macs > 0


@pytest.mark.parametrize("form", ["tuple", "mapping"])
def test_programs_of_several_outputs(form: str, tmp_path: Path) -> None:
    net, x = Several(form).eval(), torch.rand(3, 1, 28, 28)
    for name, shapes in (("any", ({0: torch.export.Dim("b", min=1)},)), ("two", None)):
        program = torch.export.export(net, (x[:2],), dynamic_shapes=shapes)
        torch.export.save(program, tmp_path / f"{name}.pt2")
        model = load(tmp_path / f"{name}.pt2", **TOLD)
        assert model.spec.output.name == FORMS[form][1]
        expected = load(Several("alone"), **TOLD).module(x)
        torch.testing.assert_close(model.module(x), expected, atol=1e-5, rtol=0)


def test_onnx_files_of_several_outputs(tmp_path: Path) -> None:
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason="needs the extra `onnx`")
    net, x = Several("tuple").eval(), torch.rand(3, 1, 28, 28)
    file = tmp_path / "x.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (x,), file, dynamo=True, verbose=False, output_names=["aux", "logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )  # fmt: skip
    model = load(file, **TOLD)
    assert model.spec.output.name == "logits"
    other = load(net, output="1", **TOLD).module(x)
    torch.testing.assert_close(model.module(x), other, atol=1e-5, rtol=0)


def test_an_export_holds_the_one_that_was_taken(tmp_path: Path) -> None:
    net, x = Several("tuple"), torch.rand(3, 1, 28, 28)
    neocog.export(net, format="pt2", out=tmp_path / "x.pt2", output="1", **TOLD)
    again = load(tmp_path / "x.pt2")
    assert again.spec.output.name == ""
    torch.testing.assert_close(again.module(x), load(net, output="1", **TOLD).module(x))


@pytest.mark.parametrize("net", [Several("tuple"), Trains("alone")])
def test_a_fix_of_several_outputs(net: nn.Module, tmp_path: Path) -> None:
    model = load(net, **TOLD)
    done = neocog.fix(
        model, "digits", downsampling="blur", finetune=0.05, shift=("circular",), n=16,
        out=tmp_path / "fixed",
    )  # fmt: skip
    again = neocog.load(tmp_path / "fixed")
    assert again.spec.output == model.spec.output
    assert neocog.evaluate(tmp_path / "fixed", "digits").loss == pytest.approx(
        done.after.loss, rel=1e-4
    )
