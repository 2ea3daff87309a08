"""How much of the signal aliases at each downsampling layer?

A downsampling layer is an operator at full rate of which every s-th sample is kept. Frequencies of
its output above 1 / (2s) cycles per sample cannot be told from lower ones afterwards: they alias.
Each such operation of a running network is performed once more at full rate, and the energy of its
output is split at that frequency. The result is the fraction that aliases, also for functions and
slices that belong to no module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neocog.graph.hooks import CallNames
from neocog.graph.operations import Call, Observer, Operation, watching
from neocog.graph.ops import numbers, rule_of, window_of
from neocog.graph.preserve import exact
from neocog.jsonable import Jsonable, keys
from neocog.keywords import known_keywords
from neocog.layers.polyphase import ChoosePhase, LearnedChoice, TakePhase
from neocog.layers.windows import ChooseWindows, TakeWindows
from neocog.models.exact import AnySamples, Measurable, measured
from neocog.signal.fourier import aliased_energy, power_spectrum

__all__ = ["Aliasing", "aliasing"]


@dataclass(frozen=True, kw_only=True)
class Aliasing(Jsonable):
    """One operation that downsamples.

    Args:
        name: of the submodule that performs it; `#2` marks its second operation of that kind.
        kind: of operation: convolution, max pool, average pool, slice, polyphase.
        stride: along each axis.
        aliased_energy: fraction of the energy of the full-rate output, its mean removed, above the
            Nyquist frequency of the output; mean over samples.
        spectrum: mean power of the full-rate output over samples and channels, zero frequency in
            the center.
        consistent: the sampling grid moves with the image (polyphase), so the same components alias
            wherever the image is.
    """

    JSON = keys("name", "kind", "stride", "aliased_energy", "consistent")

    name: str
    kind: str
    stride: tuple[int, ...]
    aliased_energy: float
    spectrum: np.ndarray
    consistent: bool


@dataclass
class _Sum:
    kind: str
    stride: tuple[int, ...]
    consistent: bool
    energy: list[Tensor]
    spectrum: Tensor
    n: int


@known_keywords
def aliasing(model: Measurable, data: AnySamples, *, batch: int = 16) -> tuple[Aliasing, ...]:
    """Every operation of a model that downsamples, in the order of execution.

    Args:
        model: the model that is measured.
        data: samples of the size that the model takes; a few dozen are enough.
        batch: batch size.

    Example:
        >>> from torch import nn
        >>> from neocog.data.samples import Samples
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(2), nn.Flatten())
        >>> found = aliasing(net, Samples.of(torch.rand(2, 1, 8, 8)))
        >>> [(f.name, f.kind, f.stride) for f in found]
        [('1', 'max pool', (2, 2))]
    """
    model, data = measured(model, data)
    sums: dict[str, _Sum] = {}
    with model.ready(), torch.no_grad(), exact():
        for start in range(0, len(data), batch):
            x = data.take(slice(start, start + batch)).to(model.device, model.dtype)
            look = _Look(sums, axes=len(data.size))
            with watching(model.module, look):
                out = model.module(x)
            model.check(out)
    return tuple(
        Aliasing(
            name=name,
            kind=s.kind,
            stride=s.stride,
            aliased_energy=float(torch.cat(s.energy).mean()),
            spectrum=(s.spectrum / s.n).numpy(),
            consistent=s.consistent,
        )
        for name, s in sums.items()
    )


_CHOICES = (ChoosePhase, ChooseWindows, LearnedChoice)
"""Modules that choose a phase: what they compute inside is not a sampling of the feature map."""


class _Look(Observer):
    """Of one pass: every operation that downsamples, performed at full rate."""

    def __init__(self, sums: dict[str, _Sum], *, axes: int) -> None:
        self.sums, self.axes = sums, axes
        self.names = CallNames()
        self.inside: list[str] = []
        self.slice: tuple[Tensor, Tensor, tuple[int, ...], str] | None = None
        self.windows: Tensor | None = None  # taken from a phase that moves with the map

    def start(self, call: Call) -> None:
        if isinstance(call.module, TakePhase) and not self.inside:
            stride: Any = call.module.stride
            self.add(
                call.name,
                "polyphase",
                call.args[0],
                tuple(numbers(stride, self.axes)),
                consistent=True,
            )
        if isinstance(call.module, (TakePhase, TakeWindows, *_CHOICES)):
            self.inside.append(call.name)

    def end(self, call: Call) -> None:
        if isinstance(call.module, TakeWindows) and isinstance(call.out, Tensor):
            self.windows = call.out
        if self.inside and self.inside[-1] == call.name:
            self.inside.pop()

    def operation(self, op: Operation) -> None:
        if self.inside:
            return
        full = _FULL_RATE.get(rule_of(op))
        if full is None:
            return
        sampled = full(op, self.axes)
        if sampled is None:
            return
        kind, x, stride = sampled
        if kind == "slice" and self.slice is not None and self.slice[0] is x:
            self.other_axis(op.out, stride)
            return
        consistent = self.windows is not None and op.args[0] is self.windows
        label = self.add(op.module, kind, x, stride, consistent=consistent)
        self.slice = (op.out, x, stride, label) if kind == "slice" else None

    def other_axis(self, out: Tensor, stride: tuple[int, ...]) -> None:
        """A slice of a slice: one downsampling of two axes."""
        assert self.slice is not None
        _, x, before, label = self.slice
        both = tuple(a * b for a, b in zip(before, stride, strict=True))
        s = self.sums[label]
        s.stride, s.energy[-1] = both, aliased_energy(x, both).double().cpu()
        self.slice = (out, x, both, label)

    def add(
        self, name: str, kind: str, x: Tensor, stride: tuple[int, ...], *, consistent: bool
    ) -> str:
        label = self.names(name)
        energy = aliased_energy(x, stride).double().cpu()
        spectrum = power_spectrum(x).double().cpu() * len(x)
        s = self.sums.get(label)
        if s is None:
            self.sums[label] = _Sum(kind, stride, consistent, [energy], spectrum, len(x))
        else:
            s.energy.append(energy)
            s.spectrum, s.n = s.spectrum + spectrum, s.n + len(x)
        return label


FullRate = tuple[str, Tensor, tuple[int, ...]]


def _at_full_rate(op: Operation, axes: int) -> FullRate | None:
    """A convolution or pooling at stride 1."""
    g, x = op.given, next(iter(op.tensors.values()))
    stride = tuple(window_of(op).stride)
    if g.get("transposed") or x.ndim != axes + 2 or max(stride) == 1:
        return None
    out = op.func(**{**g, "stride": [1] * axes})
    kind = "convolution" if rule_of(op) == "convolution" else _POOLS["avg" in op.name]
    return _kept(op, kind, out[0] if isinstance(out, tuple) else out, stride)


_POOLS = ("max pool", "average pool")


def _kept(op: Operation, kind: str, x: Tensor, stride: tuple[int, ...]) -> FullRate | None:
    """Nothing for global pooling: an output without space does not alias."""
    out = op.out[0] if isinstance(op.out, tuple) else op.out
    return None if max(out.shape[2:]) == 1 else (kind, x, stride)


def _slice(op: Operation, axes: int) -> FullRate | None:
    x, dim, step = (op.given[name] for name in ("self", "dim", "step"))
    if step == 1 or x.ndim != axes + 2 or not x.is_floating_point():
        return None
    axis = dim % x.ndim - 2
    if axis < 0:
        return None
    return "slice", x, tuple(step if a == axis else 1 for a in range(axes))


_FULL_RATE = {"convolution": _at_full_rate, "pool": _at_full_rate, "slice": _slice}
"""Rule of an operation, to the function that performs it at full rate."""
