"""Windows and samples of a map, by hand."""

import pytest
import torch

from neocog.layers.downsample import (
    average_pool,
    max_pool,
)
from neocog.layers.subsample import (
    FarBorder,
    Subsample,
    far_border,
    subsample,
)

GRID = torch.tensor([[6.0, 1, 2, 4], [1, 6, 7, 8], [3, 5, 2, 0], [1, 2, 3, 4]]).reshape(1, 1, 4, 4)


def test_max_pool_with_a_border() -> None:
    zero = max_pool("stride", 1, kernel_size=3, stride=2, padding="zeros", pad=1)
    assert zero(-GRID)[0, 0, 0, 0] == -1  # what lies outside has no part in the maximum
    circular = max_pool("stride", 1, kernel_size=3, stride=2, padding="circular", pad=1)
    assert circular(GRID)[0, 0].tolist() == [[8, 8], [8, 8]]
    replicate = max_pool("stride", 1, kernel_size=3, stride=2, padding="replicate", pad=1)
    assert replicate(GRID)[0, 0].tolist() == [[6, 8], [6, 8]]


def test_average_pool_with_a_border_counts_it() -> None:
    pooled = average_pool("stride", 1, kernel_size=2, stride=2, padding="zeros", pad=1)(GRID)
    assert pooled[0, 0, 0, 0] == 6 / 4


def test_subsample_is_a_view() -> None:
    assert subsample(GRID, (2, 1)).shape == (1, 1, 2, 4)
    assert subsample(GRID, (2, 2)).data_ptr() == GRID.data_ptr()
    assert "stride=(2, 2)" in repr(Subsample((2, 2)))


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("pad", [0, 1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_a_far_border_leaves_whole_strides_behind(kernel: int, pad: int, stride: int) -> None:
    for n in range(kernel, 14):
        x = torch.ones(1, 1, n)
        more = far_border(x, (kernel,), stride=(stride,), pad=(pad,), padding="zeros").shape[2] - n
        windows = n + 2 * pad - kernel + 1
        left = (windows - 1) // stride + 1
        assert -(-(windows + more) // stride) == left, "as many samples as with the stride"
        assert more < max(1, kernel - 2 * pad), "no window sees nothing but the border"
        if more < max(0, kernel - 1 - 2 * pad):
            assert (windows + more) % stride == 0


def test_a_far_border_wraps_a_window_of_two() -> None:
    pooled = max_pool("polyphase", 1, kernel_size=2, stride=2, padding="circular")
    # Maxima of all windows on the circle, rows and columns; its largest phase is (0, 0).
    x = torch.tensor([[0.0, 9], [8, 1]])[None, None]
    assert pooled(x).tolist() == [[[[9]]]]
    edge = FarBorder((2, 2), stride=(2, 2), pad=(0, 0), padding="-inf")
    assert edge(x)[0, 0].tolist() == [[0, 9, -torch.inf], [8, 1, -torch.inf], [-torch.inf] * 3]
    assert "(2, 2), stride=(2, 2), pad=(0, 0), padding=-inf" in repr(edge)
    mean = average_pool("polyphase", 1, kernel_size=2, stride=2, padding="zeros")
    # The edge is repeated, not darkened: the phase (0, 1) has the mean of 9, 1 and their copies.
    assert mean(torch.tensor([[0.0, 9], [0, 9]])[None, None]).tolist() == [[[[9]]]]
