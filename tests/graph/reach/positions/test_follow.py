"""Positions are followed through what sees the whole map: strides behind it count."""

import pytest
import torch
from tests.field.everywhere import (
    EVERYWHERE,
    circular,
    classifier,
    exact_shifts,
)
from tests.graph.places import N
from torch import nn

from neocog.graph.alignment import CIRCULAR_SHIFT, alignment
from neocog.graph.receptive_field import receptive_field


@pytest.mark.parametrize("name", EVERYWHERE)
def test_strides_behind_it_count_and_no_border_is_made_up(name: str) -> None:
    torch.manual_seed(0)
    net = classifier(circular(2), EVERYWHERE[name](), nn.Softsign(), circular(3), nn.Softsign())
    found = alignment(net, (2, N, N))
    assert (found.status, found.unknown) == ("complete", ())
    assert found.total_stride == 6
    assert exact_shifts(net, N, 0) == exact_shifts(net, N, 1) == [6, 12, 18]
    assert found.aligned(CIRCULAR_SHIFT)  # every padding wraps around
    assert receptive_field(net, (2, N, N)).of("5").step == (6, 6)
    odd = alignment(net, (2, 25, 25))
    assert not odd.aligned(CIRCULAR_SHIFT)
    assert odd.nearest[CIRCULAR_SHIFT] == ((24, 24), (30, 30))
