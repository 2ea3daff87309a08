"""Poses of an image: the finite groups of rotations and mirror images that act on a pixel grid.

C_n has the n rotations by multiples of 360°/n; D_n has these and the mirror images. Quarter turns
and mirror images permute pixels, so C_2, C_4, D_1, D_2 and D_4 act on square images without any
arithmetic. Other rotations interpolate: bilinear within 90° and exact beyond, so that an image and
the same image turned by 90° have the same set of poses.

    c4      4 poses: 0°, 90°, 180°, 270°
    d4      8 poses: the same, each also mirrored
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from neocog.errors import UsageError
from neocog.symmetry.groups import Group, group_of

__all__ = [
    "GROUPS",
    "Pose",
    "check_size",
    "finite_group",
    "posed",
    "poses_in_words",
    "poses_of",
]

MOST = 16
"""Rotations of a group whose poses are all run through a network, at most."""

GROUPS = tuple(f"{kind}{n}" for n in range(1, MOST + 1) for kind in "cd")[1:]
"""Names of the groups: c2 to c16 and d1 to d16; d1 is the mirror image left to right alone."""


@dataclass(frozen=True)
class Pose:
    """An element of a group: a rotation, after a mirror image or not.

    Args:
        angle: degrees counterclockwise on the screen, from 0 to below 360.
        mirrored: left and right are exchanged before the rotation.

    Example:
        >>> x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
        >>> Pose(90.0)(x)
        tensor([[[[2., 4.],
                  [1., 3.]]]])
    """

    angle: float
    mirrored: bool = False

    def __call__(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H2 W2"]:
        """Images in this pose; sides swap at 90° and 270°."""
        x = x.flip(3) if self.mirrored else x
        quarters, rest = divmod(self.angle, 90.0)
        x = _rotated(x, rest) if rest else x
        if not quarters:
            return x
        return torch.rot90(x, int(quarters), (2, 3)).contiguous()

    @property
    def exact(self) -> bool:
        """Whether pixels are only permuted."""
        return self.angle % 90 == 0

    def __str__(self) -> str:
        turned = f"rotated by {self.angle:g}°" if self.angle else ""
        mirrored = "mirrored" if self.mirrored else ""
        return ", ".join(filter(None, (mirrored, turned))) or "upright"


def poses_of(group: Group) -> tuple[Pose, ...]:
    """All elements of a finite group, the upright pose first.

    Example:
        >>> [str(pose) for pose in poses_of(Group(2, mirror=True))]
        ['upright', 'rotated by 180°', 'mirrored', 'mirrored, rotated by 180°']
    """
    return tuple(Pose(angle, mirrored) for angle, mirrored in group.elements)


def poses_in_words(group: Group) -> str:
    """What the poses of a group are.

    Example:
        >>> poses_in_words(Group(4, mirror=True)), poses_in_words(Group(8))
        ('quarter turns and mirror images', 'rotations by 45°')
    """
    turns = {1: "", 2: "half turns", 4: "quarter turns"}
    turned = turns.get(group.rotations, f"rotations by {360 / group.rotations:g}°")
    return " and ".join(filter(None, (turned, "mirror images" if group.mirror else "")))


def check_size(group: Group, size: tuple[int, ...]) -> None:
    """Refuse images that a rotation of a group does not map to their own size.

    Args:
        group: a finite one.
        size: (H, W).

    Raises:
        UsageError: other rotations than half turns need square images.
    """
    if len(size) == 2 and (size[0] == size[1] or group.rotations <= 2):
        return
    smaller = "d2" if group.mirror else "c2"
    raise UsageError(
        f"{group.name} rotates by {360 / group.rotations:g}°, which needs square images; the model "
        f"takes {'×'.join(map(str, size))}. Take {smaller}, whose half turns keep any size, or a "
        "model of square images."
    )


def finite_group(name: str) -> Group:
    """A group by its name, of those that have finitely many poses.

    Args:
        name: one of `GROUPS`, in any case.

    Raises:
        UsageError: there is no such group, or it has infinitely many poses.

    Example:
        >>> finite_group("D4")
        Group(rotations=4, mirror=True)
    """
    group = group_of(name.strip().lower())
    if group.continuous:
        raise UsageError(
            f"A trained network is averaged over finitely many poses, and {group.name} has "
            f"infinitely many. The nearest that works is {'d' if group.mirror else 'c'}{MOST}."
        )
    if group.name not in GROUPS:
        raise UsageError(
            f"A trained network is shown 2 to {MOST} rotations of an image, or its mirror image; "
            f"{group.name} has {group.rotations} rotation{'s' if group.rotations > 1 else ''}. "
            f"The nearest that works is {'d' if group.mirror else 'c'}"
            f"{MOST if group.rotations > MOST else 2}."
        )
    return group


def posed(
    x: Float[Tensor, "B C H W"], group: Group, number: Int[Tensor, " B"]
) -> Float[Tensor, "B C H W"]:
    """Each image in a pose of its own.

    Args:
        x: images, square where the group has quarter turns.
        group: of poses.
        number: of the pose of each image, in the order of `poses_of`.
    """
    out = torch.empty_like(x)
    for k, pose in enumerate(poses_of(group)):
        rows = (number == k).nonzero()[:, 0]
        if len(rows):
            out[rows] = pose(x[rows])
    return out


def _rotated(x: Tensor, angle: float) -> Tensor:
    """Rotated about the center by bilinear interpolation, the corners filled by reflection."""
    h, w = x.shape[2:]
    a = torch.deg2rad(torch.tensor(angle, dtype=torch.float64))
    cos, sin = float(torch.cos(a)), float(torch.sin(a))
    # Positions run from -1 to 1 along each side, (x, y); output to input.
    theta = torch.tensor([[cos, -sin * h / w, 0.0], [sin * w / h, cos, 0.0]], dtype=torch.float64)
    grid = F.affine_grid(theta[None], [1, 1, h, w], align_corners=False).to(x)
    return F.grid_sample(
        x,
        grid.expand(x.shape[0], -1, -1, -1),
        mode="bilinear",
        padding_mode="reflection",
        align_corners=False,
    )
