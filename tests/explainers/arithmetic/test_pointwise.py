"""Operations that take each number by itself."""

import pytest
import torch
from tests.explainers.arithmetic.looked import agree, looked
from torch import Tensor, nn


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
