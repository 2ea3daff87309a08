from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from neocog.symmetry.motion import (
    Composition,
    QuarterTurn,
    Transformation,
    Translation,
    Warp,
    rotation_by,
)

# Bilinear weights of whole-pixel positions are 0 and 1 up to float32 rounding of the grid.
ROUNDING = 1e-5

steps = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=2, max_size=2).map(
    torch.tensor
)
fills = st.sampled_from(["circular", "zeros"])


def images(h: int = 7, w: int = 5, seed: int = 0) -> Tensor:
    return torch.rand(2, 3, h, w, generator=torch.Generator().manual_seed(seed))


def smooth(size: int = 33) -> Tensor:
    g = torch.arange(size) - size // 2
    return torch.exp(-((g[:, None] - 3) ** 2 + (g[None, :] + 4) ** 2) / 40)[None, None]


NOTHING = [
    Translation(torch.zeros(1, 2)),
    Translation(torch.zeros(2, 2, dtype=torch.long), "zeros"),
    QuarterTurn(torch.tensor([0])),
    QuarterTurn(torch.tensor([4, -8])),
    Warp(border="reflect"),
    Composition(()),
]


@pytest.mark.parametrize("motion", NOTHING)
def test_no_motion_is_the_identity(motion: Transformation) -> None:
    x = images()
    torch.testing.assert_close(motion(x), x, atol=ROUNDING, rtol=0)
    known = motion.known(x, (1, 1))
    assert known is None or bool(known.all())


@given(steps, steps, fills)
@settings(max_examples=30, deadline=None)
def test_whole_shifts_add_up(first: Tensor, second: Tensor, fill: str) -> None:
    x = images()
    both = Composition((Translation(first, fill), Translation(second, fill)))
    sum_, known = Translation(first + second, fill), both.known(x, (1, 1))
    if fill == "circular":
        assert known is None
        assert torch.equal(both(x), sum_(x))
    else:
        assert torch.equal(both(x) * known, sum_(x) * known)


@given(steps, fills)
@settings(max_examples=30, deadline=None)
def test_a_shift_is_undone_where_it_kept_what_was_there(offset: Tensor, fill: str) -> None:
    x, shift = images(), Translation(offset, fill)
    again, kept = shift.inverse(shift(x)), shift.inverse.known(x, (1, 1))
    assert torch.equal(again, x) if kept is None else torch.equal(again, x * kept)


@given(st.integers(-5, 5), st.integers(-5, 5), st.booleans(), st.booleans())
@settings(max_examples=30, deadline=None)
def test_quarter_turns_and_mirror_images_form_a_group(a: int, b: int, m: bool, n: bool) -> None:
    x = images(5, 5)
    one, other = QuarterTurn(torch.tensor([a]), m), QuarterTurn(torch.tensor([b]), n)
    product = QuarterTurn(torch.tensor([b - a if n else b + a]), m != n)
    assert torch.equal(Composition((one, other))(x), product(x))
    assert torch.equal(one.inverse(one(x)), x)
    turned = QuarterTurn(torch.tensor([a, b]))
    assert torch.equal(turned(x), torch.stack([x[0].rot90(a, (1, 2)), x[1].rot90(b, (1, 2))]))


WARPS = [
    Warp(angle=30),
    Warp(angle=-75, scale=1.4, offset=(1.5, -2)),
    Warp(displacement=torch.full((1, 3, 3, 2), 1.5)),
    Translation(torch.tensor([[3, -2]]), "zeros"),
    Translation(torch.tensor([[1.25, -2.5]]), "zeros"),
    Composition((Warp(angle=20), Translation(torch.tensor([[2, 1]]), "zeros"))),
    Composition((Translation(torch.tensor([[2, 1]]), "zeros"), Warp(angle=20))),
]


@pytest.mark.parametrize("motion", WARPS)
def test_what_is_known_depends_on_nothing_beyond_the_frame(
    motion: Transformation,
) -> None:
    x = images(12, 12)
    known = motion.known(x, (1, 1))
    assert known is not None
    assert 0 < int(known[0].sum()) < known[0].numel()
    edge = 8
    wide = images(12 + 2 * edge, 12 + 2 * edge, seed=1)
    wide[..., edge:-edge, edge:-edge] = x
    inside = motion(wide)[..., edge:-edge, edge:-edge]
    # What is known to 0.999 may hold a thousandth of what lies beyond.
    torch.testing.assert_close(motion(x) * known, inside * known, atol=2e-3, rtol=0)


