"""Drop samples so that the same ones are kept wherever the image stands.

A map at stride s falls into s phases per axis: the samples 0, s, 2s, …, the samples 1, s + 1, … and
so on. Moving the map by one sample with wrap-around moves its samples from each phase to the next.
Which phase is kept is therefore decided by what the phase holds and not by its number: then the
same samples are kept after every shift, and what is kept moves with the map. Phases of equal norm
are the exception: among them the number decides, the first is kept, and after a shift that may be
another one. In maps that are computed with rounding, two phases that hold different samples are
hardly ever equal; in synthetic patterns and black maps they are.

Phases are numbered row by row: phase of the row times the stride of the columns, plus phase of the
column. An axis whose size the stride does not divide is continued by its own beginning, so
ceil(size / stride) samples come out; the equality under shifts is exact where the stride divides.

Sources: A. Chaman, I. Dokmanić, "Truly Shift-Invariant Convolutional Neural Networks", CVPR 2021
(the phase of the largest norm), and "Truly Shift-Equivariant Convolutional Neural Networks with
Adaptive Polyphase Upsampling", 2021 (samples put back where they were taken); R. A. Rojas-Gomez et
al., "Learnable Polyphase Sampling for Shift Invariant and Equivariant Convolutional Networks",
NeurIPS 2022 (a choice that is learned).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import UsageError
from neocog.layers._cpu.samples import flat_index, put_samples, take_samples
from neocog.layers.blocks import extend, per_axis
from neocog.layers.border import beside
from neocog.types import FieldWindow

__all__ = [
    "ChoosePhase",
    "LearnedChoice",
    "PolyphaseDown",
    "PolyphasePair",
    "PolyphaseUp",
    "TakePhase",
    "choose_phase",
    "phase_norms",
    "put_phase",
    "take_phase",
]

Phase = Int[Tensor, " _"] | Float[Tensor, "_ P"]
"""One phase per sample of the batch, or a weight for each of its phases."""


def phase_norms(
    x: Float[Tensor, "B C *space"], stride: int | Sequence[int], *, p: float = 2.0
) -> Float[Tensor, "B P"]:
    """The p-norm of each phase, over channels and space, in double precision.

    Args:
        x: map, of one or two axes of space.
        stride: of all axes or of each.
        p: of the norm; `math.inf` for the largest absolute value.

    Example:
        >>> phase_norms(torch.tensor([[[3.0, 0.0, 4.0, 1.0]]]), 2)
        tensor([[5., 1.]], dtype=torch.float64)
    """
    steps = per_axis(stride, x.dim() - 2)
    if x.dtype not in (torch.float32, torch.float64):
        x = x.float()
    if p == 2 and x.is_contiguous():  # a long way faster where channels lie far apart in memory
        points = x.square().sum(1, keepdim=True).sqrt()
    else:
        points = torch.linalg.vector_norm(x, p, dim=1, keepdim=True)
    grid = _grid(points.double(), steps)
    norms: Tensor = torch.linalg.vector_norm(grid, p, dim=(1, *range(2, 2 + 2 * len(steps), 2)))
    return norms.flatten(1)


def choose_phase(
    x: Float[Tensor, "B C *space"], stride: int | Sequence[int], *, p: float = 2.0
) -> Int[Tensor, " B"]:
    """The phase of the largest norm; of equal ones the first. No gradient goes through the choice.

    A choice among equal ones does not move with the map.

    Args:
        x: map, of one or two axes of space.
        stride: of all axes or of each.
        p: of the norm.

    Example:
        >>> choose_phase(torch.tensor([[[3.0, 5.0, 4.0, 1.0]], [[0.0, 0.0, 1.0, 0.0]]]), 2)
        tensor([1, 0])
    """
    return phase_norms(x.detach(), stride, p=p).argmax(1)


def take_phase(
    x: Float[Tensor, "B C *space"], phase: Phase, stride: int | Sequence[int]
) -> Float[Tensor, "B C *smaller"]:
    """Every s-th sample of each map, from the phase chosen for it.

    Args:
        x: map, of one or two axes of space.
        phase: a number per map, below the product of the strides; or a weight for each phase, by
            which the phases are summed.
        stride: of all axes or of each.

    Raises:
        UsageError: not a phase for each map.

    Example:
        >>> x = torch.tensor([[[3.0, 5.0, 4.0, 1.0]]])
        >>> take_phase(x, torch.tensor([1]), 2), take_phase(x, torch.tensor([[0.5, 0.5]]), 2)
        (tensor([[[5., 1.]]]), tensor([[[4.0000, 2.5000]]]))
    """
    steps = per_axis(stride, x.dim() - 2)
    if phase.is_floating_point():
        return _weighed(x, phase, steps)
    batch, _, *size = x.shape
    _one_each(phase, batch)
    return take_samples(x, _index(phase, size, steps), _counts(size, steps))


def _weighed(x: Tensor, weights: Tensor, steps: tuple[int, ...]) -> Tensor:
    """The sum of all phases, each by its weight."""
    grid = _grid(x, steps)
    # Maps whose channels lie side by side are split so, and their gradient then lies so too.
    pixelwise = beside(x)
    if pixelwise:
        grid = grid.permute(0, 2, 3, 4, 5, 1)
    axes = (2, 4) if pixelwise else tuple(range(3, 3 + 2 * len(steps), 2))
    each = weights.to(x.dtype).T.reshape(-1, x.shape[0], *[1] * (x.dim() - 1))
    parts = list(grid.unbind(axes[0]))
    if len(axes) == 2:
        parts = [part for line in parts for part in line.unbind(axes[1] - 1)]
    taken = parts[0] * each[0]
    for part, weight in zip(parts[1:], each[1:], strict=True):
        taken = torch.addcmul(taken, part, weight)
    return taken.permute(0, 3, 1, 2) if pixelwise else taken


def _index(phase: Tensor, size: Sequence[int], steps: Sequence[int]) -> Tensor:
    """Where the samples of a phase lie in a map laid out as a row, (B, samples).

    The last one may lie beyond the end of an axis, which goes on with its beginning.
    """
    starts = (phase,) if len(steps) == 1 else (phase // steps[1], phase % steps[1])
    lines = [
        (start[:, None] + torch.arange(count, device=phase.device) * step) % n
        for start, count, step, n in zip(starts, _counts(size, steps), steps, size, strict=True)
    ]
    return flat_index(lines, size)


def _one_each(phase: Tensor, batch: int) -> None:
    count = phase.shape[0]
    if count != batch:
        raise UsageError(
            f"Each feature map of a batch needs one phase; got {count} phases for {batch} maps. "
            "Give one per map."
        )


def put_phase(
    x: Float[Tensor, "B C *smaller"],
    phase: Int[Tensor, " _"],
    stride: int | Sequence[int],
    *,
    size: Sequence[int],
) -> Float[Tensor, "B C *space"]:
    """Samples back where `take_phase` took them, zeros elsewhere: its transpose.

    Args:
        x: samples, of one or two axes of space.
        phase: a number per map.
        stride: of all axes or of each.
        size: of the map that comes out; its samples over the stride, rounded up, are those of x.

    Raises:
        UsageError: not a phase for each map, or another size.

    Example:
        >>> put_phase(torch.tensor([[[5.0, 1.0]]]), torch.tensor([1]), 2, size=(4,))
        tensor([[[0., 5., 0., 1.]]])
    """
    batch, _, *smaller = x.shape
    steps = per_axis(stride, x.dim() - 2)
    _one_each(phase, batch)
    if smaller != _counts(size, steps):
        raise UsageError(
            f"Samples are placed into a map of `size` {tuple(size)} at stride {tuple(steps)} as "
            f"{tuple(_counts(size, steps))}; got {tuple(smaller)}. Give the size of the map they "
            "were taken from."
        )
    return put_samples(x, _index(phase, size, steps), size)


def _counts(size: Sequence[int], steps: Sequence[int]) -> list[int]:
    """Samples of each axis that are taken."""
    return [math.ceil(n / s) for n, s in zip(size, steps, strict=True)]


def _grid(x: Tensor, steps: tuple[int, ...]) -> Tensor:
    """Each axis of space as (samples of a phase, phases); continued where it is too short."""
    counts = _counts(x.shape[2:], steps)
    sides = [(0, c * s - n) for c, s, n in zip(counts, steps, x.shape[2:], strict=True)]
    x = extend(x, sides, padding="circular")
    split = [n for pair in zip(counts, steps, strict=True) for n in pair]
    return x.view(*x.shape[:2], *split)


def _each(stride: int | Sequence[int]) -> Sequence[int]:
    """Of each axis, or one for all."""
    return (stride,) if isinstance(stride, int) else stride


class ChoosePhase(nn.Module):
    """`choose_phase` as a module: map to phase.

    Args:
        stride: of all axes or of each.
        p: of the norm.
    """

    def __init__(self, stride: int | Sequence[int], *, p: float = 2.0) -> None:
        super().__init__()
        self.stride, self.p = stride, p

    def forward(self, x: Float[Tensor, "B C *space"]) -> Int[Tensor, " B"]:
        """The phase of the largest norm."""
        return choose_phase(x, self.stride, p=self.p)

    def extra_repr(self) -> str:
        """Stride and norm."""
        return f"stride={self.stride}, p={self.p}"


class LearnedChoice(nn.Module):
    """A phase chosen by a small network that looks at each phase by itself.

    All phases go through the same convolution with wrap-around, ReLU, mean over space and weights,
    which give a score each; so the scores move with the phases and stay the same otherwise. In
    evaluation mode the phase of the highest score is taken. In training mode each gets a weight,
    sampled from the Gumbel-softmax distribution of the scores: the sum of the phases by these
    weights passes a gradient to the scores.

    Args:
        channels: of the map.
        stride: of each axis; its length says whether the map has one axis of space or two.
        hidden: channels of the convolution.
        temperature: of the softmax: toward 0 one phase gets all the weight.
    """

    def __init__(
        self,
        channels: int,
        stride: Sequence[int],
        *,
        hidden: int = 8,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.stride, self.temperature = tuple(stride), temperature
        # Neighbors within a phase are s samples apart: a convolution of all phases at once.
        if len(self.stride) == 1:
            self.conv: nn.Module = nn.Conv1d(channels, hidden, 3, dilation=self.stride[0])
        else:
            rows, columns = self.stride
            self.conv = nn.Conv2d(channels, hidden, 3, dilation=(rows, columns))
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, x: Float[Tensor, "B C *space"]) -> Phase:
        """A number per map in evaluation mode, weights of all phases in training mode."""
        steps = self.stride
        whole = [-n % s for n, s in zip(x.shape[2:], steps, strict=True)]
        sides = [(s, s + more) for s, more in zip(steps, whole, strict=True)]
        seen = _grid(F.relu(self.conv(extend(x, sides, padding="circular"))), steps)
        means = seen.mean(tuple(range(2, 2 + 2 * len(steps), 2))).flatten(2)
        scores: Tensor = self.score(means.transpose(1, 2)).squeeze(2)
        if scores.dtype in (torch.float16, torch.bfloat16):
            scores = scores.float()
        if self.training:
            return F.gumbel_softmax(scores, tau=self.temperature)
        return scores.argmax(1)

    def extra_repr(self) -> str:
        """Stride and temperature."""
        return f"stride={self.stride}, temperature={self.temperature}"


class TakePhase(nn.Module):
    """`take_phase` as a module of (map, phase).

    Args:
        stride: of all axes or of each.
    """

    def __init__(self, stride: int | Sequence[int]) -> None:
        super().__init__()
        self.stride = stride
        self.geometry = tuple(FieldWindow(s, s) for s in _each(stride))

    def forward(self, x: Float[Tensor, "B C *space"], phase: Phase) -> Tensor:
        """Every s-th sample from the phase."""
        return take_phase(x, phase, self.stride)

    def extra_repr(self) -> str:
        """The stride."""
        return f"stride={self.stride}"


class _Choosing(nn.Module):
    """What a sampler that chooses its phase is made of; how it is used is its subclass's.

    Args:
        stride: of all axes or of each.
        choose: map to phase; `ChoosePhase` if left out.
        prepare: what a map goes through between choice and taking, at stride 1, as a blur; None
            for nothing. The choice is made before, because a blur makes all phases nearly the
            same, and rounding would then decide between them.
    """

    def __init__(
        self,
        stride: int | Sequence[int],
        *,
        choose: nn.Module | None = None,
        prepare: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.prepare = prepare
        self.choose = ChoosePhase(stride) if choose is None else choose
        self.take = TakePhase(stride)


class PolyphaseDown(_Choosing):
    """Every s-th sample, from a phase that the map itself decides.

    Args:
        stride: of all axes or of each.
        choose: map to phase; `ChoosePhase` if left out.
        prepare: what the map goes through between choice and taking, at stride 1, as a blur; None
            for nothing. The choice is made before, because a blur makes all phases nearly the
            same, and rounding would then decide between them.
    """

    def forward(self, x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B C *smaller"]:
        """Every s-th sample of what is prepared."""
        phase = self.choose(x)
        taken: Tensor = self.take(x if self.prepare is None else self.prepare(x), phase)
        return taken


class PolyphasePair(_Choosing):
    """`PolyphaseDown` of two maps that are added afterwards: the first one decides for both.

    Args:
        stride: of all axes or of each.
        choose: map to phase; `ChoosePhase` if left out.
        prepare: what both go through between choice and taking, at stride 1; None for nothing.
    """

    def forward(self, main: Tensor, short: Tensor) -> tuple[Tensor, Tensor]:
        """Every s-th sample of both, the same ones."""
        phase = self.choose(main)
        if self.prepare is not None:
            main, short = self.prepare(main), self.prepare(short)
        return self.take(main, phase), self.take(short, phase)


class PolyphaseUp(nn.Module):
    """`put_phase` as a module of (samples, phase, size).

    Args:
        stride: of all axes or of each.
    """

    def __init__(self, stride: int | Sequence[int]) -> None:
        super().__init__()
        self.stride = stride
        self.geometry = tuple(FieldWindow(1, up=s) for s in _each(stride))

    def forward(self, x: Tensor, phase: Int[Tensor, " B"], size: Sequence[int]) -> Tensor:
        """Samples at their phase, zeros elsewhere."""
        return put_phase(x, phase, self.stride, size=size)

    def extra_repr(self) -> str:
        """The stride."""
        return f"stride={self.stride}"
