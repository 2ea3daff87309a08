"""A9: one output is a dot product of kernel and patch, plus bias, summed over input channels."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import UsageError
from neocog.explainers.arithmetic.unit import MOST, Arithmetic, arithmetic, share_of, understood
from neocog.graph.moments import Moment
from neocog.graph.structure import follow

ROUNDING = 2e-5
"""Relative to the numbers summed: PyTorch adds in float32 and in another order."""


def looked(net: nn.Module, x: Tensor, index, at: int = -1) -> Arithmetic:
    """The arithmetic of an element of a node; the last before the output by default."""
    found: list[tuple[str, Arithmetic]] = []

    def look(moment: Moment) -> None:
        if moment.pieces and len(index) == len(moment.shape):
            inside = all(i < n for i, n in zip(index, moment.shape, strict=True))
            if inside:
                found.append((moment.label, arithmetic(moment, index)))

    follow(net.eval(), x, on_node=look, pieces=True)
    return found[at][1]


def agree(net: nn.Module, x: Tensor, index) -> Arithmetic:
    """The number is PyTorch's, and is computed again from what is shown."""
    with torch.no_grad():
        truth = float(net.eval()(x.clone())[(0, *index)])
    found = looked(net, x, index)
    assert found.value == truth
    assert found.computed == pytest.approx(truth, rel=ROUNDING, abs=ROUNDING)
    return found


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


def test_the_steps_of_a_batch_norm() -> None:
    net = nn.BatchNorm2d(1, eps=0.0)
    net.running_mean.fill_(1.0)
    net.running_var.fill_(4.0)
    net.weight.data.fill_(3.0)
    net.bias.data.fill_(-1.0)
    found = looked(net, torch.full((1, 1, 2, 2), 5.0), (0, 0, 0))
    assert [v for _, v in found.steps] == [5.0, 1.0, 4.0, 4.0, 2.0, 6.0, 5.0]
    assert found.value == 5.0


def test_a_dense_layer_shows_its_largest_terms_and_sums_the_rest() -> None:
    torch.manual_seed(0)
    net = nn.Linear(200, 3)
    found = agree(net, torch.randn(1, 200), (2,))
    assert len(found.terms) == MOST
    count, left = found.rest
    assert count == 200 - MOST
    total = math.fsum(t.sum for t in found.terms) + left + found.bias
    assert total == pytest.approx(found.computed, rel=1e-12)
    smallest = min(abs(t.sum) for t in found.terms)
    assert abs(left) <= (200 - MOST) * smallest


class Sum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + x


def test_C6_a_residual_sum_shows_both_numbers() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 2, 4, 4)
    net = Sum()
    found = agree(net, x, (1, 2, 3))
    assert found.kind == "add"
    with torch.no_grad():
        first = float(net.conv(x)[0, 1, 2, 3])
    shown = [t.patch[0][0] for t in found.terms]
    assert shown == pytest.approx([first, float(x[0, 1, 2, 3])])
    assert [t.node for t in found.terms] == [1, 0]


class Gate(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x.mean((2, 3), keepdim=True))


def test_a_gate_multiplies_a_map_by_one_number_a_channel() -> None:
    assert agree(Gate(), torch.randn(1, 3, 4, 4), (2, 1, 3)).kind == "product"


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(x.flatten(2).transpose(1, 2))


def test_dense_layers_on_tokens_are_followed_through_views() -> None:
    found = agree(Tokens(), torch.randn(1, 6, 3, 3), (5, 2))
    assert found.kind == "linear"
    assert len(found.terms) == 6


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


class Scaled(nn.Module):
    """The squashing of LeNet-5: a module of several pointwise operations."""

    def forward(self, x: Tensor) -> Tensor:
        return 1.7159 * torch.tanh(x * (2 / 3))


def test_a_chain_of_pointwise_operations_is_shown_step_by_step() -> None:
    found = agree(Scaled(), torch.randn(1, 2, 4, 4), (1, 0, 3))
    assert found.kind == "activation"
    assert [label for label, _ in found.steps] == [
        "input",
        "times 0.666667",
        "tanh(z)",
        "times 1.7159",
    ]


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


class Power(nn.Module):
    """A number, or the map, to the power of the other."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.p = way, nn.Parameter(torch.tensor([3.0, 2.5]))

    def forward(self, x: Tensor) -> Tensor:
        return {
            "number": lambda: x.abs() ** 2.5,
            "base": lambda: 2.0**x,
            "channels": lambda: x.abs() ** self.p[:, None, None],
            "floor": lambda: torch.div(x, 0.3, rounding_mode="floor"),
            "floor of two": lambda: torch.div(x, x.square() + 1, rounding_mode="floor"),
            "clamp": lambda: x.clamp(min=0.1),
        }[self.way]()


@pytest.mark.parametrize("way", ["number", "base", "channels", "floor", "clamp"])
def test_powers_and_their_kin_are_computed_again(way: str) -> None:
    torch.manual_seed(2)
    assert agree(Power(way), torch.randn(1, 2, 3, 3), (1, 2, 0)).kind == "scale"


def test_a_quotient_that_is_rounded_is_not_said_to_be_the_quotient() -> None:
    found = looked(Power("floor of two"), torch.randn(1, 2, 3, 3), (1, 2, 0))
    assert (found.kind, found.computed) == ("other", None)


def test_numbers_beyond_the_range_are_no_fault() -> None:
    class Huge(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (1e6 * x) ** 60

    assert looked(Huge(), torch.ones(1, 1, 2, 2), (0, 0, 0)).kind == "other"


def test_what_a_border_put_there_is_said_to_be_so() -> None:
    found = agree(nn.ConstantPad2d(1, 2.5), torch.randn(1, 1, 3, 3), (0, 0, 4))
    assert (found.kind, found.value, found.terms) == ("move", 2.5, ())
    assert "padding" in found.formula


def test_a_sum_over_places() -> None:
    class Total(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.square().sum((2, 3))

    assert agree(Total(), torch.randn(1, 2, 3, 3), (1,)).kind == "sum"


def test_means_written_as_functions() -> None:
    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((2, 3))

    found = agree(Mean(), torch.randn(1, 3, 4, 4), (2,))
    assert (found.kind, found.window) == ("avg_pool", (0, 4, 0, 4))


def test_what_no_rule_understands_is_said_to_be_so() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cumsum(x, 3)

    found = looked(Odd(), torch.randn(1, 1, 4, 4), (0, 0, 1))
    assert (found.kind, found.computed, found.terms) == ("other", None, ())


def test_functions_with_weights_of_any_sort() -> None:
    class Free(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 2, 3, 3))

        def forward(self, x: Tensor) -> Tensor:
            weight = self.weight / self.weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
            return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), weight)

    found = agree(Free(), torch.randn(1, 2, 5, 5), (2, 0, 4))
    assert found.window == (-1, 2, 3, 6)


def test_a_probability_is_its_share_of_the_exponentials() -> None:
    logits = torch.tensor([0.0, math.log(3.0)])
    found = share_of(logits, 1)
    assert found.value == pytest.approx(0.75)
    assert found.computed == pytest.approx(0.75)
    assert [t.sum for t in found.terms] == pytest.approx([0.25, 0.75])


def test_a_unit_that_does_not_exist() -> None:
    with pytest.raises(UsageError, match="A unit is one of 1 × 2 × 2"):
        follow(nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 2, 2), on_node=beyond, pieces=True)


def beyond(moment: Moment) -> None:
    """Asks for a unit behind the last."""
    arithmetic(moment, (0, 0, 2))
