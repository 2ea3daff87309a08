"""Rules of single operations, by hand: receptive field, jump and start."""

import torch
from tests.graph.one_field import only
from torch import Tensor, nn


def test_a_pool_that_misses_the_last_row_does_not_see_the_whole_image() -> None:
    f = only(nn.Sequential(nn.Conv2d(1, 1, 2, 2), nn.AdaptiveAvgPool2d(1)), (1, 7, 8))
    assert (f.receptive_field, f.whole) == ((6, 8), (False, True))


def test_a_single_element_keeps_its_jump_through_added_and_dropped_axes() -> None:
    net = nn.Sequential(nn.Conv1d(1, 1, 3, 3), nn.MaxPool1d(2), nn.Conv1d(1, 1, 3, padding=1))
    f = only(net, (1, 6))
    assert (f.receptive_field, f.jump, f.start) == ((18,), (6,), (-6,))


def test_numbers_that_do_not_depend_on_the_input_see_nothing() -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.ones(1, 2, 3, 3) * 2

    f = only(Constant(), (1, 8, 8))
    assert (f.receptive_field, f.middle, f.known) == ((0, 0), (None, None), True)
