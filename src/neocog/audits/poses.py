"""Does the prediction change when the image is shown in another pose?

Each sample is shown in two different poses of a group, drawn at random: rotations and mirror
images, exact where the group permutes pixels. *Consistency* is the fraction of samples with the
same prediction in both, as for two shifts, and every other figure is that of `audits.shift`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from neocog.audits.agreement import Kind, kind_of
from neocog.audits.moving import Pair
from neocog.audits.shift import Shift, result_of, shift_consistency
from neocog.data.samples import Samples, batch_of
from neocog.errors import UsageError
from neocog.models.exact import AnySamples, ExactModel, Measurable, measured
from neocog.symmetry.groups import Group
from neocog.symmetry.poses import (
    GROUPS,
    check_size,
    finite_group,
    posed,
    poses_in_words,
    poses_of,
)
from neocog.symmetry.warp import crop_at

__all__ = ["consistency", "correct_upright", "pose_consistency"]


def consistency(model: Measurable, data: AnySamples, *, mode: str, seed: int = 0) -> Shift:
    """Measure one kind of shift, or the poses of a group.

    Args:
        model: the model that is measured, see `ExactModel`.
        data: samples.
        mode: one of `audits.shift.MODES` or of `symmetry.poses.GROUPS`.
        seed: of the offsets or poses.
    """
    if mode in GROUPS:
        return pose_consistency(model, data, group=mode, seed=seed)
    return shift_consistency(model, data, mode=mode, seed=seed)


def correct_upright(model: Measurable, data: AnySamples) -> np.ndarray:
    """For each sample, whether a classifier predicts it correctly as it comes, (B,) bool.

    Args:
        model: the model.
        data: samples with labels, of the size that the model takes.
    """
    model, data = measured(model, data)
    kind, step, out = kind_of("classify"), batch_of(data, None), []
    with model.ready():
        for start in range(0, len(data), step):
            rows = slice(start, min(len(data), start + step))
            truth = data.truth(rows)
            assert truth is not None
            out.append(kind.predicted(model(data.take(rows))).numpy() == truth)
    return np.concatenate(out)


def pose_consistency(
    model: Measurable,
    data: AnySamples,
    *,
    group: str,
    seed: int = 0,
    batch: int | None = None,
) -> Shift:
    """Measure the poses of a group.

    Args:
        model: the model that is measured, see `ExactModel`.
        data: samples; larger ones than the model's input are cut to it.
        group: one of `symmetry.poses.GROUPS`.
        seed: of the poses; those of a sample depend on it and on the sample's index alone.
        batch: batch size; chosen by the size of a sample if left out.

    Raises:
        UsageError: no such group, samples that are no images or not square where they must be, or
            a model that is no classifier.

    Example:
        >>> from torch import nn
        >>> mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> x = torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> pose_consistency(mean, x, group="d4").consistency
        1.0
    """
    model, data = measured(model, data)
    known = finite_group(group)
    size = model.size or data.size
    if len(size) != 2 or model.task != "classify":
        raise UsageError(
            f"Poses are of images, and predictions in them of classifiers; got samples of size "
            f"{size} and a model that does `{model.task}`. Measure its shifts."
        )
    check_size(known, size)
    posable = _Posable(model, data, known, size)
    positions = _pairs(len(data), known.order, seed)
    step, kept = batch_of(data, batch), []
    with model.ready():
        for start in range(0, len(data), step):
            rows = slice(start, min(len(data), start + step))
            x, truth = posable.load(rows), data.truth(rows)
            base, a, b = (
                posable.kind.predicted(model(posable.move(x, number)))
                for number in (
                    torch.zeros(len(x), 1, dtype=torch.int64),
                    *(p[rows] for p in positions),
                )
            )
            kept.append(Pair(base, a, b, None, None if truth is None else torch.from_numpy(truth)))
    return result_of(posable, Pair.join(kept), positions, seed=seed)


class _Posable:
    """Samples that are shown in poses; see `audits.shift.Moved`."""

    reach = 0

    def __init__(
        self, model: ExactModel, data: Samples, group: Group, size: tuple[int, ...]
    ) -> None:
        self.model, self.data, self.group, self.size = model, data, group, size
        self.mode = group.name
        self.kind: Kind = kind_of(model.task)
        self.spare = torch.tensor([(m - n) // 2 for m, n in zip(data.size, size, strict=True)])

    def load(self, rows: slice) -> Tensor:
        """Samples of the size that the model takes."""
        x = self.data.take(rows)
        return crop_at(x, self.spare.expand(len(x), -1), self.size)

    def move(self, x: Tensor, offset: Tensor) -> Tensor:
        """Each sample in its pose, (B, 1) its number."""
        return posed(x, self.group, offset[:, 0])

    def words(self, offset: Tensor) -> str:
        """The pose."""
        return str(poses_of(self.group)[int(offset[0])])

    def protocol(self, seed: int) -> str:
        """How samples were posed."""
        exact = (
            "exact on the pixel grid"
            if self.group.keeps_grid
            else ("quarter turns exact, others bilinear with corners filled by reflection")
        )
        return (
            f"{poses_in_words(self.group)} ({self.mode.upper()}), {exact}, two different poses "
            f"drawn for each sample (seed {seed}), evaluation mode, {str(self.model.dtype)[6:]}"
        )


def _pairs(n: int, poses: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two different poses for each sample, (B, 1) each; a longer draw begins with the same."""
    rng = np.random.default_rng([seed, 0x9053])
    number = rng.integers(0, [poses, poses - 1], (n, 2))
    number[:, 1] += number[:, 1] >= number[:, 0]
    return torch.from_numpy(number[:, :1]), torch.from_numpy(number[:, 1:])
