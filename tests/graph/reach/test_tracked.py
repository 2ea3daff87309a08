"""What is written through one view of a tensor is seen through all."""

import torch
from tests.graph.one_field import only
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.graph.receptive_field import receptive_field


def test_what_is_written_through_a_view_is_seen_through_all_views() -> None:
    class Writes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blur = nn.Conv1d(1, 1, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            y = torch.zeros(1, 2, 8)
            first = y[:, 0]
            y.view(1, 2, 2, 4)[:, :1] = self.blur(x).view(1, 1, 2, 4)
            y[:, 1:].add_(x)
            self.seen = first
            return y

    fields = receptive_field(Writes(), (1, 8))
    f = fields.of("")
    assert (f.receptive_field, f.jump, f.start) == ((3,), (1,), (-1,))
    assert f.middle == ((4, 4),)  # element 4 of channel 1, which saw no blur


def test_an_unused_old_value_is_forgotten() -> None:
    class Over(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = F.avg_pool1d(x, 5, 1, 2)
            y[...] = x
            return y.relu_()

    assert only(Over(), (1, 8)).receptive_field == (1,)
