import json

import pytest
import torch
from tests.graph.obstacles import rows_of, said, symmetric, turn_error
from torch import Tensor, nn

from neocog.errors import ModelError
from neocog.graph.alignment import CIRCULAR_SHIFT, QUARTER_TURN, RULES, alignment
from neocog.layers.downsample import DOWNSAMPLINGS
from neocog.layers.polyphase import PolyphaseDown
from neocog.layers.residual import Bottleneck
from neocog.networks.catalog import build
from neocog.networks.resnet_cifar import resnet_cifar
from neocog.types import FieldWindow


class Thin50(nn.Module):
    """The geometry of a residual network of 50 layers, some hundred times narrower."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 7, 2, padding=3, bias=False)
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        inputs, blocks = 2, []
        for count, width, stride in ((3, 1, 1), (4, 2, 2), (6, 3, 2), (3, 4, 2)):
            for i in range(count):
                blocks.append(
                    Bottleneck(
                        inputs,
                        width,
                        stride=stride if i == 0 else 1,
                        downsampling="stride",
                        padding="zeros",
                    )
                )
                inputs = 4 * width
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.pool(self.conv1(x).relu()))


@pytest.mark.slow
def test_resnet50_cannot_at_224_and_can_at_225_by_the_rules_and_by_numbers() -> None:
    net = symmetric(Thin50())
    found = alignment(net, (1, 224, 224))
    assert not found.aligned(QUARTER_TURN)
    assert found.nearest[QUARTER_TURN] == ((193, 193), (225, 225))
    assert alignment(net, (1, 225, 225)).aligned(QUARTER_TURN)
    assert turn_error(net, 225) < 1e-12  # rounding of float64
    assert turn_error(net, 193) < 1e-12
    assert turn_error(net, 224) > 1e-3


def test_resnet50_itself_says_so_in_words() -> None:
    with torch.device("meta"):
        net = build("resnet50", num_classes=10, in_channels=3, size=(224, 224))
    found = alignment(net, (3, 224, 224))
    first = next(r for r in found.rows if r.rule == QUARTER_TURN)
    assert (first.layer, first.operation) == ("conv1", "convolution")
    assert first.reason == "stride 2 at size 224 cannot be 4-fold symmetric"
    assert first.remedy == "225 can, or 223"
    assert "At 224×224 this network cannot be 4-fold symmetric" in found.sentences()[0]
    assert "193×193 or 225×225" in found.sentences()[0]


def eight_layers(**options: str) -> nn.Module:
    """The smallest residual network of the kind of ResNet-20."""
    size = (32, 32)
    return resnet_cifar(num_classes=3, in_channels=1, size=size, depth=8, width=4, **options)


def test_circular_shifts_of_a_network_of_ours() -> None:
    net = eight_layers(padding="circular")
    assert alignment(net, (1, 32, 32)).aligned(CIRCULAR_SHIFT)
    found = alignment(net, (1, 34, 34))
    assert {r.reason for r in found.rows if r.rule == CIRCULAR_SHIFT} == {
        "stride 2 does not divide size 17"
    }
    assert found.nearest[CIRCULAR_SHIFT] == ((32, 32), (36, 36))


class Declares(nn.Module):
    """A choice of samples that cannot be followed."""

    geometry = (FieldWindow(kernel_size=2, stride=2), FieldWindow(kernel_size=2, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, int(x.sum() > 0) :: 2, ::2]


def test_a_module_that_declares_its_windows() -> None:
    assert rows_of(Declares(), (1, 8, 8), CIRCULAR_SHIFT) == []
    assert "stride 2 does not divide size 9" in said(Declares(), (1, 9, 9), CIRCULAR_SHIFT)


@pytest.mark.parametrize(
    "downsampling",
    [
        pytest.param(d, marks=() if d in ("stride", "polyphase") else pytest.mark.slow)
        for d in DOWNSAMPLINGS
    ],
)
def test_every_sampling_of_ours_is_aligned_where_its_strides_divide(downsampling: str) -> None:
    net = eight_layers(downsampling=downsampling, padding="circular")
    assert rows_of(net, (1, 24, 24), CIRCULAR_SHIFT) == []
    if downsampling != "ideal":
        assert rows_of(net, (1, 26, 26), CIRCULAR_SHIFT)


def test_a_choice_of_phases_may_turn_where_the_stride_divides() -> None:
    assert rows_of(PolyphaseDown(2), (1, 8, 8), QUARTER_TURN) == []
    assert rows_of(PolyphaseDown(2), (1, 9, 9), QUARTER_TURN)


def test_series_have_no_quarter_turns() -> None:
    found = alignment(nn.Conv1d(1, 1, 3, 2, padding=1), (1, 32))
    assert {r.rule for r in found.rows} == {CIRCULAR_SHIFT}
    assert len(found.sentences()) == 1


def test_json_table_and_section() -> None:
    found = alignment(nn.Conv2d(1, 1, 3, 2, padding=1), (1, 8, 8))
    plain = json.loads(json.dumps(found.to_json()))
    assert {r["rule"] for r in plain["rules"]} == set(RULES)
    assert plain["sizes"][QUARTER_TURN] == [[7, 7], [9, 9]]
    assert len(found.section().exhibits[0].rows) == len(found.rows)
    aligned = alignment(nn.Conv2d(1, 1, 1), (1, 8, 8))
    assert "nothing in the geometry is an obstacle to quarter turns" in aligned.section().text
    assert aligned.section().exhibits == ()


def test_what_is_not_understood_is_said() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.svdvals(x)

    found = alignment(Odd(), (1, 8, 8))
    assert (found.status, found.unknown) == ("partial", ("aten._linalg_svd",))
    assert "Not analyzed" in found.sentences()[-1]


def test_a_size_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ModelError, match=r"fails on one of 3×8×8 \(Runtime.*Give its input size"):
        alignment(nn.Conv2d(1, 2, 3), (3, 8, 8))


@pytest.mark.slow
def test_windows_from_a_phase_are_aligned_under_shifts_where_the_stride_divides() -> None:
    options = {"downsampling": "polyphase", "padding": "circular", "widths": (4, 4, 4)}
    net = build("convnet", num_classes=3, in_channels=1, size=(32, 32), options=options).eval()
    found = alignment(net, (1, 32, 32))
    assert found.aligned(CIRCULAR_SHIFT)
    assert {row.reason for row in found.rows} == {
        "the phase is selected by elements above and to the left"
    }
    x = torch.rand(1, 1, 32, 32, dtype=torch.float64)
    net = net.double()
    with torch.no_grad():
        assert (net(x.roll((3, 5), (2, 3))) - net(x)).abs().max() < 1e-12
        assert (net(x.rot90(1, (2, 3))) - net(x)).abs().max() > 1e-6
    odd = alignment(net, (1, 30, 30))
    assert "stride 2 does not divide size 15" in {row.reason for row in odd.rows}
