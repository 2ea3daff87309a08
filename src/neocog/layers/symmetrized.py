"""A trained network that was not made for it, made invariant to a finite group of poses.

    GroupAverage     f̄(x) = mean over g of f(g x): one pass of the network a pose
    CanonicalPose    f̄(x) = f(g* x), where g* x is the pose with the largest score: one pass in all

Both are invariant for any network f and any weights: the poses of h x are the poses of x in another
order (for averaging: the Reynolds operator, as in D. Yarotsky, "Universal approximations of
invariant maps by neural networks", 2018; for canonical poses: S. O. Kaba et al., "Equivariance with
learned canonicalization functions", ICML 2023). On square images quarter turns and mirror images
are exact. Submodules, parameters and buffers keep the names that they have in f.

A network that was trained upright says little of use about other poses, and says it with less
evidence. So of logits the mean of their exponentials counts: log mean exp over g of f_k(g x). It is
the probability of class k where the pose is unknown, in the model p(k, g | x) ∝ exp f_k(g x), and
weighs each pose by its evidence, the log-sum-exp of its logits (as energies are read from a
classifier in W. Grathwohl et al., "Your classifier is secretly an energy based model", ICLR 2020).
Probabilities and other outputs are averaged as they are.

While hooks look into a network they see its layers in the upright pose alone, see `in_other_pose`:
a feature map of another pose is turned with it. For the same reason a network that is shown
canonical poses is shown the image as it comes while hooks look into it, see `looked_into`.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from neocog.symmetry.groups import Group
from neocog.symmetry.poses import poses_in_words, poses_of

__all__ = [
    "BY",
    "CanonicalPose",
    "GroupAverage",
    "Symmetrized",
    "canonical_pose",
    "in_other_pose",
    "inside_of",
    "looked_into",
    "maps_of_inside",
    "pose_scores",
    "upright",
]

_OTHER_POSE: ContextVar[bool] = ContextVar("other_pose", default=False)
_UPRIGHT: ContextVar[bool] = ContextVar("upright", default=False)
_LOOKED_INTO: ContextVar[bool] = ContextVar("looked_into", default=False)


def in_other_pose() -> bool:
    """Whether a network is being run on a pose other than the upright one."""
    return _OTHER_POSE.get()


@contextmanager
def upright() -> Iterator[None]:
    """Inside, symmetrized networks are run as they are, on the image as it comes.

    For what looks at one layer after the other: in its own frame each behaves as it would without.
    """
    token = _UPRIGHT.set(True)
    try:
        yield
    finally:
        _UPRIGHT.reset(token)


@contextmanager
def looked_into() -> Iterator[None]:
    """Inside, layers are recorded: maps of them must lie as the image does.

    A network that is averaged over poses is recorded in the upright one; one that is shown
    canonical poses is shown the image as it comes.
    """
    token = _LOOKED_INTO.set(True)
    try:
        yield
    finally:
        _LOOKED_INTO.reset(token)


@contextmanager
def _other_pose() -> Iterator[None]:
    token = _OTHER_POSE.set(True)
    try:
        yield
    finally:
        _OTHER_POSE.reset(token)


class Symmetrized(nn.Module, ABC):
    """A network and a group that its outputs are invariant to.

    Args:
        inner: (B, C, H, W) to outputs without space, a tensor or any structure of tensors. Its
            submodules and parameters become those of this module, under their names.
        group: of poses that keep the size of the images.
        logits: the outputs are logits.
    """

    by: str
    inner: nn.Module

    def __init__(self, inner: nn.Module, group: Group, *, logits: bool = True) -> None:
        super().__init__()
        object.__setattr__(self, "inner", inner)
        self._modules = inner._modules
        self._parameters = inner._parameters
        self._buffers = inner._buffers
        self._non_persistent_buffers_set = inner._non_persistent_buffers_set
        self.group, self.logits = group, logits
        self.training = inner.training

    def forward(self, x: Float[Tensor, "B C H W"]) -> Any:
        """The outputs, the same for every pose of x."""
        self.inner.training = self.training
        return self.inner(x) if _UPRIGHT.get() else self.symmetrized(x)

    @abstractmethod
    def symmetrized(self, x: Tensor) -> Any:
        """The invariant outputs."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Symmetrized:
        """A copy with a copy of the network."""
        made = type(self)(copy.deepcopy(self.inner, memo), self.group, logits=self.logits)
        made.training = self.training
        return made

    def extra_repr(self) -> str:
        """The group."""
        return f"group={self.group.name}"


class GroupAverage(Symmetrized):
    """The mean of a network's outputs over all poses of the image, weighted by evidence.

    In evaluation the poses are run one after the other, with the memory of one pass, all in the
    same layout of memory, and outputs are sorted before they are summed, so that neither layout nor
    order of the poses leaves a rounding error. In
    training all poses are one batch, so that batch norms see them together.

    Example:
        >>> torch.manual_seed(0)                                    # doctest: +ELLIPSIS
        <torch._C.Generator object at ...>
        >>> f = GroupAverage(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), Group(4)).eval()
        >>> x = torch.rand(2, 1, 4, 4)
        >>> torch.allclose(f(torch.rot90(x, 1, (2, 3))), f(x))
        True
        >>> list(f.state_dict())
        ['1.weight', '1.bias']
    """

    by = "averaging"

    def symmetrized(self, x: Tensor) -> Any:
        """The mean over all poses."""
        mean = _log_mean_exp if self.logits else _mean
        poses = poses_of(self.group)
        if self.training:
            together = self.inner(_laid_out(torch.cat([pose(x) for pose in poses])))
            return pytree.tree_map(lambda out: mean(*_parts(out, len(poses))), together)
        outputs = [self.inner(_laid_out(poses[0](x)))]
        with _other_pose():
            outputs += [self.inner(_laid_out(pose(x))) for pose in poses[1:]]
        return pytree.tree_map(mean, *outputs)


