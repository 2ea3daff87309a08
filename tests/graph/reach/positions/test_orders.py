"""Positions in an order of their own: a border made round by hand."""

import torch
from tests.field.everywhere import (
    C,
    circular,
    classifier,
    exact_shifts,
)
from tests.graph.places import N, Of
from torch import Tensor, nn

from neocog.graph.alignment import CIRCULAR_SHIFT, alignment


def test_a_border_made_round_by_hand_is_none() -> None:
    torch.manual_seed(0)

    def round_by_hand(x: Tensor, conv: nn.Module) -> Tensor:
        x = torch.cat([x[:, :, -1:], x, x[:, :, :1]], 2)
        return conv(x[..., torch.arange(-1, x.shape[3] + 1) % x.shape[3]])

    net = classifier(circular(2), Of(round_by_hand, nn.Conv2d(C, C, 3)), nn.Softsign())
    found = alignment(net, (2, N, N))
    assert found.aligned(CIRCULAR_SHIFT)
    assert exact_shifts(net, N, 0) == exact_shifts(net, N, 1) == list(range(2, N, 2))
