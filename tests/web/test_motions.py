import math

import pytest
import torch

from neocog.errors import UsageError
from neocog.symmetry.warp import turn
from neocog.web.motions import Motion


def test_shifts_go_down_and_to_the_right() -> None:
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 1, 1] = 1
    moved = Motion(padding="zeros", dx=2, dy=1).move(x, (1, 1))
    assert moved[0, 0, 2, 3] == 1
    assert moved.sum() == 1


def test_circular_shifts_are_torch_roll() -> None:
    x = torch.randn(1, 3, 8, 8)
    moved = Motion(dx=5, dy=-3).move(x, (1, 1))
    assert torch.equal(moved, x.roll((-3, 5), (2, 3)))


def test_on_a_coarser_grid_a_shift_is_shorter() -> None:
    x = torch.randn(1, 2, 4, 4)
    assert torch.equal(Motion(dx=4).move(x, (4, 4)), x.roll(1, 3))


def test_angles_are_anticlockwise_and_agree_with_the_audits() -> None:
    x = torch.rand(1, 1, 9, 9)
    moved = Motion(padding="zeros", angle=90).move(x, (1, 1))
    assert torch.allclose(moved, turn(x, 90), atol=1e-5)  # bilinear at whole places


def test_turns_of_maps_with_other_steps_along_each_axis_are_those_of_the_image() -> None:
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    x = torch.exp(-((rows - 7.5) ** 2 + (columns - 11.5) ** 2) / 18)[None, None]
    flat = torch.nn.functional.avg_pool2d(x, (1, 2))
    motion = Motion(padding="zeros", angle=30)
    there = torch.nn.functional.avg_pool2d(motion.move(x, (1, 1)), (1, 2))
    here = motion.move(flat, (1, 2))
    # Bilinear weights on the coarse grid miss a few hundredths of a bell 3 pixels wide; the matrix
    # of the fine grid would miss half of it.
    assert float((there - here).abs().max()) < 0.06


def test_the_scale_and_the_bend_keep_the_middle_about_where_it_is() -> None:
    x = torch.zeros(1, 1, 9, 9)
    x[0, 0, 4, 4] = 1
    larger = Motion(scale=2).move(x, (1, 1))
    assert larger[0, 0].argmax() == 40
    assert float(larger.sum()) > 2
    same = Motion(elastic=1.5, seed=3).move(x, (1, 1))
    assert torch.equal(same, Motion(elastic=1.5, seed=3).move(x, (1, 1)))
    assert not torch.equal(same, Motion(elastic=1.5, seed=4).move(x, (1, 1)))


def test_zero_fill_by_a_part_of_a_pixel_is_between_two_pixels() -> None:
    x = torch.tensor([[[4.0, 8.0, 0.0]]])
    moved = Motion(padding="zeros", dx=0.25).move(x, (1,))
    assert moved.flatten().tolist() == [3.0, 7.0, 2.0]


def test_of_a_shift_by_a_part_of_a_sample_the_whole_ones_beside_it_are_tried() -> None:
    x = torch.randn(1, 2, 8, 8)
    found = [t for t, _ in Motion(dx=1, dy=2).candidates(x, (2, 2))]
    assert len(found) == 3  # right by 0 and by 1, and by half
    assert torch.equal(found[0], x.roll(1, 2))
    assert torch.equal(found[1], x.roll((1, 1), (2, 3)))


def test_what_nobody_knows_is_masked() -> None:
    x = torch.ones(1, 1, 6, 6)
    ((_, known),) = Motion(padding="zeros", dx=2).candidates(x, (1, 1))
    assert known.sum() == 6 * 4
    assert known[:, :2].sum() == 0
    ((_, whole),) = Motion(padding="circular", dx=2).candidates(x, (1, 1))
    assert whole is None
    ((_, cut),) = Motion(padding="circular", dx=2).candidates(x, (1, 1), tiles=False)
    assert cut.sum() == 6 * 4
    ((_, turned),) = Motion(angle=45).candidates(x, (1, 1))
    assert 0 < turned.sum() < 36


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ([], "A motion is an object"),
        ({"padding": "up"}, "`padding` of a motion is unknown"),
        ({"dx": "1"}, "`dx` is a number"),
        ({"dy": math.inf}, "`dy` is a number"),
        ({"scale": 0}, "`scale` is a number from 0.1"),
        ({"angle": True}, "`angle` is a number"),
        ({"elastic": 3}, "`elastic` of a motion is an object"),
        ({"elastic": {"seed": -1}}, "`seed` is a whole number"),
    ],
)
def test_what_is_no_motion(plain, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Motion.of(plain)


@pytest.mark.parametrize("kind", ["circular", "zeros"])
@pytest.mark.parametrize("steps", [(0, 0), (1, -2), (-7, 3), (9, 0), (-20, 20)])
def test_whole_shifts_are_written_where_there_is_room(kind: str, steps: tuple[int, int]) -> None:
    x, room = torch.rand(1, 3, 7, 8), torch.full((1, 3, 7, 8), torch.nan)
    motion = Motion(padding=kind, dy=steps[0], dx=steps[1])
    ((moved, _),) = motion.candidates(x, (1.0, 1.0), room=room)
    assert moved is room
    assert torch.equal(moved, motion.move(x, (1.0, 1.0)))
    ((own, _),) = motion.candidates(x, (1.0, 1.0))
    assert torch.equal(own, room)
