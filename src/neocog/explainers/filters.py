"""The filters of every convolution: their weights as images, and their frequency response."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from neocog.errors import ModelError, printable
from neocog.exhibits import Curve, Exhibit, Gallery, Map, Section
from neocog.graph.activations import handed
from neocog.graph.operations import Operation, watching
from neocog.graph.ops import rule_of, window_of
from neocog.graph.preserve import preserved
from neocog.jsonable import Jsonable, keys
from neocog.keywords import known_keywords
from neocog.render.pixels import amounts, gray_or_color, sheet, signed
from neocog.signal.kernels import frequency_response

__all__ = ["Filters", "filters", "sections"]

_MOST_KERNELS = 256
"""Kernels shown of one filter."""


@dataclass(frozen=True, kw_only=True)
class Filters(Jsonable):
    """The filters of one convolution.

    Args:
        name: of the submodule.
        kind: its class.
        weights: (O, I, *kernel): for each filter a kernel for each of its input channels.
        stride: along each axis.
        dilation: along each axis.
        groups: of channels.
    """

    JSON = keys("name", "kind", "shape=weights.shape", "stride", "dilation", "groups", "weights")

    name: str
    kind: str
    weights: np.ndarray
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @property
    def axes(self) -> int:
        """Of space: 1 for series, 2 for images."""
        return self.weights.ndim - 2

    @property
    def kernel_size(self) -> tuple[int, ...]:
        """Taps along each axis."""
        return tuple(self.weights.shape[2:])

    @property
    def pointwise(self) -> bool:
        """Whether it is a 1×1 convolution: such a filter mixes channels and has no image."""
        return max(self.kernel_size) == 1

    def response(self, size: int = 33) -> np.ndarray:
        """The gain of each filter at each frequency, (O, *size).

        The root mean square over input channels: the amplitude for noise of standard deviation 1
        that is independent in each channel. Frequency 0 is in the center, half a cycle per sample
        at the ends; with dilation, of the samples that it looks at.

        Args:
            size: frequencies along each axis; odd, so that there is a center.
        """
        room = max(size, *self.kernel_size)
        wide = torch.from_numpy(self.weights).double()
        amplitude = frequency_response(wide, room, axes=self.axes)
        return np.asarray(amplitude.square().mean(1).sqrt().numpy())

    def images(self, most: int = 64) -> list[np.ndarray]:
        """An image for each filter, at most `most`; kernels side by side for many channels."""
        kernels = self.weights[:most]
        if self.axes == 1:
            top = np.abs(kernels).max(axis=(1, 2))
            return [signed(w, most=float(t)) for w, t in zip(kernels, top, strict=True)]
        if self.axes == 3:
            kernels = kernels.reshape(len(kernels), -1, *kernels.shape[3:])
        if kernels.shape[1] in (1, 3):
            return [gray_or_color(w) for w in kernels]
        return [_kernels(w) for w in kernels]

    def sections(self, most: int = 64) -> list[Section]:
        """For a report.

        Args:
            most: filters that are shown.
        """
        exhibits: list[Exhibit] = []
        if self.pointwise:
            flat = self.weights.reshape(len(self.weights), -1)
            exhibits.append(
                Map(
                    title="Weights",
                    values=flat,
                    row_label="filter",
                    column_label="input channel",
                    diverging=True,
                    note="A 1×1 filter has no spatial shape: it only mixes channels.",
                )
            )
            return [Section(title=self._title(), exhibits=exhibits)]
        exhibits.append(self._gallery(most))
        exhibits += self._responses(most)
        return [Section(title=self._title(), exhibits=exhibits)]

    def _title(self) -> str:
        shape = "×".join(map(str, self.kernel_size))
        count, inputs = self.weights.shape[:2]
        where = printable(self.name) or "the network itself"
        return f"{where}: {count} filters of {shape} on {inputs} channel{'s' * (inputs > 1)}"

    def _gallery(self, most: int) -> Gallery:
        images = self.images(most)
        note = "Mid-gray is zero; each filter is scaled by its largest |weight|."
        if self.axes == 1:
            note = (
                "One row per input channel; blue is negative, orange is positive; each filter has "
                "its own scale."
            )
        elif images and self.weights.shape[1] not in (1, 3):
            note = (
                "One square per input channel; blue is negative, orange is positive; each filter "
                "has its own scale."
            )
        more = len(self.weights) - len(images)
        note += f" {more} more are not shown." if more else ""
        captions = [str(i) for i in range(len(images))]
        return Gallery(title="Weights", images=images, captions=captions, note=note)

    def _responses(self, most: int) -> list[Exhibit]:
        response = replace(self, weights=self.weights[:most]).response()
        if self.axes == 1:
            spectra = response[: min(most, 8)]
            positions = (np.arange(response.shape[1]) - response.shape[1] // 2) / response.shape[1]
            half = positions >= 0
            return [
                Curve(
                    title="Frequency response",
                    x=positions[half].tolist(),
                    lines={str(i): r[half].tolist() for i, r in enumerate(spectra)},
                    x_label="cycles per sample",
                    y_label="amplitude",
                )
            ]
        if self.axes != 2:
            return []
        return [
            Gallery(
                title="Frequency response",
                images=[amounts(r, least=0.0) for r in response[:most]],
                captions=[str(i) for i in range(min(most, len(response)))],
                note=(
                    "Bright frequencies pass. Frequency 0 is in the center, the Nyquist frequency "
                    "at the border; horizontal frequencies to the left and right, vertical ones at "
                    "the top and bottom. Each filter has its own scale."
                ),
            )
        ]


@known_keywords
def filters(module: nn.Module, *, example: Tensor | None = None) -> tuple[Filters, ...]:
    """The filters of every convolution of a network.

    Args:
        module: any module; left as it is.
        example: a batch that it takes. With it every convolution that runs is found, in the order
            of execution, including those without a module (functions, exported programs); without
            it the convolution modules, in the order of definition.

    Raises:
        ModelError: there is none, or the module fails on the example.

    Example:
        >>> found = filters(nn.Sequential(nn.Conv2d(3, 8, 5), nn.ReLU(), nn.Conv2d(8, 4, 1)))
        >>> [(f.name, f.weights.shape) for f in found]
        [('0', (8, 3, 5, 5)), ('2', (4, 8, 1, 1))]
    """
    banks = _of_modules(module) if example is None else _that_run(module, example)
    if not banks:
        hint = " as a module. Give an example input to find functional ones"
        raise ModelError(
            f"Only convolutions have filters; `{printable(type(module).__name__)}` has none"
            f"{hint if example is None else ''}. Name a convolutional network."
        )
    return tuple(banks)


def sections(banks: Sequence[Filters], *, most: int = 64) -> list[Section]:
    """All layers, for a report.

    banks: the filters of the layers.
        banks: of the layers.
        most: filters of a layer that are shown.
    """
    return [section for f in banks for section in f.sections(most)]


def _of_modules(module: nn.Module) -> list[Filters]:
    banks = []
    for name, m in module.named_modules():
        if not isinstance(m, _ConvNd) or isinstance(m.weight, nn.UninitializedParameter):
            continue
        weight = m.weight.detach()
        if m.transposed:
            weight = _turned(weight, m.groups)
        banks.append(
            Filters(
                name=name,
                kind=type(m).__name__,
                weights=_plain(weight),
                stride=tuple(m.stride),
                dilation=tuple(m.dilation),
                groups=m.groups,
            )
        )
    return banks


def _that_run(module: nn.Module, example: Tensor) -> list[Filters]:
    banks: list[Filters] = []
    seen: set[int] = set()
    kinds = {name: type(m).__name__ for name, m in module.named_modules()}

    def look(op: Operation) -> None:
        if rule_of(op) != "convolution":
            return
        weight, groups = op.given["weight"], op.given["groups"]
        _, stride, _, dilation = window_of(op)
        parameter = weight.data_ptr()
        if parameter in seen:  # shared weights
            return
        seen.add(parameter)
        if op.given["transposed"]:
            weight = _turned(weight, groups)
        banks.append(
            Filters(
                name=op.module,
                kind=kinds.get(op.module, "convolution"),
                weights=_plain(weight),
                stride=tuple(stride),
                dilation=tuple(dilation),
                groups=groups,
            )
        )
        kept.append(op.given["weight"])  # so that no later tensor reuses its memory

    kept: list[Tensor] = []
    try:
        with preserved(module), torch.no_grad(), watching(module, look):
            module(handed(module, example))
    except Exception as e:  # of any kind: an external forward may raise anything
        raise ModelError(
            "Functional convolutions are found by running the module on an example; the module "
            f"fails on one of {tuple(example.shape)} ({type(e).__name__}: {e}). Give one that it "
            "takes."
        ) from e
    return _numbered(banks)


def _numbered(banks: list[Filters]) -> list[Filters]:
    """Several convolutions inside one module are distinguished by a number."""
    names = [f.name for f in banks]
    count: dict[str, int] = {}
    out = []
    for f in banks:
        count[f.name] = count.get(f.name, 0) + 1
        several = names.count(f.name) > 1
        out.append(replace(f, name=f"{f.name} #{count[f.name]}".strip()) if several else f)
    return out


def _turned(weight: Tensor, groups: int) -> Tensor:
    """Weights of a transposed convolution, (I, O / groups, …), as (O, I / groups, …)."""
    inputs, outputs, *kernel = weight.shape
    apart = weight.reshape(groups, inputs // groups, outputs, *kernel).transpose(1, 2)
    return apart.reshape(groups * outputs, inputs // groups, *kernel)


def _plain(weight: Tensor) -> np.ndarray:
    return np.asarray(weight.detach().to("cpu", torch.float32, copy=True).numpy())


def _kernels(weights: np.ndarray) -> np.ndarray:
    """The kernels of one filter, (I, h, w), side by side."""
    top = float(np.abs(weights).max(initial=0))
    kernels = weights[:_MOST_KERNELS]
    return sheet([signed(k, most=top) for k in kernels], columns=math.ceil(math.sqrt(len(kernels))))
