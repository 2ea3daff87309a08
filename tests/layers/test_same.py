import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from neocog.layers.blocks import PADDINGS
from neocog.layers.same import SameConv2d, same_sides


@given(st.integers(1, 70), st.sampled_from((1, 3, 5, 7)), st.integers(1, 4))
def test_sides_give_every_stride_a_window_and_are_as_narrow_as_that_allows(
    size: int, kernel: int, stride: int
) -> None:
    before, after = same_sides(size, kernel, stride)
    count = -(-size // stride)
    assert 0 <= after - before <= 1
    assert (size + before + after - kernel) // stride + 1 >= count
    if before + after:  # one sample less, and a window is missing
        assert (size + before + after - 1 - kernel) // stride + 1 == count - 1


@pytest.mark.parametrize("size", [(8, 8), (9, 12), (15, 7)])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("padding", PADDINGS)
def test_it_is_the_convolution_of_the_continued_map(
    size: tuple[int, int], kernel: int, padding: str
) -> None:
    x = torch.randn(2, 4, *size)
    layer = SameConv2d(4, 6, kernel_size=kernel, steps=2, stride=2, padding=padding, groups=2)
    (top, bottom), (left, right) = (same_sides(n, kernel, 2) for n in size)
    mode = "constant" if padding == "zeros" else padding
    wide = F.pad(x, (left, right, top, bottom), mode=mode)
    expected = F.conv2d(wide, layer.weight, layer.bias, 2, groups=2)
    # The same sums by other kernels: float32 rounding.
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-6)
    dense = SameConv2d(4, 6, kernel_size=kernel, steps=2, padding=padding, groups=2)
    dense.load_state_dict(layer.state_dict())
    assert dense(x).shape[2:] == size
    torch.testing.assert_close(dense(x)[..., ::2, ::2], expected, rtol=1e-5, atol=1e-6)


def test_a_map_smaller_than_the_border_is_continued() -> None:
    layer = SameConv2d(1, 1, kernel_size=7, padding="reflect")
    assert layer(torch.ones(1, 1, 1, 2)).shape == (1, 1, 1, 2)
