"""What of a network needs no data."""

from fractions import Fraction

import torch
from torch import nn

from neocog.audits.look import Geometry, geometry_of
from neocog.models.exact import ExactModel


def test_cost_stride_and_steps_of_a_small_network_by_hand() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    model = ExactModel(net)
    found = geometry_of(model, (1, 8, 8))
    assert (found.macs, found.stride, found.notes) == (2 * 9 * 16, 2, ())
    assert found.jumps(model)["0"] == (Fraction(2), Fraction(2))
    assert Geometry().macs is None
    assert Geometry().jumps(model) == {}


def test_macs_are_none_where_an_operation_is_not_understood() -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.svdvals(x).flatten(1)

    assert geometry_of(ExactModel(Odd()), (1, 4, 4)).macs is None
