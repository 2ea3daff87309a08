"""How far a layer is from equivariance: its residual f(T x) - T f(x).

The equivariance error is ‖f(T x) - T f(x)‖ / ‖f(x)‖, both norms over the region where both f(T x)
and T f(x) are known, so that neither what wraps around behind a window without padding nor what
enters from beyond the frame counts. On a coarser grid T shifts by fractions of a sample: of the
Fourier shift and the whole shifts on either side the best fit counts, so that a layer that shifts
its samples along with the image is not blamed for the grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from neocog.symmetry.fields import SCALAR, FeatureField
from neocog.symmetry.motion import Jump, Transformation, Translation

__all__ = ["best_fit", "near_border", "norms", "relative_error", "residuals"]


def residuals(
    motion: Transformation,
    reference: Tensor,
    moved: Tensor,
    *,
    jump: Jump,
    known: Tensor | None = None,
    field: FeatureField = SCALAR,
    room: Tensor | None = None,
    spectrum: Callable[[], Tensor] | None = None,
) -> Iterator[Tensor]:
    """T f(x) - f(T x) where known, for each T that a layer may perform on its grid.

    Args:
        motion: T.
        reference: f(x), (B, C, *S).
        moved: f(T x), of the same shape.
        jump: pixels from one sample of a map to the next, along each axis.
        known: the region, from `Transformation.known`; None for everywhere.
        field: what the channels of f(x) mean.
        room: buffer like `reference`; allocated if left out.
        spectrum: gives the Fourier transform of `reference`; computed if left out.

    Yields:
        Residuals; each is valid until the next is drawn.
    """
    if isinstance(motion, Translation):
        candidates = motion.candidates(reference, jump, room, spectrum=spectrum)
    else:
        candidates = iter((motion(reference, jump, field),))
    for expected in candidates:
        wrong = torch.sub(expected, moved, out=room)
        yield wrong if known is None else wrong.mul_(known)


def best_fit(
    motion: Transformation,
    reference: Tensor,
    moved: Tensor,
    *,
    jump: Jump | None,
    size: tuple[int, ...],
    field: FeatureField = SCALAR,
) -> tuple[Tensor, Tensor]:
    """The residual for the best fitting T of each sample, and f(x), where both sides are known.

    Args:
        motion: T.
        reference: f(x).
        moved: f(T x), of the same shape.
        jump: pixels from one sample of f(x) to the next, along each axis; None for an output
            without space, where T acts on channels alone.
        size: of the signal.
        field: what the channels of f(x) mean.

    Example:
        >>> from neocog.symmetry.motion import Translation
        >>> x = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])
        >>> one = Translation(torch.tensor([[1]]))
        >>> wrong, reference = best_fit(one, x, one(x) + 0.5, jump=(1,), size=(4,))
        >>> wrong, reference is x
        (tensor([[[-0.5000, -0.5000, -0.5000, -0.5000]]]), True)
    """
    if jump is None:
        return motion.mix(reference, field) - moved, reference
    known = motion.known(reference, jump, size)
    best: Tensor | None = None
    least = torch.full((len(moved),), torch.inf, dtype=torch.float64, device=moved.device)
    for wrong in residuals(motion, reference, moved, jump=jump, known=known, field=field):
        far = norms(wrong)[0]
        better = (far < least).view(-1, *[1] * (wrong.ndim - 1))
        least = torch.minimum(least, far)
        best = wrong if best is None else torch.where(better, wrong, best)
    assert best is not None
    return best, reference if known is None else reference * known


def norms(*parts: Tensor) -> Tensor:
    """The norm of each sample of each part, float64, (parts, B)."""
    return torch.stack([t.flatten(1).double().norm(dim=1) for t in parts])


def relative_error(wrong: Tensor, reference: Tensor) -> Tensor:
    """‖wrong‖ / ‖reference‖ of each sample, float64, (B,).

    Example:
        >>> relative_error(torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 10.0]]))
        tensor([0.5000], dtype=torch.float64)
    """
    up, down = norms(wrong, reference)
    ratio: Tensor = up / down.clamp(min=1e-30)
    return ratio


def near_border(wrong: Tensor, offset: Tensor, jump: Jump, reach: tuple[int, ...]) -> Tensor:
    """1 near the border or where a circular shift cut the image, (B, 1, *S).

    Args:
        wrong: a residual, (B, C, *S).
        offset: of the shift, in samples of the layer's input, (B, D).
        jump: samples of the input from one output sample to the next.
        reach: samples of the input that the layer's window extends to one side.
    """
    near = torch.zeros(len(wrong), 1, *wrong.shape[2:], dtype=torch.bool)
    axes = wrong.ndim - 2
    for a in range(axes):
        n = wrong.shape[2 + a]
        step = float(jump[a])
        far = reach[a % len(reach)] / step + 1
        position = torch.arange(n)
        cut = (offset[:, a : a + 1] / step).remainder(n)
        to_cut = (position - cut).abs()
        to_cut = torch.minimum(to_cut, n - to_cut)
        to_edge = torch.minimum(position + 1, n - position).expand(len(wrong), n)
        close = (to_edge <= far) | ((to_cut <= far) & (offset[:, a : a + 1] != 0))
        shape = [len(wrong), 1] + [n if b == a else 1 for b in range(axes)]
        near |= close.view(shape)
    return near.to(wrong)
