"""A border written by slices."""

import pytest
import torch
from tests.field.everywhere import (
    C,
    circular,
    classifier,
    exact_shifts,
)
from tests.graph.places import N, Of, ways
from torch import Tensor, nn

from neocog.graph.alignment import CIRCULAR_SHIFT, alignment


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_border_written_by_slices_is_told_by_what_stands_there() -> None:
    torch.manual_seed(0)

    def zeros(x: Tensor, conv: nn.Module) -> Tensor:
        y = x.new_zeros(1, C, 14, 14)
        y[:, :, 1:-1, 1:-1] = x
        return conv(y)

    net = classifier(circular(2), nn.GroupNorm(1, C), Of(zeros, nn.Conv2d(C, C, 3)), nn.Softsign())
    found = alignment(net, (2, N, N))
    assert ways(found, CIRCULAR_SHIFT) == {"padding is constant"}
    assert exact_shifts(net, N, 0) == []
    wraps = classifier(circular(2), nn.GroupNorm(1, C), circular(2)).float()
    program = torch.export.export(wraps, (torch.zeros(1, 2, N, N),)).run_decompositions()
    found = alignment(Of(program.module()), (2, N, N))  # its borders are slices of buffers
    assert (found.status, found.total_stride) == ("complete", 4)
    assert found.aligned(CIRCULAR_SHIFT)
