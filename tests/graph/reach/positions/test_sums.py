"""Positions behind what looks all along an axis."""

import pytest
import torch
from tests.field.everywhere import (
    WITH_GRID,
    circular,
    classifier,
    exact_shifts,
)
from tests.graph.places import N
from torch import nn

from neocog.graph.alignment import CIRCULAR_SHIFT, alignment


@pytest.mark.parametrize("name", WITH_GRID)
def test_grids_of_their_own_count(name: str) -> None:
    torch.manual_seed(0)
    make, step = WITH_GRID[name]
    net = classifier(circular(2), make(), nn.Softsign())
    found = alignment(net, (2, N, N))
    assert (found.total_stride, found.unknown) == (2 * step, ())
    assert exact_shifts(net, N, 1) == list(range(2 * step, N, 2 * step))
    assert found.aligned(CIRCULAR_SHIFT)
