import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.errors import UsageError
from neocog.symmetry.warp import (
    affine,
    affine_matrix,
    flip,
    shift_linear,
    shift_zero_fill,
    smooth_field,
    warp,
)

# Bilinear weights of whole-pixel positions are 0 and 1 up to float32 rounding of the grid.
ROUNDING = 1e-5


def _matrix(angle: float = 0, zoom: tuple[float, float] = (1, 1), shear: float = 0) -> torch.Tensor:
    return affine_matrix(
        angle=torch.tensor([float(angle)]),
        zoom=torch.tensor([zoom]),
        shear=torch.tensor([float(shear)]),
    )


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_zero_fill_is_a_shift_by_slices(dy: int, dx: int, channels: int) -> None:
    x = torch.rand(2, channels, 7, 5)
    out = shift_zero_fill(x, torch.tensor([[dy, dx], [0, 0]]))
    expected = torch.zeros_like(x[0])
    for r in range(7):
        for c in range(5):
            if 0 <= r - dy < 7 and 0 <= c - dx < 5:
                expected[:, r, c] = x[0, :, r - dy, c - dx]
    assert torch.equal(out[0], expected)
    assert torch.equal(out[1], x[1])


def test_whole_pixel_warp_is_the_zero_filled_shift() -> None:
    x = torch.rand(3, 2, 9, 6)
    offset = torch.tensor([[2, -1], [0, 3], [-4, 0]])
    out = warp(x, torch.eye(2).expand(3, 2, 2), offset.float())
    torch.testing.assert_close(out, shift_zero_fill(x, offset), atol=ROUNDING, rtol=0)


def test_a_quarter_turn_is_rot90_counterclockwise() -> None:
    x = torch.rand(1, 1, 8, 8)
    out = warp(x, _matrix(angle=90), torch.zeros(1, 2))
    torch.testing.assert_close(out, x.rot90(1, (2, 3)), atol=ROUNDING, rtol=0)


def test_negative_zoom_of_columns_mirrors() -> None:
    x = torch.rand(1, 1, 5, 8)
    out = warp(x, _matrix(zoom=(1, -1)), torch.zeros(1, 2))
    torch.testing.assert_close(out, x.flip(3), atol=ROUNDING, rtol=0)
    assert torch.equal(flip(x, torch.tensor([True]), axis=3), x.flip(3))
    assert torch.equal(flip(x, torch.tensor([False]), axis=3), x)


def test_zoom_two_enlarges_the_middle_by_hand() -> None:
    x = torch.zeros(1, 1, 8, 8)
    x[..., 3:5, 3:5] = 1
    out = warp(x, _matrix(zoom=(2, 2)), torch.zeros(1, 2))
    # Sample p is taken from 3.5 + (p - 3.5) / 2: 1.75, 2.25, 2.75, … of a line that is 1 at 3, 4.
    line = torch.tensor([0, 0.25, 0.75, 1, 1, 0.75, 0.25, 0])
    torch.testing.assert_close(out[0, 0], torch.outer(line, line), atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("border", ["zeros", "edge", "reflect"])
def test_what_lies_beyond_the_border(border: str) -> None:
    x = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
    out = warp(x, torch.eye(2)[None], torch.tensor([[0.0, 2.0]]), border=border)
    first = {"zeros": [0.0, 0.0], "edge": [1.0, 1.0], "reflect": [2.0, 1.0]}[border]
    torch.testing.assert_close(out, torch.tensor([[[[*first, 1.0, 2.0]]]]), atol=ROUNDING, rtol=0)


def test_a_constant_field_is_a_shift() -> None:
    x = torch.rand(1, 1, 8, 8)
    coarse = torch.stack([torch.full((5, 5), 1.0), torch.full((5, 5), 2.0)])[None]
    field = smooth_field(coarse, (8, 8))
    out = warp(x, torch.eye(2)[None], torch.zeros(1, 2), field=field)
    moved = shift_zero_fill(x, torch.tensor([[-2, -1]]))
    torch.testing.assert_close(out, moved, atol=ROUNDING, rtol=0)


def test_an_unknown_border_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"got `reflection`\. Did you mean `reflect`"):
        warp(torch.rand(1, 1, 2, 2), torch.eye(2)[None], torch.zeros(1, 2), border="reflection")


def test_a_linear_shift_lies_between_two_whole_ones_by_hand() -> None:
    x, quarter = torch.tensor([[[4.0, 8.0, 0.0]]]), torch.tensor([[0.25]])
    assert shift_linear(x, quarter, circular=False).flatten().tolist() == [3, 7, 2]
    assert shift_linear(x, quarter, circular=True).flatten().tolist() == [3, 7, 2]
    assert shift_linear(x, quarter - 1, circular=True).flatten().tolist() == [7, 2, 3]
    assert shift_linear(x, quarter - 1, circular=False).flatten().tolist() == [7, 2, 0]


def test_each_sample_has_a_linear_shift_of_its_own() -> None:
    x = torch.rand(2, 1, 6, 5, generator=torch.Generator().manual_seed(0))
    moved = shift_linear(x, torch.tensor([[1.0, -2.0], [0.5, 0.0]]), circular=True)
    assert torch.equal(moved[0], x[0].roll((1, -2), (1, 2)))
    torch.testing.assert_close(moved[1], (x[1] + x[1].roll(1, 1)) / 2)


@pytest.mark.parametrize("jump", [(1.0, 1.0), (2.0, 4.0)])
def test_a_displacement_is_in_pixels_on_whatever_grid(jump: tuple[float, float]) -> None:
    x = torch.rand(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    everywhere = torch.tensor([4.0, 2.0]).expand(1, 3, 3, 2)  # (x, y) that values come from
    down, right = int(2 / jump[0]), int(4 / jump[1])
    moved = shift_zero_fill(x, torch.tensor([[-down, -right]]))
    out = affine(x, displacement=everywhere, jump=jump)
    torch.testing.assert_close(out, moved, atol=ROUNDING, rtol=0)


def test_channels_are_dealt_out_to_threads_without_a_difference() -> None:
    x = torch.rand(1, 4, 9, 9, generator=torch.Generator().manual_seed(0))
    one, threads = affine(x, angle=20), torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        two = affine(x, angle=20)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(one, two)
