"""A9: one output is a dot product of kernel and patch, plus bias, summed over input channels."""

import math

import pytest
import torch
from tests.explainers.arithmetic.looked import agree, looked
from torch import Tensor, nn

from neocog.errors import UsageError
from neocog.explainers.arithmetic.unit import arithmetic, understood
from neocog.graph.moments import Moment
from neocog.graph.structure import follow


def test_A9_the_lecture_convolution_number_by_number() -> None:
    net = nn.Conv2d(1, 1, 2, bias=False)
    net.weight.data.copy_(torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]]))
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    for (row, column), answer in {(0, 0): 19, (0, 1): 25, (1, 0): 37, (1, 1): 43}.items():
        found = looked(net, x, (0, row, column))
        assert (found.kind, found.value, found.computed) == ("conv", answer, answer)
    assert found.terms[0].patch == ((4.0, 5.0), (7.0, 8.0))
    assert found.terms[0].products == ((0.0, 5.0), (14.0, 24.0))
    assert found.window == (1, 3, 1, 3)


CONVOLUTIONS = [
    nn.Conv2d(3, 4, 3),
    nn.Conv2d(3, 4, (3, 5), stride=(2, 1), padding=(1, 2), bias=False),
    nn.Conv2d(4, 8, 3, groups=2, padding=1),
    nn.Conv2d(4, 4, 3, groups=4, dilation=2, padding=2),
    nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular"),
    nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
    nn.Conv2d(3, 4, 3, padding=1, padding_mode="replicate"),
    nn.Conv2d(3, 4, 3, padding="same"),
    nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1),
    nn.ConvTranspose2d(4, 4, 4, stride=2, groups=2),
]


@pytest.mark.parametrize("net", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("index", [(0, 0, 0), (3, 2, 3), (1, 3, 1)])
def test_A9_every_kind_of_convolution_is_computed_again(net: nn.Module, index) -> None:
    torch.manual_seed(3)
    x = torch.randn(1, net.in_channels, 8, 9)
    found = agree(net, x, index)
    assert found.kind == "conv"
    shown = math.fsum(t.sum for t in found.terms) + (found.bias or 0.0)
    assert shown == pytest.approx(found.computed, rel=1e-12, abs=1e-12)
    for t in found.terms:
        rows = zip(t.patch, t.kernel, t.products, strict=True)
        for patch, kernel, products in rows:
            assert [p * k for p, k in zip(patch, kernel, strict=True)] == list(products)


def test_padding_in_front_of_a_convolution_is_part_of_its_window() -> None:
    net = nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect")
    found = looked(net, torch.randn(1, 1, 6, 6), (0, 0, 5))
    assert found.window == (-1, 2, 4, 7)
    assert found.padding == (1, 1)


def test_series_have_one_row() -> None:
    torch.manual_seed(0)
    found = agree(nn.Conv1d(2, 3, 5, stride=2, padding=2), torch.randn(1, 2, 20), (1, 0))
    assert found.window == (0, 1, -2, 3)
    assert len(found.terms[0].patch) == 1


LAYERS = [
    (nn.MaxPool2d(2), "max_pool"),
    (nn.MaxPool2d(3, stride=2, padding=1), "max_pool"),
    (nn.MaxPool2d(2, dilation=2, ceil_mode=True), "max_pool"),
    (nn.AvgPool2d(2), "avg_pool"),
    (nn.AvgPool2d(3, stride=2, padding=1), "avg_pool"),
    (nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False), "avg_pool"),
    (nn.AvgPool2d(2, divisor_override=3), "avg_pool"),
    (nn.AdaptiveAvgPool2d(3), "avg_pool"),
    (nn.AdaptiveMaxPool2d((3, 2)), "max_pool"),
    (nn.BatchNorm2d(2), "norm"),
    (nn.GroupNorm(1, 2), "norm"),
    (nn.LayerNorm([2, 8, 8]), "norm"),
    (nn.ReLU(), "activation"),
    (nn.ReLU(inplace=True), "activation"),
    (nn.LeakyReLU(0.2), "activation"),
    (nn.GELU(), "activation"),
    (nn.GELU(approximate="tanh"), "activation"),
    (nn.SiLU(), "activation"),
    (nn.ELU(), "activation"),
    (nn.Sigmoid(), "activation"),
    (nn.Tanh(), "activation"),
    (nn.Hardswish(), "activation"),
    (nn.ReLU6(), "activation"),
    (nn.PReLU(2), "activation"),
    (nn.Softplus(), "activation"),
    (nn.Softmax(1), "softmax"),
    (nn.LogSoftmax(1), "softmax"),
    (nn.ZeroPad2d(1), "move"),
    (nn.PixelUnshuffle(2), "move"),
]


@pytest.mark.parametrize(("net", "kind"), LAYERS, ids=lambda v: str(v))
@pytest.mark.parametrize("index", [(0, 1, 1), (1, 2, 1)])
def test_A9_layers_without_a_kernel_are_computed_again(net: nn.Module, kind: str, index) -> None:
    torch.manual_seed(5)
    for p in net.parameters():
        p.data.uniform_(-1, 1)
    for name, b in net.named_buffers():
        if "var" in name or "mean" in name:
            b.uniform_(0.5, 2)
    assert agree(net, torch.randn(1, 2, 8, 8), index).kind == kind


class Concatenated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.a(x), self.b(x)], 1)


def test_a_concatenation_says_where_a_number_is_from() -> None:
    found = agree(Concatenated(), torch.randn(1, 1, 4, 4), (3, 1, 2))
    assert found.kind == "move"
    assert (found.terms[0].node, found.terms[0].channel) == (2, 1)


def test_D2_the_layers_of_lenet5_can_be_shown() -> None:
    from neocog.networks.catalog import build

    net = build("lenet5", num_classes=10, in_channels=1, size=(32, 32)).eval()
    x = torch.rand(1, 1, 32, 32)
    found: dict[str, bool] = {}

    def look(moment: Moment) -> None:
        if moment.pieces:
            found[moment.name] = understood(moment)

    follow(net, x, on_node=look, pieces=True)
    blind = [name for name, shown in found.items() if not shown]
    assert len(found) >= 7
    assert len(blind) <= 1, blind  # the distances to the codes


def test_flatten_says_which_pixel_a_number_was() -> None:
    found = agree(nn.Flatten(), torch.arange(24.0).view(1, 2, 3, 4), (17,))
    assert found.kind == "move"
    assert found.value == 17.0
    assert "channel 1, row 1, column 1" in found.formula


def test_what_a_border_put_there_is_said_to_be_so() -> None:
    found = agree(nn.ConstantPad2d(1, 2.5), torch.randn(1, 1, 3, 3), (0, 0, 4))
    assert (found.kind, found.value, found.terms) == ("move", 2.5, ())
    assert "padding" in found.formula


def test_what_no_rule_understands_is_said_to_be_so() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cumsum(x, 3)

    found = looked(Odd(), torch.randn(1, 1, 4, 4), (0, 0, 1))
    assert (found.kind, found.computed, found.terms) == ("other", None, ())


def test_a_unit_that_does_not_exist() -> None:
    with pytest.raises(UsageError, match="A unit is one of 1 × 2 × 2"):
        follow(nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 2, 2), on_node=beyond, pieces=True)


def beyond(moment: Moment) -> None:
    """Asks for a unit behind the last."""
    arithmetic(moment, (0, 0, 2))
