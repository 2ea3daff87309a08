"""Does the answer change when the image is turned, mirrored, or made larger or smaller?

Every motion that interpolates changes an image also by interpolating. So beside each figure
stands its *floor*: the same figure for the image that was moved there and back again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neocog.audits.answer import kind_of
from neocog.audits.subject import AnySamples, Measurable, Subject, measured
from neocog.audits.unshifted import Unshifted
from neocog.data.samples import Samples, batch_of
from neocog.errors import UsageError
from neocog.exhibits import Curve, Exhibit, Scalar, share
from neocog.jsonable import Jsonable, keys
from neocog.stats import interval
from neocog.symmetry.motion import Transformation, Warp, mirror, rotation_by
from neocog.symmetry.residual import relative_error

__all__ = ["Rotation", "Scale", "Sweep", "change_of", "rotation", "scale", "sweep"]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Answers under one motion of several amounts.

    Args:
        n: samples.
        amounts: of the motion.
        agreement: share of samples with the answer they have unmoved, one an amount; for a
            regressor the mean difference.
        agreement_ci: 95 % intervals, by bootstrap over samples.
        accuracy: share of right answers; empty where the truth is unknown.
        floor: `agreement` for samples that were moved there and back, so interpolated twice and
            without what left the frame on the way; 1 where nothing is interpolated.
        change: mean of ‖f(moved) - f(x)‖ / ‖f(x)‖ over samples, f centered over the classes.
    """

    n: int
    amounts: tuple[float, ...]
    agreement: tuple[float, ...]
    agreement_ci: tuple[tuple[float, float], ...]
    accuracy: tuple[float, ...]
    floor: tuple[float, ...]
    change: tuple[float, ...]

    @property
    def known_accuracy(self) -> tuple[float, ...] | None:
        """`accuracy`; None where the truth is unknown."""
        return self.accuracy or None


_SWEEP = (
    "agreement=sweep.agreement",
    "agreement_ci=sweep.agreement_ci",
    "accuracy=sweep.known_accuracy",
    "floor=sweep.floor",
    "change=sweep.change",
)
"""Keys of JSON that both results share."""


@dataclass(frozen=True, kw_only=True)
class Rotation(Jsonable):
    """What turning and mirroring do.

    Args:
        sweep: over angles in degrees, counterclockwise.
        quarter_turn_error: mean over quarter turns and samples of ‖f(turned) - f(x)‖ / ‖f(x)‖;
            these turns are exact, nothing is interpolated.
        quarter_turn_agreement: share of samples with the answer they have unturned, mean over the
            exact turns: quarter turns, or the half turn alone where sides differ.
        mirror: agreement of left-right and top-bottom mirror images.
        border: what fills the corners.
    """

    JSON = keys(
        "n=sweep.n", "angles=sweep.amounts", *_SWEEP, "quarter_turn_error",
        "quarter_turn_agreement", "mirror=mirrored", "border",
    )  # fmt: skip

    sweep: Sweep
    quarter_turn_error: float
    quarter_turn_agreement: float
    mirror: tuple[float, float]
    border: str

    @property
    def mirrored(self) -> dict[str, float]:
        """Agreement of both mirror images, by the sides that change places."""
        return dict(zip(("left_right", "top_bottom"), self.mirror, strict=True))

    def exhibits(self) -> list[Exhibit]:
        """The sweep over angles, and both mirror images."""
        note = (
            f"{_exact(self.sweep)} turns are exact, other angles interpolate; there and back is "
            "what interpolation alone does. Corners are filled by reflection."
        )
        sides = ("left to right", "top to bottom")
        return [
            _curve(self.sweep, "turned", "degrees, counterclockwise", note),
            *(
                Scalar(title=f"mirrored {side}", value=value, unit="%", note="same answer")
                for side, value in zip(sides, self.mirror, strict=True)
            ),
        ]

    def sentences(self) -> list[str]:
        """The exact turns."""
        stay = share(self.quarter_turn_agreement)
        return [f"Under exact {_exact(self.sweep).lower()} turns {stay} of the answers stay."]


@dataclass(frozen=True, kw_only=True)
class Scale(Jsonable):
    """What larger and smaller content does.

    Args:
        sweep: over factors of length.
        border: what fills the frame around smaller content.
    """

    JSON = keys("n=sweep.n", "factors=sweep.amounts", *_SWEEP, "border")

    sweep: Sweep
    border: str

    def exhibits(self) -> list[Exhibit]:
        """The sweep over factors."""
        note = "Smaller content is framed by its reflection."
        return [_curve(self.sweep, "larger and smaller", "factor of length", note)]

    def sentences(self) -> list[str]:
        """None: the curve says it."""
        return []


def _exact(found: Sweep) -> str:
    """The turns that map the image onto itself."""
    return "Quarter" if 90.0 in found.amounts else "Half"


def _curve(found: Sweep, title: str, x_label: str, note: str) -> Curve:
    lines = {"same answer": found.agreement, "there and back": found.floor}
    if found.accuracy:
        lines["right"] = found.accuracy
    many = f"{found.n:,} sample{'' if found.n == 1 else 's'}"
    return Curve(
        title=title,
        x=found.amounts,
        lines=lines,
        x_label=x_label,
        y_label="%",
        note=f"{many}. {note}",
    )


