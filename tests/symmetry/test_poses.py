"""Poses are the elements of their group, and act on pixels as its product says."""

import pytest
import torch

from neocog.errors import UsageError
from neocog.symmetry.groups import group_of
from neocog.symmetry.motion import rotation_by
from neocog.symmetry.poses import (
    GROUPS,
    Pose,
    check_size,
    finite_group,
    poses_in_words,
    poses_of,
)


@pytest.mark.parametrize("name", ["c2", "c4", "d1", "d2", "d4"])
def test_poses_of_a_posed_image_are_its_own_poses(name: str) -> None:
    group = group_of(name)
    x = torch.rand(2, 3, 6, 6)
    orbit = {pose(x).numpy().tobytes() for pose in poses_of(group)}
    assert len(orbit) == len(poses_of(group))
    for first in poses_of(group):
        assert {pose(first(x)).contiguous().numpy().tobytes() for pose in poses_of(group)} == orbit


def test_quarter_turns_keep_the_set_of_poses_that_interpolate() -> None:
    x = torch.rand(1, 1, 9, 9, dtype=torch.float64)
    group = group_of("c8")
    for pose, after in zip(poses_of(group), poses_of(group)[2:] + poses_of(group)[:2], strict=True):
        torch.testing.assert_close(pose(torch.rot90(x, 1, (2, 3))), after(x), rtol=0, atol=1e-12)


def test_a_rotation_is_that_of_an_audit() -> None:
    x = torch.rand(2, 3, 16, 16)
    for angle in (22.5, 45.0, 90.0, 135.0):
        expected = rotation_by(angle, border="reflect")(x)
        torch.testing.assert_close(Pose(angle)(x), expected, rtol=0, atol=1e-4)


def test_words() -> None:
    assert [poses_in_words(finite_group(g)) for g in ("c2", "C4", "d4", "d1")] == [
        "half turns",
        "quarter turns",
        "quarter turns and mirror images",
        "mirror images",
    ]
    assert str(Pose(90.0, mirrored=True)) == "mirrored, rotated by 90°"
    assert [GROUPS[0], GROUPS[-1], len(GROUPS)] == ["d1", "d16", 31]


def test_what_a_group_cannot_do_is_said_with_what_works() -> None:
    with pytest.raises(UsageError, match=r"A symmetry is c or d with a number of rotations"):
        finite_group("p4")
    with pytest.raises(UsageError, match=r"infinitely many. The nearest that works is c16"):
        finite_group("SO2")
    with pytest.raises(UsageError, match=r"c1 has 1 rotation. The nearest that works is c2"):
        finite_group("c1")
    with pytest.raises(UsageError, match=r"d100 has 100 rotations. The nearest that works is d16"):
        finite_group("d100")
    with pytest.raises(UsageError, match=r"needs square images; the model takes 28×32. Take d2"):
        check_size(finite_group("d4"), (28, 32))
    check_size(finite_group("d2"), (28, 32))