class CanonicalPose(Symmetrized):
    """A network that is shown every image in its canonical pose, see `canonical_pose`.

    Example:
        >>> f = CanonicalPose(nn.Sequential(nn.Flatten(), nn.Linear(36, 3)), Group(4)).eval()
        >>> x = torch.rand(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))
        >>> torch.equal(f(torch.rot90(x, 1, (2, 3))), f(x))
        True
    """

    by = "canonical"

    def symmetrized(self, x: Tensor) -> Any:
        """The outputs in the canonical pose; while layers are recorded, in that of the image."""
        return self.inner(x if _LOOKED_INTO.get() else canonical_pose(x, self.group))


BY: dict[str, type[Symmetrized]] = {m.by: m for m in (GroupAverage, CanonicalPose)}
"""Ways of making a network invariant, by their names."""


_KERNEL = ((-2.0, -4.0, -1.0), (-2.0, 1.0, 1.0), (2.0, 4.0, 1.0))
"""An edge across, and no symmetry: neither a turn nor a mirror image maps it to itself or to its
negative. Its sum is zero, so that brightness does not count."""

COARSE = 16
"""Samples of the kernel's grid along the shorter side of an image."""


def pose_scores(x: Float[Tensor, "N C H W"]) -> Float[Tensor, " N"]:
    """The third moment of the responses to one small kernel.

    A mean over all positions of a circular convolution, so circular shifts do not change it.

    Args:
        x: images.

    Example:
        >>> x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> torch.allclose(pose_scores(x.roll(3, 2)), pose_scores(x), rtol=1e-4)
        True
    """
    gray = x.mean(1, keepdim=True)
    step = max(1, min(x.shape[2:]) // COARSE)
    gray = torch.cat([gray[:, :, -step:], gray, gray[:, :, :step]], 2)
    gray = torch.cat([gray[..., -step:], gray, gray[..., :step]], 3)
    kernel = torch.tensor(_KERNEL, dtype=x.dtype, device=x.device)[None, None]
    response = F.conv2d(gray, kernel, dilation=step)
    return (response * response * response).mean((1, 2, 3))


def canonical_pose(x: Float[Tensor, "B C H W"], group: Group) -> Float[Tensor, "B C H W"]:
    """Each image in the pose whose score is the largest, the same for all poses of an image.

    Poses of equal score are a tie, and the first of them is taken. An image that a pose maps to
    itself has ties, and they do not matter: the tied poses are the same image. Others differ by
    chance at the level of rounding only.

    Args:
        x: images, square where the group has quarter turns.
        group: of poses that permute pixels.
    """
    poses = torch.stack([pose(x) for pose in poses_of(group)], 1)
    best = pose_scores(poses.flatten(0, 1)).view(poses.shape[0], -1).argmax(1)
    index = best.view(-1, 1, 1, 1, 1).expand(-1, 1, *poses.shape[2:])
    return poses.gather(1, index)[:, 0]


def inside_of(network: nn.Module) -> tuple[str, ...]:
    """What figures of single layers are of, where a network is symmetrized; () for others.

    Args:
        network: any network.
    """
    if not isinstance(network, Symmetrized):
        return ()
    way = "averaging over poses" if isinstance(network, GroupAverage) else "a canonical pose"
    pose = "in the upright pose" if isinstance(network, GroupAverage) else "on images as they come"
    note = (
        f"Predictions are invariant to {poses_in_words(network.group)}, by {way}; layers and sizes "
        f"are those of the network inside, {pose}."
    )
    return (note,)


def maps_of_inside(network: nn.Module) -> tuple[str, ...]:
    """What maps of layers are of, where a network is shown canonical poses; () for others.

    Args:
        network: any network.
    """
    if not isinstance(network, CanonicalPose):
        return ()
    note = (
        "Maps of layers are those of the network inside, run on the image as it comes, so that "
        "they lie over it; the model predicts in a canonical pose, and may predict otherwise."
    )
    return (note,)


def _laid_out(x: Tensor) -> Tensor:
    """Images in one layout of memory, whatever theirs was: another one rounds otherwise."""
    return x.contiguous(memory_format=torch.channels_last)


def _parts(out: Any, n: int) -> tuple[Any, ...]:
    """The outputs of n poses that were one batch."""
    return out.chunk(n) if isinstance(out, Tensor) and out.ndim else (out,) * n


def _log_mean_exp(*outputs: Any) -> Any:
    """The log of the mean of the exponentials, whatever the order of the tensors."""
    if not isinstance(outputs[0], Tensor) or not outputs[0].is_floating_point():
        return outputs[0]
    return torch.stack(outputs).sort(0).values.logsumexp(0) - math.log(len(outputs))


def _mean(*outputs: Any) -> Any:
    """The mean of tensors, whatever their order; of anything else the first."""
    if not isinstance(outputs[0], Tensor) or not outputs[0].is_floating_point():
        return outputs[0]
    return torch.stack(outputs).sort(0).values.mean(0)
