"""Does the prediction change when the image is rotated, mirrored or rescaled?

Every transformation that interpolates changes an image by interpolating, too. So each figure comes
with its interpolation baseline, `floor`: the same figure for an image after a round trip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neocog.audits.agreement import kind_of
from neocog.audits.unshifted import Unshifted
from neocog.data.samples import Samples, batch_of
from neocog.errors import UsageError
from neocog.exhibits import Curve, Exhibit, Scalar, share
from neocog.jsonable import Jsonable, keys
from neocog.keywords import known_keywords
from neocog.models.exact import AnySamples, ExactModel, Measurable, measured
from neocog.stats import interval
from neocog.symmetry.motion import Transformation, Warp, mirror, rotation_by
from neocog.symmetry.residual import relative_error

__all__ = ["Rotation", "Scale", "Sweep", "change_of", "rotation", "scale", "sweep"]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Predictions under a transformation of several amounts.

    Args:
        n: samples.
        amounts: of the transformation.
        agreement: fraction of samples with their unshifted prediction, one for each amount; for a
            regressor the mean difference.
        agreement_ci: 95 % CIs, by bootstrap over samples.
        accuracy: fraction of correct predictions; empty without labels.
        floor: `agreement` after the round trip, so interpolated twice and without what left the
            frame on the way; 1 where nothing is interpolated.
        change: mean of ‖f(T x) - f(x)‖ / ‖f(x)‖ over samples, f centered over the classes.
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
        quarter_turn_error: mean over quarter turns and samples of ‖f(T x) - f(x)‖ / ‖f(x)‖; these
            turns are exact, nothing is interpolated.
        quarter_turn_agreement: fraction of samples with their unrotated prediction, mean over the
            exact turns: quarter turns, or the half turn alone where height and width differ.
        mirror: agreement of left-right and top-bottom mirror images.
        border: how the corners are filled.
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
            f"{_exact(self.sweep)} turns are exact, other angles interpolate; the round trip shows "
            "what interpolation alone does. Corners are filled by reflection."
        )
        sides = ("left to right", "top to bottom")
        return [
            _curve(self.sweep, "turned", "degrees, counterclockwise", note),
            *(
                Scalar(title=f"mirrored {side}", value=value, unit="%", note="same prediction")
                for side, value in zip(sides, self.mirror, strict=True)
            ),
        ]

    def sentences(self) -> list[str]:
        """The exact turns."""
        stay = share(self.quarter_turn_agreement)
        return [f"Under exact {_exact(self.sweep).lower()} turns {stay} of the predictions stay."]


@dataclass(frozen=True, kw_only=True)
class Scale(Jsonable):
    """What larger and smaller content does.

    Args:
        sweep: over scale factors.
        border: how the frame around smaller content is filled.
    """

    JSON = keys("n=sweep.n", "factors=sweep.amounts", *_SWEEP, "border")

    sweep: Sweep
    border: str

    def exhibits(self) -> list[Exhibit]:
        """The sweep over factors."""
        note = "Shrunk content is padded by reflection."
        return [_curve(self.sweep, "rescaled", "scale factor", note)]

    def sentences(self) -> list[str]:
        """None: the curve shows it."""
        return []


def _exact(result: Sweep) -> str:
    """The turns that map the image grid onto itself."""
    return "Quarter" if 90.0 in result.amounts else "Half"


def _curve(result: Sweep, title: str, x_label: str, note: str) -> Curve:
    lines = {"same prediction": result.agreement, "interpolation round trip": result.floor}
    if result.accuracy:
        lines["correct"] = result.accuracy
    many = f"{result.n:,} sample{'' if result.n == 1 else 's'}"
    return Curve(
        title=title,
        x=result.amounts,
        lines=lines,
        x_label=x_label,
        y_label="%",
        note=f"{many}. {note}",
    )


def sweep(
    model: ExactModel,
    data: Samples,
    motions: Sequence[tuple[float, Transformation | None]],
    *,
    seed: int = 0,
    batch: int | None = None,
    unshifted: Unshifted | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Sweep:
    """Measure the predictions under some transformations.

    Args:
        model: the model that is measured.
        data: samples.
        motions: amounts and transformations; None for the identity.
        seed: of the bootstrap.
        batch: batch size.
        unshifted: outputs of the unshifted samples, shared with other measures.
        progress: called with the fraction that is done.
    """
    kind, n = kind_of(model.task), len(data)
    if model.task == "segment":
        raise UsageError(
            "Rotation and scale are measured for models with one prediction per image; this one "
            "outputs maps. Audit its shifts."
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
            base = kind.predicted(reference)
            for k, (_, motion) in enumerate(motions):
                moved = x if motion is None else motion(x)
                out = reference if motion is None else model(moved)
                predicted = kind.predicted(out)
                equal[k].append(kind.agreement(base, predicted))
                change[k].append(change_of(reference, out))
                if truth is not None and model.task == "classify":
                    right[k] += float((predicted == torch.from_numpy(truth)).sum())
                again = base
                if motion is not None and not motion.exact:
                    again = kind.predicted(model(motion.inverse(moved)))
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


@known_keywords
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
    """Rotate by angles from 0° to 360°, and mirror.

    Args:
        model: the model that is measured.
        data: images.
        step: degrees from one angle to the next; a divisor of 90, so that quarter turns are
            included.
        border: how the corners are filled, a key of `symmetry.warp.BORDERS`.
        seed: of the bootstrap.
        batch: batch size.
        unshifted: outputs of the unshifted samples, shared with other measures.
        progress: called with the fraction that is done.

    Raises:
        UsageError: the step does not divide 90, or the samples are not images.
    """
    model, data = measured(model, data)
    if not step > 0 or 90 % step:
        raise UsageError(
            f"The step of an angle divides 90 degrees, so that quarter turns are exact; "
            f"got {step:g}. Take 15 or 30."
        )
    if len(data.size) != 2:
        raise UsageError("Only images can be rotated; got series. Leave the rotation out.")
    square = data.size[0] == data.size[1]
    angles = [step * i for i in range(round(360 / step) + 1)]
    angles = [a for a in angles if square or a % 180 == 0 or a % 90]
    motions = [(a, None if a % 360 == 0 else rotation_by(a, border=border)) for a in angles]
    motions += [(0.0, mirror("left_right")), (0.0, mirror("top_bottom"))]
    result = sweep(
        model, data, motions, seed=seed, batch=batch, unshifted=unshifted, progress=progress
    )
    turns = [k for k, a in enumerate(angles) if a % 90 == 0 and 0 < a < 360]
    return Rotation(
        sweep=_head(result, len(angles)),
        quarter_turn_error=sum(result.change[k] for k in turns) / max(1, len(turns)),
        quarter_turn_agreement=sum(result.agreement[k] for k in turns) / max(1, len(turns)),
        mirror=(result.agreement[-2], result.agreement[-1]),
        border=border,
    )


FACTORS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.7, 2.0)
"""Scale factors."""


@known_keywords
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
    """Rescale the content about the center.

    Args:
        model: the model that is measured.
        data: images.
        factors: scale factors.
        border: how the frame around smaller content is filled.
        seed: of the bootstrap.
        batch: batch size.
        unshifted: outputs of the unshifted samples, shared with other measures.
        progress: called with the fraction that is done.

    Raises:
        UsageError: a factor is not positive, or the samples are not images.
    """
    model, data = measured(model, data)
    if len(data.size) != 2:
        raise UsageError("Only images can be scaled; got series. Leave the scale out.")
    if not factors or min(factors) <= 0:
        raise UsageError(f"Factors of a scale are positive; got {list(factors)}. Take 0.5 to 2.")
    motions = [(f, None if f == 1 else Warp(scale=f, border=border)) for f in factors]
    result = sweep(
        model, data, motions, seed=seed, batch=batch, unshifted=unshifted, progress=progress
    )
    return Scale(sweep=result, border=border)


def change_of(reference: Tensor, out: Tensor) -> Tensor:
    """‖f(T x) - f(x)‖ / ‖f(x)‖ of each sample, without what is common to all classes."""
    n = len(reference)
    a, b = reference.reshape(n, -1).double(), out.reshape(n, -1).double()
    if a.shape[1] > 1:
        a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    return relative_error(b - a, a)


def _head(result: Sweep, n: int) -> Sweep:
    return Sweep(n=result.n, **{k: v[:n] for k, v in vars(result).items() if k != "n"})
