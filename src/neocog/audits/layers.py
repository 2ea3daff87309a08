"""Which layer breaks equivariance?

A layer f is equivariant to a transformation T when f(T x) = T f(x). Two figures say how far a layer
is from that, as the mean over samples of ‖f(T x) - T f(x)‖ / ‖f(x)‖ over the region that both know,
see `neocog.symmetry.residual`:

    shift_error, rotation_error   at the layer's output, all layers before it included
    local_shift, local_rotation   of this layer alone: its input for the unshifted sample is
        transformed, so errors of earlier layers have no part in it

Shifts are circular by whole pixels, different for each sample; rotations are quarter turns. Nothing
is interpolated at the input. How T acts on the channels of an output is declared by the field of
the layer, see `neocog.symmetry.fields`; without one it leaves channels, and vectors, as they are.

The local shift error is split into border and interior: within the reach of the window from the
border, or from where the image was cut, padding causes it; everywhere else downsampling does. A
layer with a stride that commutes with shifts by multiples of it has no border effect, so all of its
error is aliasing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from neocog.errors import UsageError
from neocog.graph.hooks import CallNames, hooked, layers_of
from neocog.graph.preserve import exact
from neocog.jsonable import Jsonable, keys
from neocog.keywords import known_keywords
from neocog.layers.blur import MaxBlurPool
from neocog.layers.polyphase import PolyphaseDown
from neocog.layers.subsample import Windows
from neocog.layers.windows import TakeWindows
from neocog.models.exact import AnySamples, Measurable, measured
from neocog.stats import interval
from neocog.symmetry.fields import FeatureField, FieldType, field_of
from neocog.symmetry.motion import Jump, QuarterTurn, Translation
from neocog.symmetry.residual import best_fit, near_border, norms

__all__ = ["LayerError", "is_map", "layer_errors"]


@dataclass(frozen=True, kw_only=True)
class LayerError(Jsonable):
    """How far one layer is from equivariance.

    Args:
        name: of the submodule; `#2` marks its second call in one pass.
        kind: its class.
        output: shape of its output, without the batch axis.
        shift_error: at its output, under circular shifts of the image.
        shift_ci: its 95 % CI, by bootstrap over samples.
        local_shift: of this layer alone; None for a block of layers.
        own_border: fraction of `local_shift` squared near the border or the cut.
        rotation_error: at its output, under quarter turns; None where height and width differ.
        local_rotation: of this layer alone.
    """

    JSON = keys(
        "name", "kind", "output", "shift_error", "shift_error_ci=shift_ci", "rotation_error",
        "local_shift_error=local_shift", "local_shift_error_border_share=own_border",
        "local_rotation_error=local_rotation",
    )  # fmt: skip

    name: str
    kind: str
    output: tuple[int, ...]
    shift_error: float
    shift_ci: tuple[float, float]
    local_shift: float | None
    own_border: float | None
    rotation_error: float | None
    local_rotation: float | None

    @property
    def own_inside(self) -> float:
        """The part of the local shift error that is not the border's: aliasing."""
        if self.local_shift is None or self.own_border is None:
            return 0.0
        return float(self.local_shift * max(0.0, 1 - self.own_border) ** 0.5)

    @property
    def own_at_border(self) -> float:
        """The part of the local shift error at the border."""
        if self.local_shift is None or self.own_border is None:
            return 0.0
        return float(self.local_shift * max(0.0, self.own_border) ** 0.5)


@dataclass
class _Sums:
    kind: str
    output: tuple[int, ...]
    shift: list[Tensor] = field(default_factory=list)
    local_shift: list[Tensor] = field(default_factory=list)
    border: list[Tensor] = field(default_factory=list)
    turn: list[Tensor] = field(default_factory=list)
    local_turn: list[Tensor] = field(default_factory=list)