def test_what_wraps_around_is_not_known_where_samples_do_not_tile() -> None:
    x, shift = torch.rand(1, 2, 6, 6), Translation(torch.tensor([[0, 4]]))
    assert shift.known(x, (2, 2), (12, 12)) is None
    known = shift.known(x, (2, 2), (12, 13))
    assert known[0, 0].tolist() == [[False] * 2 + [True] * 4] * 6
    assert shift.known(x, (2, 2), (13, 12)).all()  # nothing moves along the rows


def test_a_map_on_a_coarser_grid_moves_by_less() -> None:
    x = torch.rand(2, 3, 8, 8)
    shift = Translation(torch.tensor([[4, 0], [-8, 12]]))
    moved = torch.stack([x[0].roll((1, 0), (1, 2)), x[1].roll((-2, 3), (1, 2))])
    assert torch.equal(shift(x, (4, 4)), moved)
    (only,) = shift.candidates(x, (4, 4))
    assert torch.equal(only, moved)


def test_of_a_shift_by_parts_of_a_sample_the_whole_ones_beside_it_are_tried() -> None:
    x = torch.rand(1, 2, 8, 8)
    found = list(Translation(torch.tensor([[2, 1]])).candidates(x, (2, 2)))
    assert len(found) == 3  # right by 0 and by 1, and by half
    assert torch.equal(found[0], x.roll(1, 2))
    assert torch.equal(found[1], x.roll((1, 1), (2, 3)))


@pytest.mark.parametrize("fill", ["circular", "zeros"])
@pytest.mark.parametrize("offset", [(0, 0), (1, -2), (-7, 3), (9, 0), (-20, 20)])
def test_whole_shifts_are_written_where_there_is_room(fill: str, offset: tuple[int, int]) -> None:
    x, room = torch.rand(1, 3, 7, 8), torch.full((1, 3, 7, 8), torch.nan)
    shift = Translation(torch.tensor([offset]), fill)
    (moved,) = shift.candidates(x, (1, 1), room=room)
    assert moved is room
    assert torch.equal(moved, shift(x))


def test_a_warp_is_undone_but_for_interpolation() -> None:
    x = smooth()
    for motion in (rotation_by(30), Warp(angle=25, scale=1.2, offset=(2.0, -1.5))):
        known = Composition((motion, motion.inverse)).known(x, (1, 1))
        wrong = (motion.round_trip(x) - x) * known
        assert 0 < float(wrong.norm() / x.norm()) < 0.05  # bilinear twice, a blob 6 pixels wide
    for motion in (rotation_by(90), rotation_by(-180), Translation(torch.tensor([[1.5, 2]]))):
        assert motion.exact
        assert motion.round_trip(x) is x
    assert not Translation(torch.tensor([[1.5, 2]]), "zeros").exact


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_angles_are_counterclockwise_in_whatever_way_they_are_made(quarters: int) -> None:
    x, angle = images(9, 9), 90 * quarters
    assert torch.equal(rotation_by(angle)(x), x.rot90(quarters, (2, 3)))
    torch.testing.assert_close(Warp(angle=angle)(x), rotation_by(angle)(x), atol=ROUNDING, rtol=0)


def test_a_warp_of_a_map_is_that_of_the_image() -> None:
    x, motion = smooth(32), Warp(angle=30, scale=1.1, offset=(1, 2))
    there = F.avg_pool2d(motion(x), (1, 2))
    here = motion(F.avg_pool2d(x, (1, 2)), (1, 2))
    # Bilinear weights on the coarse grid miss a few hundredths of the blob.
    assert float((there - here).abs().max()) < 0.06


@pytest.mark.parametrize("angle", [0, 90, 180, 270, 360, -90])
def test_E8_quarter_turns_form_a_group(angle: float) -> None:
    x = images(5, 5)
    assert torch.equal(rotation_by(-angle)(rotation_by(angle)(x)), x)
    assert torch.equal(rotation_by(90)(rotation_by(angle)(x)), rotation_by(angle + 90)(x))


def test_positive_angles_turn_counterclockwise_also_between_quarters() -> None:
    x = torch.zeros(1, 1, 9, 9)
    x[0, 0, 4, 7] = 1  # right of the middle
    row, column = divmod(int(rotation_by(45, border="zeros")(x).argmax()), 9)
    assert (row, column) == (2, 6)  # up and to the right: 3 / sqrt(2) = 2.1 both ways
    near = rotation_by(89.999, border="zeros")(x)
    # A thousandth of a degree over 3 pixels is 5e-5 of a pixel, and so of a value.
    torch.testing.assert_close(near, rotation_by(90)(x), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("scale", "column"), [(2.0, 8), (0.5, 5)])
def test_a_scale_above_one_makes_content_larger(scale: float, column: int) -> None:
    x = torch.zeros(1, 1, 9, 9)
    x[0, 0, 4, 6] = 1
    assert divmod(int(Warp(scale=scale)(x).argmax()), 9) == (4, column)
