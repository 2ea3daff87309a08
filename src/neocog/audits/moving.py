"""Samples at two positions: kinds of shift, and their random offsets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from neocog.audits.agreement import Kind, kind_of
from neocog.audits.unshifted import Unshifted, whole_map
from neocog.data.samples import Samples, batch_of
from neocog.errors import UsageError, did_you_mean
from neocog.graph.wording import nouns
from neocog.models.exact import ExactModel
from neocog.signal.fourier import shift_subpixel
from neocog.symmetry.warp import crop_at, shift_circular, shift_zero_fill

__all__ = ["MODES", "Movable", "Mover", "Pair", "mover", "nearest", "pairs"]

MODES = ("circular", "crop", "zeros", "subpixel")
"""Kinds of shift."""

Mover = Callable[[Tensor, Tensor], Tensor]
"""From samples with their whole border and an offset for each, to the input of the model."""


def mover(mode: str, *, size: tuple[int, ...], margin: Tensor, fill: Tensor | None = None) -> Mover:
    """The function that shifts samples in one way.

    Args:
        mode: one of `MODES`.
        size: of the model's input, one number for each axis that shifts.
        margin: pixels that samples have beyond it before each axis, (D,).
        fill: what enters with `zeros`, one value per channel, (C,); zero if left out.

    Raises:
        UsageError: there is no such kind.
    """
    if mode not in MODES:
        raise UsageError(f"`{mode}` is not a kind of shift. {did_you_mean(mode, MODES)}")
    if mode == "crop":
        return lambda x, offset: crop_at(x, margin - offset, size)
    if mode == "zeros" and fill is not None:
        return partial(_shift_filled, fill=fill)
    return {"circular": shift_circular, "zeros": shift_zero_fill, "subpixel": shift_subpixel}[mode]


def _shift_filled(x: Tensor, offset: Tensor, *, fill: Tensor) -> Tensor:
    """Shift each sample by whole steps; what enters has the values `fill`, (C,)."""
    level = fill.to(x).view(-1, *(1,) * (x.ndim - 2))
    inside = shift_zero_fill(torch.ones_like(x[:, :1]), offset)
    return shift_zero_fill(x, offset) + level * (1 - inside)


def pairs(n: int, axes: int, max_shift: int, mode: str, seed: int) -> tuple[Tensor, Tensor]:
    """Two different positions for each sample, (B, D) each; a longer draw begins with the same."""
    rng = np.random.default_rng([seed, 0x5417])
    if mode == "subpixel":
        both = rng.uniform(-max_shift, max_shift, (n, 2, axes))
        return torch.from_numpy(both[:, 0]).float(), torch.from_numpy(both[:, 1]).float()
    width = 2 * max_shift + 1
    number = rng.integers(0, [width**axes, width**axes - 1], (n, 2))
    number[:, 1] += number[:, 1] >= number[:, 0]
    offset = np.stack(np.unravel_index(number, (width,) * axes), -1) - max_shift
    return torch.from_numpy(offset[:, 0]), torch.from_numpy(offset[:, 1])


def nearest(first: Tensor, second: Tensor, stride: int, max_shift: int) -> tuple[Tensor, Tensor]:
    """A position at a multiple of the stride from `first`, about as far away as `second`.

    Args:
        first: positions, (B, D).
        second: others, (B, D).
        stride: of the network.
        max_shift: range of positions along each axis.

    Returns:
        The positions, (B, D), and whether there is one other than `first` itself, (B,).
    """
    away = second - first
    step = torch.round(away / stride).long() * stride
    outside = (first + step).abs() > max_shift
    step = step - outside * stride * step.sign()
    for axis in away.abs().argsort(1, descending=True).unbind(1):
        rows = torch.arange(len(first))
        for sign in (1, -1):
            still = (step == 0).all(1)
            heading = torch.where(away[rows, axis] < 0, -sign, sign) * stride
            fits = (first[rows, axis] + heading).abs() <= max_shift
            step[rows, axis] = torch.where(still & fits, heading, step[rows, axis])
    return first + step, (step != 0).any(1)


class Movable:
    """Samples, and a model's predictions for them at any shift.

    Args:
        model: the model that is measured.
        data: samples, of the size that the model takes or larger.
        mode: one of `MODES`.
        size: of the model's input.
        reach: maximum shift along each axis, in pixels.
        batch: batch size; None for a choice by the size of a sample.
        unshifted: outputs of the unshifted samples, shared with other measures; unused where the
            samples are larger than the model's input.

    Raises:
        UsageError: the samples are smaller than the model's input.
    """

    def __init__(
        self,
        model: ExactModel,
        data: Samples,
        *,
        mode: str,
        size: tuple[int, ...],
        reach: int,
        batch: int | None,
        unshifted: Unshifted | None = None,
    ) -> None:
        self.model, self.data, self.mode, self.size = model, data, mode, size
        self.kind: Kind = kind_of(model.task)
        spare = torch.tensor([(m - n) // 2 for m, n in zip(data.size, size, strict=True)])
        if any(m < n for m, n in zip(data.size, size, strict=True)):
            raise UsageError(
                f"Samples must have the model's input size, {size}, or larger; "
                f"got {data.size}. Open the data with that size."
            )
        if mode in ("circular", "subpixel") and 2 * reach >= min(size):
            raise UsageError(
                "Circular shifts by more than half the size repeat shifts from the other side; "
                f"got a max_shift of {reach}, for {'×'.join(map(str, size))}. Give a smaller one."
            )
        self.reach = reach
        self.reflected = mode == "crop" and int(spare.min()) < reach
        self.spare = spare
        self.batch = batch_of(data, batch)
        same = tuple(data.size) == tuple(size)
        self.unshifted = unshifted if same and unshifted is not None else None
        self.filled = mode == "zeros" and model.fill is not None
        self.move = mover(
            mode,
            size=size,
            margin=spare + (reach if self.reflected else 0),
            fill=model.fill,
        )

    def batches(self, n: int | None = None) -> Iterator[slice]:
        """Rows, one batch after the other."""
        n = len(self.data) if n is None else min(n, len(self.data))
        for start in range(0, n, self.batch):
            yield slice(start, min(n, start + self.batch))

    def load(self, rows: slice) -> Tensor:
        """Input of a shift: with its border for `crop`, else cut to the size of the model."""
        x = self.data.take(rows)
        if self.mode == "crop":
            return _reflected(x, self.reach) if self.reflected else x
        return crop_at(x, self.spare.expand(len(x), -1), self.size)

    def still(self, rows: slice, x: Tensor) -> Tensor:
        """Predictions for unshifted samples; known ones are not computed again.

        Args:
            rows: the samples.
            x: their values, as from `load`.
        """
        if self.mode == "crop":
            x = self.move(x, torch.zeros(len(x), len(self.size), dtype=torch.int64))
        if self.unshifted is not None:
            return self.unshifted.predictions(rows, x)
        return self.kind.predicted(self.whole(self.model(x)))

    def at(self, x: Tensor, offset: Tensor) -> Tensor:
        """Predictions at a shift. Dense ones are shifted back."""
        return self.predicted(self.model(self.move(x, offset)), offset)

    def predicted(self, out: Tensor, offset: Tensor) -> Tensor:
        """What is compared, from the output for samples at a shift."""
        wraps = self.mode in ("circular", "subpixel")
        return self.kind.align(self.kind.predicted(self.whole(out)), offset, self.size, wraps)

    def whole(self, out: Tensor) -> Tensor:
        """Maps at the size of the samples: logits are resized before they are compared."""
        return whole_map(out, self.model.task, self.size)

    def truth(self, rows: slice) -> Tensor | None:
        """Labels of the samples."""
        truth = self.data.truth(rows)
        return None if truth is None else torch.from_numpy(truth)

    def words(self, offset: Tensor) -> str:
        """Nothing: a position is its offset."""
        return ""

    def protocol(self, seed: int) -> str:
        """How samples were shifted, in a sentence."""
        kind = nouns(len(self.size))
        what = {
            "circular": "circular shifts",
            "crop": f"two windows of one {kind.larger}",
            "zeros": "shifts filled with the mean of the spec"
            if self.filled
            else "shifts with zero fill",
            "subpixel": f"shifts by fractions of a {kind.unit} (Fourier, circular)",
        }[self.mode]
        each = " along each axis" if len(self.size) > 1 else ""
        border = ", padded by reflection" if self.reflected else ""
        return (
            f"{what}{border}, up to {self.reach} {kind.units}{each}, two different random "
            f"positions for each sample (seed {seed}), evaluation mode, {str(self.model.dtype)[6:]}"
        )


@dataclass
class Pair:
    """Predictions for some samples: unshifted, at both positions, at the control."""

    base: Tensor
    a: Tensor
    b: Tensor
    control: Tensor | None
    truth: Tensor | None

    @staticmethod
    def join(parts: Sequence[Pair], n: int | None = None) -> Pair:
        """Of all samples, or of the first n."""

        def cat(values: Sequence[Tensor | None]) -> Tensor | None:
            real = [v for v in values if v is not None]
            return torch.cat(real)[:n] if real else None

        base, a, b = (torch.cat([getattr(p, k) for p in parts])[:n] for k in ("base", "a", "b"))
        control, truth = cat([p.control for p in parts]), cat([p.truth for p in parts])
        return Pair(base, a, b, control, truth)


def _reflected(x: Tensor, margin: int) -> Tensor:
    """Whether the border is made by reflection."""
    return F.pad(x, [margin] * (2 * (x.ndim - 2)), mode="reflect")
