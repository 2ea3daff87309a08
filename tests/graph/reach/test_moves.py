"""Rules of what only moves elements about, by hand."""

import torch
from tests.graph.one_field import only
from torch import Tensor, nn
from torch.nn import functional as F


def test_a_branch_joins_by_the_smallest_interval_that_holds_both() -> None:
    class Branches(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.pad(x, (4, 0))[:, :, :-4] + F.pad(x, (0, 2))[:, :, 2:]

    f = only(Branches(), (1, 9))
    assert (f.receptive_field, f.jump, f.start) == ((7,), (1,), (-4,))


def test_in_place_views() -> None:
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, (1, 3))

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x).transpose_(2, 3)
            return torch.cat(torch.ops.aten.unsafe_split(y, 3, 2), 2)

    f = only(Turned(), (1, 8, 8))
    assert (f.receptive_field, f.jump, f.output) == ((1, 3), (1, 1), (2, 6, 8))
