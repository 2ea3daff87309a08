"""The backward pass of a convolution is made of convolutions again.

Both gradients are computed by correlation and convolution (`lectures.convolution_gradients`),
for any convolution inside any network, and compared with what automatic differentiation gives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from neocog.data.samples import in_range
from neocog.errors import ModelError, ShapeMismatch, UsageError, printable
from neocog.exhibits import Exhibit, Gallery, Scalar, Section, Table
from neocog.graph.activations import (
    Run,
    differentiable,
    exchanging,
    find_layer,
    first_tensor,
    handed,
)
from neocog.graph.hooks import hooked
from neocog.jsonable import Jsonable, keys
from neocog.keywords import known_keywords
from neocog.lectures.convolution_gradients import (
    ConvGeometry,
    input_gradient,
    kernel_gradient,
    padded,
    unpadded,
)
from neocog.render.pixels import sheet, signed

__all__ = ["Backward", "backward"]

_DRAWN = 16


@dataclass(frozen=True, kw_only=True)
class Backward(Jsonable):
    """Both gradients of one convolution, in two ways.

    Args:
        layer: the convolution.
        target: the output whose sum over the batch was differentiated.
        geometry: how the convolution slides.
        padding_mode: what lies beyond the border.
        calls: of the layer on which the output depends. The kernel's gradients are summed over
            them; the others are those of the last.
        upstream: (B, O, *out), the gradient of the layer's output.
        kernel_gradient: (O, I, *kernel), the correlation of input and upstream gradient.
        kernel_autograd: the same by automatic differentiation.
        input_gradient: (B, I, *in), the full convolution of upstream gradient and kernel.
        input_autograd: the same by automatic differentiation.
    """

    JSON = keys(
        "layer", "target", "geometry", "padding_mode", "calls", "kernel_error", "input_error"
    )

    layer: str
    target: int | None
    geometry: ConvGeometry
    padding_mode: str
    calls: int = 1
    upstream: np.ndarray = field(repr=False)
    kernel_gradient: np.ndarray = field(repr=False)
    kernel_autograd: np.ndarray = field(repr=False)
    input_gradient: np.ndarray = field(repr=False)
    input_autograd: np.ndarray = field(repr=False)

    @property
    def kernel_error(self) -> float:
        """Largest difference of the two, over the largest amount."""
        return _error(self.kernel_gradient, self.kernel_autograd)

    @property
    def input_error(self) -> float:
        """Largest difference of the two, over the largest amount."""
        return _error(self.input_gradient, self.input_autograd)

    def sections(self) -> list[Section]:
        """For a report."""
        exhibits: list[Exhibit] = [
            Scalar(
                title="kernel gradient: largest difference",
                value=self.kernel_error,
                note="Correlation against automatic differentiation, over the largest amount.",
            ),
            Scalar(
                title="input gradient: largest difference",
                value=self.input_error,
                note="Full convolution against automatic differentiation, over the largest amount.",
            ),
            self._table(),
        ]
        if self.upstream.ndim == 4:
            exhibits += self._galleries()
        text = (
            "The gradient with respect to the kernel is the correlation of the input with the "
            "gradient that comes from above; that with respect to the input is the full "
            "convolution of this gradient with the kernel. With a stride the gradient is spread "
            "out first, with zeros between its samples."
        )
        if self.calls > 1:
            text += (
                f" The convolution runs {self.calls} times: its kernel's gradients are summed, the "
                "others are those of the last time."
            )
        return [
            Section(
                title=f"Backwards through {printable(self.layer)}", exhibits=exhibits, text=text
            )
        ]

    def _table(self) -> Table:
        shapes = {
            "gradient from above": self.upstream.shape[1:],
            "gradient of the kernel": self.kernel_gradient.shape,
            "gradient of the input": self.input_gradient.shape[1:],
        }
        g = self.geometry
        how: list[tuple[str, str]] = [
            ("kernel", "×".join(map(str, g.kernel_size))),
            ("stride", "×".join(map(str, g.stride))),
            ("padding", ", ".join(f"{a}+{b}" for a, b in g.padding) + f" ({self.padding_mode})"),
            ("dilation", "×".join(map(str, g.dilation))),
            ("groups", str(g.groups)),
        ]
        how += [(name, "×".join(map(str, shape))) for name, shape in shapes.items()]
        return Table(title="What slides over what", columns=("", "size"), rows=how)

    def _galleries(self) -> list[Exhibit]:
        one = slice(0, _DRAWN)

        def kernels(gradient: np.ndarray) -> list[np.ndarray]:
            tops = np.abs(self.kernel_autograd[one]).max(axis=(1, 2, 3))
            return [
                sheet([signed(k, most=float(top)) for k in g[:64]])
                for g, top in zip(gradient[one], tops, strict=True)
            ]

        def maps(values: np.ndarray) -> list[np.ndarray]:
            top = float(np.abs(values[0]).max())
            return [signed(v, most=top) for v in values[0][one]]

        rows = [
            (
                "Gradient from above, a map a filter",
                maps(self.upstream),
                "Of the first sample; blue is below zero, orange above.",
            ),
            (
                "Kernel gradients by correlation",
                kernels(self.kernel_gradient),
                "An image a filter, a square an input channel.",
            ),
            (
                "Kernel gradients by automatic differentiation",
                kernels(self.kernel_autograd),
                "",
            ),
            (
                "Input gradient by full convolution, a map a channel",
                maps(self.input_gradient),
                "Of the first sample.",
            ),
            ("Input gradient by automatic differentiation", maps(self.input_autograd), ""),
        ]
        return [
            Gallery(
                title=title,
                images=images,
                captions=[str(i) for i in range(len(images))],
                note=note,
            )
            for title, images, note in rows
        ]


@known_keywords
def backward(model: nn.Module, layer: str, x: Tensor, *, target: int | None = None) -> Backward:
    """Both gradients of a convolution inside a network, by hand and by automatic differentiation.

    Args:
        model: from values in [0, 1] to outputs; left as it is.
        layer: the name of a convolution, not a transposed one.
        x: a batch that the model takes.
        target: which output is differentiated, summed over the batch and all positions; the largest
            of each sample if left out.

    Raises:
        UsageError: the layer is not a convolution, or there is no such output.
        DataError: values are integers that are not in [0, 1].
        ModelError: the layer does not run, or nothing that comes after it depends on it.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.Flatten())
        >>> found = backward(net, "0", torch.rand(2, 1, 8, 8), target=0)
        >>> found.kernel_error < 1e-5, found.input_error < 1e-5
        (True, True)
    """
    m = find_layer(model, layer)
    if not isinstance(m, _ConvNd) or m.transposed:
        raise UsageError(
            "The backward pass is shown of convolutions; "
            f"`{printable(layer)}` is a {type(m).__name__}. Name one of those."
        )
    with differentiable(model) as run:
        calls = _calls(run, model, layer, handed(model, in_range(x).detach()), target)
        ways = [_both(m, layer, inputs, upstream) for inputs, upstream in calls]
    last = ways[-1]
    return Backward(
        layer=layer,
        target=target,
        geometry=_geometry(m),
        padding_mode=m.padding_mode,
        calls=len(calls),
        upstream=_plain(calls[-1][1]),
        kernel_gradient=_plain(torch.stack([w.kernel for w in ways]).sum(0)),
        kernel_autograd=_plain(torch.stack([w.auto_kernel for w in ways]).sum(0)),
        input_gradient=_plain(last.input),
        input_autograd=_plain(last.auto_input),
    )


@dataclass(frozen=True, kw_only=True)
class _Both:
    """Both gradients of one call of the layer, by hand and by automatic differentiation."""

    kernel: Tensor
    auto_kernel: Tensor
    input: Tensor
    auto_input: Tensor


def _both(m: _ConvNd, layer: str, inputs: Tensor, upstream: Tensor) -> _Both:
    exact = torch.promote_types(inputs.dtype, torch.float32)  # halves would differ by rounding
    still = inputs.to(exact, copy=True).requires_grad_()
    weight = m.weight.detach().to(exact, copy=True).requires_grad_()
    bias = None if m.bias is None else m.bias.detach().to(exact, copy=True)
    upstream = upstream.to(exact)
    out = m._conv_forward(still, weight, bias)
    if out.shape != upstream.shape:
        raise UsageError(
            "The backward pass is shown of convolutions that slide as they say; "
            f"`{printable(layer)}`, a {type(m).__name__}, adds to that. Name another."
        )
    auto_kernel, auto_input = torch.autograd.grad(out, (weight, still), upstream)
    geometry, mode = _geometry(m), m.padding_mode
    with torch.no_grad():
        wide = padded(still, geometry, mode)
        full = input_gradient(weight, upstream, geometry, tuple(wide.shape[2:]))
        return _Both(
            kernel=kernel_gradient(wide, upstream, geometry),
            auto_kernel=auto_kernel,
            input=unpadded(full, still, geometry, mode),
            auto_input=auto_input,
        )


def _calls(
    run: Run, model: nn.Module, layer: str, x: Tensor, target: int | None
) -> list[tuple[Tensor, Tensor]]:
    """Of each call on which the output depends: the layer's input, the gradient at its output."""
    inputs: list[Tensor] = []
    added: list[Tensor] = []

    def before(name: str, m: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        inputs.append((args[0] if args else kwargs["input"]).detach().clone())

    def exchange(out: Tensor) -> Tensor:
        # Zeros, so that their gradient is that of this call through all that come after it.
        added.append(torch.zeros_like(out, requires_grad=True))
        return out + added[-1]

    inside = [(layer, find_layer(model, layer))]
    with hooked(inside, before=before), exchanging(model, layer, exchange):
        output = first_tensor(run(x))
    if not added or output is None:
        raise ModelError(
            f"A layer is shown while it runs; `{printable(layer)}` does not. Name another."
        )
    total = _explained(output, target, len(x))
    above: tuple[Tensor | None, ...] = (None,)
    if total.requires_grad:
        above = torch.autograd.grad(total, added, allow_unused=True)
    gradients = [(i, g.detach()) for i, g in zip(inputs, above, strict=False) if g is not None]
    if not gradients:
        raise ModelError(
            f"Gradients come from the output; it does not depend on `{printable(layer)}`. "
            "Name another layer."
        )
    return gradients


def _explained(output: Tensor, target: int | None, count: int) -> Tensor:
    """The number that is differentiated: an output, summed over samples and positions."""
    if output.ndim < 2:
        raise ShapeMismatch(
            "A model returns an axis of samples and one of outputs; "
            f"got {tuple(output.shape)}. Wrap it so that it does.",
            expected=(count,),
            actual=tuple(output.shape),
        )
    if target is not None and not 0 <= target < output.shape[1]:
        raise UsageError(
            f"The model has the outputs 0 to {output.shape[1] - 1}; got {target}. "
            "Name one of them, or none for the largest."
        )
    flat = output.flatten(2).sum(2) if output.ndim > 2 else output
    chosen = flat.amax(1) if target is None else flat[:, target]
    return chosen.sum()


def _geometry(m: _ConvNd) -> ConvGeometry:
    axes = len(m.kernel_size)
    if isinstance(m.padding, tuple):
        padding = tuple((int(n), int(n)) for n in m.padding)
    else:  # "same" or "valid", worked out as (last axis before, last axis behind, …)
        pads = m._reversed_padding_repeated_twice
        padding = tuple((pads[2 * i], pads[2 * i + 1]) for i in reversed(range(axes)))
    return ConvGeometry(
        kernel_size=tuple(m.kernel_size),
        stride=tuple(m.stride),
        padding=padding,
        dilation=tuple(m.dilation),
        groups=m.groups,
    )


def _plain(x: Tensor) -> np.ndarray:
    exact = torch.promote_types(x.dtype, torch.float32)  # NumPy has no bfloat16
    return np.asarray(x.detach().to("cpu", exact).numpy())


def _error(one: np.ndarray, other: np.ndarray) -> float:
    most = float(np.abs(other).max(initial=0))
    difference = float(np.abs(one - other).max(initial=0))
    return difference / most if most > 0 else difference if math.isfinite(difference) else math.inf