@known_keywords
def layer_errors(
    model: Measurable,
    data: AnySamples,
    *,
    max_shift: int | None = None,
    seed: int = 0,
    batch: int = 16,
    jumps: Mapping[str, Jump] | None = None,
    turns: bool = True,
    progress: Callable[[float], None] = lambda fraction: None,
) -> tuple[LayerError, ...]:
    """Measure every layer of a model, in the order of their first calls.

    Args:
        model: the model that is measured.
        data: samples of the size that the model takes; a few dozen are enough.
        max_shift: maximum shift along each axis, in pixels; an eighth of the size if left out.
        seed: of the shifts.
        batch: batch size.
        jumps: pixels from one sample of a layer's output to the next, along each axis, as
            `receptive_field` computes them; estimated from the sizes where it is missing.
        turns: measure quarter turns too, where samples are square.
        progress: called with the fraction that is done.

    Raises:
        UsageError: the samples are of another size than the model takes.
    """
    model, data = measured(model, data)
    if model.size is not None and tuple(model.size) != tuple(data.size):
        raise UsageError(
            f"Layers are measured on samples of the model's input size, {model.size}; "
            f"got {data.size}. Open the data with that size."
        )
    max_shift = max(2, min(data.size) // 8) if max_shift is None else max_shift
    sums: dict[str, _Sums] = {}
    axes, n = len(data.size), len(data)
    offset = _offsets(n, axes, max_shift, seed)
    quarters = torch.from_numpy(np.random.default_rng([seed, 0x4071]).integers(1, 4, n))
    square = turns and axes == 2 and data.size[0] == data.size[1]
    with model.ready(), torch.no_grad(), exact():
        for start in range(0, n, batch):
            rows = slice(start, min(n, start + batch))
            x = data.take(rows).to(model.device, model.dtype)
            shift = Translation(offset[rows])
            look = _ShiftedPair(sums, shift, data.size, jumps or {})
            _through(model.module, torch.cat([x, shift(x)]), look)
            if square:
                turn = QuarterTurn(quarters[rows])
                _through(model.module, torch.cat([x, turn(x)]), _TurnedPair(sums, turn))
            progress(rows.stop / n)
    return tuple(_row(name, s, seed) for name, s in sums.items())


def _offsets(n: int, axes: int, max_shift: int, seed: int) -> Tensor:
    """Whole shifts, none of them zero, (n, D)."""
    rng = np.random.default_rng([seed, 0x1A7E])
    width = (2 * max_shift + 1) ** axes
    number = rng.integers(1, width, n)
    number = np.where(number <= width // 2, number - 1, number)  # all but the zero shift
    offset = np.stack(np.unravel_index(number, (2 * max_shift + 1,) * axes), -1) - max_shift
    return torch.from_numpy(offset)


def _row(name: str, s: _Sums, seed: int) -> LayerError:
    def mean(values: list[Tensor]) -> float | None:
        return float(_ratios(values).mean()) if values else None

    shift = _ratios(s.shift).numpy()
    own = _ratios(s.local_shift) if s.local_shift else None
    border = None
    if own is not None:
        lost = _ratios(s.border)
        border = float((lost**2).sum() / (own**2).sum()) if float(own.sum()) > 0 else 0.0
    return LayerError(
        name=name,
        kind=s.kind,
        output=s.output,
        shift_error=float(shift.mean()),
        shift_ci=interval(shift, seed=seed, shares=False),
        local_shift=None if own is None else float(own.mean()),
        own_border=border,
        rotation_error=mean(s.turn),
        local_rotation=mean(s.local_turn),
    )


Look = Callable[[str, nn.Module, Tensor | None, Tensor], None]
"""Called with a layer's name, itself, its input (of both halves) and its output."""


_WHOLE = (PolyphaseDown, MaxBlurPool)
"""Modules with submodules that are one layer nevertheless."""


def is_map(out: object) -> TypeGuard[Tensor]:
    """Whether a layer returned one tensor of numbers, (B, ...)."""
    return isinstance(out, Tensor) and out.ndim > 1 and out.is_floating_point()


def _through(module: nn.Module, pair: Tensor, look: Look) -> None:
    """Run unshifted and shifted samples through together, and look at every layer as it ends."""
    names = CallNames()
    within: list[str] = []
    kept: dict[int, Tensor] = {}
    windows: list[Tensor] = []  # padding and phase of an operator, which are one layer with it

    def before(name: str, m: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not within and len(args) == 1 and isinstance(args[0], Tensor):
            kept[id(m)] = args[0].clone()  # it is about to be overwritten

    def after(name: str, m: nn.Module, args: tuple[Any, ...], out: Any) -> None:
        if within or not is_map(out) or len(out) != len(pair):
            return
        if isinstance(m, TakeWindows | Windows):
            windows[:] = [out]
            return
        label = names(name)
        lone = len(args) == 1 and isinstance(args[0], Tensor) and len(args[0]) == len(pair)
        inner = kept.pop(id(m), args[0] if args else None)
        lone = lone and not any(args[0] is w for w in windows)
        leaf = isinstance(m, _WHOLE) or not any(True for _ in m.children())
        within.append(name)  # what is computed below is not part of the pass
        try:
            look(label, m, inner if lone and leaf else None, out)
        finally:
            within.pop()

    layers = list(layers_of(module))
    in_place = [(name, m) for name, m in layers if getattr(m, "inplace", False)]
    with hooked(layers, after=after), hooked(in_place, before=before):
        module(pair)


class _ShiftedPair:
    """Measures layers under circular shifts."""

    def __init__(
        self,
        sums: dict[str, _Sums],
        shift: Translation,
        size: tuple[int, ...],
        jumps: Mapping[str, Jump],
    ) -> None:
        self.sums, self.shift, self.size, self.jumps = sums, shift, size, jumps

    def __call__(self, name: str, m: nn.Module, inner: Tensor | None, out: Tensor) -> None:
        sums = self.sums.setdefault(name, _Sums(type(m).__name__, tuple(out.shape[1:])))
        still, moved = out.chunk(2)
        jump = self.jump(name, out)
        sums.shift.append(norms(*best_fit(self.shift, still, moved, jump=jump, size=self.size)))
        if inner is None:
            return
        before = inner[: len(still)]
        ratio = _own_jump(m, before, out) if self.has_space(out) else None
        if not self.has_space(before) or (self.has_space(out) and ratio is None):
            return  # a vector, or an output whose positions are unknown
        whole = self.steps(before)
        wrong, base = _alone(m, before, still, whole, ratio)
        sums.local_shift.append(norms(wrong, base))
        near = wrong.new_zeros(())
        if ratio is not None and bool(_breaks(wrong, still).any()):
            near = near_border(wrong, whole, ratio, _reach(m))
            near = near * self.has_border(m, before, still, ratio, whole)
        sums.border.append(norms(wrong * near, base))

    def has_border(
        self, m: nn.Module, before: Tensor, still: Tensor, ratio: Jump, whole: Tensor
    ) -> Tensor:
        """1 for each sample whose output changes at a multiple of the stride, (B, 1, …).

        Such a shift, about as long as the measured one, meets the same sampling grid: an error is
        due to the border. Where there is none, the border is not to blame for what downsampling
        does near it. A layer that does not downsample has no grid.
        """
        stride = torch.tensor([max(1, int(j)) for j in ratio])
        if not bool((stride > 1).any()):
            return still.new_ones(())
        offset = torch.round(whole / stride).long() * stride
        least = torch.where(whole < 0, -stride, stride)
        offset = torch.where((offset == 0).all(1)[:, None], least, offset)
        breaks = _breaks(_alone(m, before, still, offset, ratio)[0], still)
        return breaks.to(still).view(-1, *[1] * (still.ndim - 1))

    def steps(self, x: Tensor) -> Tensor:
        """Shifts of the images as whole shifts of a feature map: at least one step somewhere."""
        scale = [n / m for n, m in zip(x.shape[2:], self.size, strict=True)]
        whole = torch.round(self.shift.offset * torch.tensor(scale)).long()
        zero = (whole == 0).all(1)
        return torch.where(zero[:, None], self.shift.offset.sign(), whole)

    def has_space(self, x: Tensor) -> bool:
        """Whether it is a map of more than one sample."""
        return x.ndim == len(self.size) + 2 and any(n > 1 for n in x.shape[2:])

    def jump(self, name: str, out: Tensor) -> Jump | None:
        """Pixels from one sample to the next; None for an output without space."""
        if not self.has_space(out):
            return None
        if name in self.jumps and len(self.jumps[name]) == len(self.size):
            return self.jumps[name]
        jumps = [Fraction(a, b) for a, b in zip(self.size, out.shape[2:], strict=True)]
        return tuple(j if 1 in (j.numerator, j.denominator) else Fraction(round(j)) for j in jumps)


class _TurnedPair:
    """Measures layers under quarter turns."""

    def __init__(self, sums: dict[str, _Sums], turn: QuarterTurn) -> None:
        self.sums, self.turn = sums, turn

    def __call__(self, name: str, m: nn.Module, inner: Tensor | None, out: Tensor) -> None:
        if name not in self.sums or not _turns(out) or not self.fits(out, field_of(m)):
            return
        sums = self.sums[name]
        still, moved = out.chunk(2)
        expected = self.turned(still, field_of(m))
        sums.turn.append(norms(expected - moved, still))
        if inner is not None and _turns(inner) and self.fits(inner, field_of(m, "input")):
            again = m(self.turned(inner[: len(still)], field_of(m, "input")).clone())
            sums.local_turn.append(norms(expected - again, still))

    def fits(self, x: Tensor, field: FeatureField) -> bool:
        """Whether the field of a layer has quarter turns, and as many channels as its map."""
        channels = field.channels if isinstance(field, FieldType) else x.shape[1]
        return channels == x.shape[1] and field.holds(*self.turn.linear[:1])

    def turned(self, x: Tensor, field: FeatureField) -> Tensor:
        return self.turn(x, field=field) if x.ndim == 4 else self.turn.mix(x, field)


def _turns(x: Tensor) -> bool:
    """Whether quarter turns keep its shape."""
    return x.ndim != 4 or x.shape[2] == x.shape[3]


def _alone(
    m: nn.Module, before: Tensor, still: Tensor, offset: Tensor, jump: Jump | None
) -> tuple[Tensor, Tensor]:
    """`best_fit` of one layer whose input is shifted directly."""
    shift = Translation(offset)
    again = m(shift(before).clone())
    return best_fit(shift, still, again, jump=jump, size=tuple(before.shape[2:]))


def _own_jump(m: nn.Module, x: Tensor, out: Tensor) -> Jump | None:
    """Of a layer alone, input samples from one output sample to the next."""
    stride = getattr(m, "stride", None)
    steps = stride if isinstance(stride, tuple | list) else (stride,)
    if stride is not None and all(isinstance(s, int) for s in steps):
        each = tuple(steps) * (x.ndim - 2 if len(steps) == 1 else 1)
        transposed = getattr(m, "transposed", False)
        return tuple(Fraction(1, s) if transposed else Fraction(s) for s in each)
    jumps = tuple(Fraction(a, b) for a, b in zip(x.shape[2:], out.shape[2:], strict=True))
    return jumps if all(1 in (j.numerator, j.denominator) for j in jumps) else None


def _reach(m: nn.Module) -> tuple[int, ...]:
    """Input samples that the window of a layer reaches to one side, along an axis or all."""
    kernel = getattr(m, "kernel_size", 1)
    dilation = getattr(m, "dilation", 1)
    kernel = kernel if isinstance(kernel, tuple) else (kernel,)
    dilation = dilation if isinstance(dilation, tuple) else (dilation,)
    return tuple(
        int(d) * (int(k) - 1) for k, d in zip(kernel, dilation * len(kernel), strict=False)
    )


ROUNDING = 1e-4
"""Relative: float32 has 1e-7, and a layer sums thousands of products."""

TINY = 0.01
"""Relative to the mean norm of a layer's output: lower bound of a sample's norm."""


def _breaks(wrong: Tensor, reference: Tensor) -> Tensor:
    """Whether each sample differs by more than rounding."""
    far, least = (t.flatten(1).norm(dim=1) for t in (wrong, ROUNDING * reference))
    breaks: Tensor = far > least
    return breaks


def _ratios(parts: list[Tensor]) -> Tensor:
    """Over all samples; a sample whose output is almost zero does not dominate."""
    up, down = torch.cat(parts, 1).cpu()
    least = max(float(down.mean()) * TINY, 1e-30)
    ratio: Tensor = up / down.clamp(min=least)
    return ratio