def sweep(
    model: Subject,
    data: Samples,
    motions: Sequence[tuple[float, Transformation | None]],
    *,
    seed: int = 0,
    batch: int | None = None,
    unshifted: Unshifted | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Sweep:
    """Measure the answers under some motions.

    Args:
        model: what answers.
        data: samples.
        motions: amounts, and what is done; None where nothing moves.
        seed: of the intervals.
        batch: samples at once.
        unshifted: outputs of these samples where they stand, shared with other measures.
        progress: called with the fraction that is done.
    """
    kind, n = kind_of(model.task), len(data)
    if model.task == "segment":
        raise UsageError(
            "Turned and scaled images are compared by one answer an image; a segmenter gives "
            "maps. Audit its shifts."
        )
    equal: list[list[Tensor]] = [[] for _ in motions]
    change: list[list[Tensor]] = [[] for _ in motions]
    floor, right = [0.0] * len(motions), [0.0] * len(motions)
    step, unshifted = batch_of(data, batch), unshifted or Unshifted(model, data)
    with model.ready():
        for start in range(0, n, step):
            rows = slice(start, min(n, start + step))
            x, truth = data.take(rows), data.truth(rows)
            reference = unshifted.outputs(rows, x)
            base = kind.answer(reference)
            for k, (_, motion) in enumerate(motions):
                moved = x if motion is None else motion(x)
                out = reference if motion is None else model(moved)
                answer = kind.answer(out)
                equal[k].append(kind.agreement(base, answer))
                change[k].append(change_of(reference, out))
                if truth is not None and model.task == "classify":
                    right[k] += float((answer == torch.from_numpy(truth)).sum())
                again = base
                if motion is not None and not motion.exact:
                    again = kind.answer(model(motion.inverse(moved)))
                floor[k] += float(kind.agreement(base, again).sum())
                progress((start + len(x) * (k + 1) / len(motions)) / n)
    joined = [torch.cat(e).numpy() for e in equal]
    classes = model.task == "classify"
    return Sweep(
        n=n,
        amounts=tuple(a for a, _ in motions),
        agreement=tuple(float(e.mean()) for e in joined),
        agreement_ci=tuple(interval(e, seed=seed, shares=kind.unit == "%") for e in joined),
        accuracy=tuple(r / n for r in right) if data.y is not None and classes else (),
        floor=tuple(f / n for f in floor),
        change=tuple(float(torch.cat(c).mean()) for c in change),
    )


def rotation(
    model: Measurable,
    data: AnySamples,
    *,
    step: float = 15.0,
    border: str = "reflect",
    seed: int = 0,
    batch: int | None = None,
    unshifted: Unshifted | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Rotation:
    """Turn by angles from 0° to 360°, and mirror.

    Args:
        model: what answers.
        data: images.
        step: degrees from one angle to the next; a divisor of 90, so that quarter turns are met.
        border: what fills the corners, a key of `symmetry.warp.BORDERS`.
        seed: of the intervals.
        batch: samples at once.
        unshifted: outputs of these samples where they stand, shared with other measures.
        progress: called with the fraction that is done.

    Raises:
        UsageError: the step does not divide 90, or the samples are no images.
    """
    model, data = measured(model, data)
    if not step > 0 or 90 % step:
        raise UsageError(
            f"The step of an angle divides 90 degrees, so that quarter turns are exact; {step:g} "
            "came. Take 15 or 30."
        )
    if len(data.size) != 2:
        raise UsageError("Only images can be turned; series came. Leave the rotation out.")
    square = data.size[0] == data.size[1]
    angles = [step * i for i in range(round(360 / step) + 1)]
    angles = [a for a in angles if square or a % 180 == 0 or a % 90]
    motions = [(a, None if a % 360 == 0 else rotation_by(a, border=border)) for a in angles]
    motions += [(0.0, mirror("left_right")), (0.0, mirror("top_bottom"))]
    found = sweep(
        model, data, motions, seed=seed, batch=batch, unshifted=unshifted, progress=progress
    )
    turns = [k for k, a in enumerate(angles) if a % 90 == 0 and 0 < a < 360]
    return Rotation(
        sweep=_head(found, len(angles)),
        quarter_turn_error=sum(found.change[k] for k in turns) / max(1, len(turns)),
        quarter_turn_agreement=sum(found.agreement[k] for k in turns) / max(1, len(turns)),
        mirror=(found.agreement[-2], found.agreement[-1]),
        border=border,
    )


FACTORS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.7, 2.0)
"""Of length."""


def scale(
    model: Measurable,
    data: AnySamples,
    *,
    factors: Sequence[float] = FACTORS,
    border: str = "reflect",
    seed: int = 0,
    batch: int | None = None,
    unshifted: Unshifted | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Scale:
    """Make the content larger and smaller about the middle.

    Args:
        model: what answers.
        data: images.
        factors: of length.
        border: what fills the frame around smaller content.
        seed: of the intervals.
        batch: samples at once.
        unshifted: outputs of these samples where they stand, shared with other measures.
        progress: called with the fraction that is done.

    Raises:
        UsageError: a factor is not positive, or the samples are no images.
    """
    model, data = measured(model, data)
    if len(data.size) != 2:
        raise UsageError("Only images can be scaled; series came. Leave the scale out.")
    if not factors or min(factors) <= 0:
        raise UsageError(f"Factors of a scale are positive; {list(factors)} came. Take 0.5 to 2.")
    motions = [(f, None if f == 1 else Warp(scale=f, border=border)) for f in factors]
    found = sweep(
        model, data, motions, seed=seed, batch=batch, unshifted=unshifted, progress=progress
    )
    return Scale(sweep=found, border=border)


def change_of(reference: Tensor, out: Tensor) -> Tensor:
    """‖f(moved) - f(x)‖ / ‖f(x)‖ of each sample, what is common to all classes taken off."""
    n = len(reference)
    a, b = reference.reshape(n, -1).double(), out.reshape(n, -1).double()
    if a.shape[1] > 1:
        a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    return relative_error(b - a, a)


def _head(found: Sweep, n: int) -> Sweep:
    return Sweep(n=found.n, **{k: v[:n] for k, v in vars(found).items() if k != "n"})
