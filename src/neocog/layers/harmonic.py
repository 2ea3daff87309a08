"""Harmonic convolutions: complex streams that rotate by their order.

A filter of order m is R(r) exp(i (mφ + β)): a radial profile that is learned, and a phase β that is
learned. Turn the image by θ, and its response is multiplied by exp(i m θ). Responses of one order
are a stream; a filter of order q - p takes stream p to stream q, and what arrives at q is added.
Streams of the orders 0 to M are kept, each with n complex channels; a complex channel is two real
ones beside each other, so tensors stay plain: `stream_field` says what the channels mean.

Filters of one |m| are shared: by all pairs of streams whose orders differ by m, and by -m, which
has their complex conjugates. An activation changes magnitudes and leaves phases.

Source: D. Worrall et al., "Harmonic Networks: Deep Translation and Rotation Equivariance", CVPR
2017.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import UsageError
from neocog.layers._cpu.plain import normal_tensors
from neocog.layers.blocks import conv, extend, padding_mode, same_padding
from neocog.signal.harmonics import Ring, circular_harmonic
from neocog.symmetry.fields import FieldType, declared, irrep_field, trivial_field
from neocog.symmetry.groups import Group

__all__ = [
    "ComplexReLU",
    "HarmonicConv2d",
    "MagnitudeNorm2d",
    "complex_relu",
    "harmonic_kernel",
    "magnitudes",
    "stream_field",
]

ROTATIONS = Group(0)

WIDTH = 0.5
"""Standard deviation of a ring, in pixels."""

TINY = 1e-8
"""Added to a squared magnitude, whose root has no derivative at zero."""


def stream_field(max_order: int, count: int) -> FieldType:
    """Streams of orders 0 to `max_order`, each of `count` complex channels.

    Example:
        >>> stream_field(1, 8).channels
        32
    """
    return irrep_field(ROTATIONS, {m: count * (1 if m else 2) for m in range(max_order + 1)})


def magnitudes(x: Float[Tensor, "B C *S"]) -> Float[Tensor, "B N *S"]:
    """Of each complex channel, whatever its order.

    Example:
        >>> magnitudes(torch.tensor([[3.0, 4.0]]))
        tensor([[5.]])
    """
    size: Tensor = (_complex(x).square().sum(2) + TINY).sqrt()
    return size


def _complex(x: Float[Tensor, "B C *S"]) -> Float[Tensor, "B N 2 *S"]:
    return x.reshape(x.shape[0], -1, 2, *x.shape[2:])


def complex_relu(x: Float[Tensor, "B C *S"], bias: Float[Tensor, " N"]) -> Float[Tensor, "B C *S"]:
    """ReLU(|z| + b) z / |z| of each complex channel z.

    Example:
        >>> complex_relu(torch.tensor([[3.0, 4.0]]), torch.tensor([5.0]))
        tensor([[6., 8.]])
    """
    size = magnitudes(x)
    factor = (size + bias.view(-1, *[1] * (x.ndim - 2))).relu() / size
    return (_complex(x) * factor.unsqueeze(2)).reshape(x.shape)


def harmonic_kernel(
    weight: Float[Tensor, "M D C R"],
    phase: Float[Tensor, "M D C"],
    *,
    kernel_size: int,
    orders: tuple[int, int],
    real: bool,
) -> Float[Tensor, "O I K K"]:
    """The plain kernel of all pairs of streams.

    Args:
        weight: of each ring, for each |m|, channel out and channel in.
        phase: β, in radians.
        kernel_size: taps of each axis.
        orders: the highest of the streams out, and in.
        real: the input is a stream of order 0 without imaginary parts, an image.

    Example:
        >>> weight, phase = torch.rand(2, 8, 1, 4), torch.zeros(2, 8, 1)
        >>> harmonic_kernel(weight, phase, kernel_size=5, orders=(1, 0), real=True).shape
        torch.Size([32, 1, 5, 5])
    """
    parts = []
    for m, (w, beta) in enumerate(zip(weight, phase, strict=True)):
        basis = _rings(kernel_size, m, w.shape[2]).to(w)
        cosine, sine = (torch.einsum("dcr,rij->dcij", w, b) for b in basis)
        c, s = beta.cos()[..., None, None], beta.sin()[..., None, None]
        parts.append((cosine * c - sine * s, sine * c + cosine * s))
    rows = []
    for out in range(orders[0] + 1):
        row = []
        for into in range(orders[1] + 1):
            a, b = parts[abs(out - into)]
            b = b if out >= into else -b
            block = torch.stack((a, b), 1)[:, :, :, None]  # (D, 2, C, 1, K, K)
            if not real:
                block = torch.cat((block, torch.stack((-b, a), 1)[:, :, :, None]), 3)
            row.append(block.flatten(2, 3).flatten(0, 1))
        rows.append(torch.cat(row, 1))
    return torch.cat(rows, 0)


@lru_cache(maxsize=64)
@normal_tensors
def _rings(kernel_size: int, order: int, count: int) -> Float[Tensor, "2 R K K"]:
    """Cosine and sine of an order on rings of norm 1, evenly spaced to the rim of the kernel."""
    radii = np.linspace(min(order, 1), kernel_size // 2, count)
    some = []
    for radius in radii.tolist():
        pattern = circular_harmonic(kernel_size, Ring(radius, WIDTH, order), order)
        both = torch.cat((pattern, torch.zeros_like(pattern))) if order == 0 else pattern
        some.append(both / both.square().sum().sqrt())
    return torch.stack(some, 1)


class HarmonicConv2d(nn.Module):
    """A harmonic convolution from streams, or an image, to streams.

    Args:
        in_channels: complex channels of each stream in; channels of an image.
        out_channels: complex channels of each stream out.
        kernel_size: taps of each axis, odd, 3 at least.
        max_order: of the streams out.
        in_order: of the streams in; None for an image.
        rings: learned values of each radial profile.
        phase: learn phases, too.
        padding: padding mode; the size is kept.

    Raises:
        UsageError: a kernel without a rim, or a negative order.

    Example:
        >>> HarmonicConv2d(1, 8, kernel_size=5)(torch.rand(2, 1, 28, 28)).shape
        torch.Size([2, 32, 28, 28])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int,
        max_order: int = 1,
        in_order: int | None = None,
        rings: int = 4,
        phase: bool = True,
        padding: str = "zeros",
    ) -> None:
        super().__init__()
        if kernel_size < 3 or max_order < 0 or rings < 1:
            raise UsageError(
                "A harmonic filter has 3 taps an axis, order 0 and one ring at least; got "
                f"{kernel_size} taps, order {max_order}, {rings} rings. Take 5, 1 and 4."
            )
        self.real, self.orders = in_order is None, (max_order, in_order or 0)
        image = trivial_field(ROTATIONS, in_channels)
        self.input_field = image if in_order is None else stream_field(in_order, in_channels)
        self.output_field = stream_field(max_order, out_channels)
        self.kernel_size, self.stride = (kernel_size, kernel_size), (1, 1)
        self.padding, self.padding_mode = same_padding(kernel_size), padding_mode(padding)
        shape = (max(self.orders) + 1, out_channels, in_channels)
        self.weight = nn.Parameter(torch.empty(*shape, rings))
        self.phase = nn.Parameter(torch.empty(shape)) if phase else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Normal profiles that keep the variance through a ReLU (He et al. 2015), any phase."""
        streams = self.orders[1] + 1
        fan = self.weight.shape[2] * self.weight.shape[3] * (streams if not self.real else 0.5)
        nn.init.normal_(self.weight, std=math.sqrt(2 / fan))
        if self.phase is not None:
            nn.init.uniform_(self.phase, 0, 2 * math.pi)

    def kernel(self) -> Float[Tensor, "O I K K"]:
        """The plain kernel of the present weights."""
        device = self.weight.device.type
        phase = self.weight.new_zeros(self.weight.shape[:3]) if self.phase is None else self.phase
        with torch.autocast(device if device != "meta" else "cpu", enabled=False):
            return harmonic_kernel(
                self.weight,
                phase,
                kernel_size=self.kernel_size[0],
                orders=self.orders,
                real=self.real,
            )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """The sum of what arrives at each stream."""
        rows, columns = self.padding
        if self.padding_mode != "zeros":
            x = extend(x, [(rows, rows), (columns, columns)], padding=self.padding_mode)
            rows = columns = 0
        return F.conv2d(x, self.kernel(), None, 1, (rows, columns))

    def to_plain(self) -> nn.Conv2d:
        """An `nn.Conv2d` with the present kernel."""
        plain = conv(
            self.input_field.channels,
            self.output_field.channels,
            kernel_size=self.kernel_size,
            padding=self.padding_mode,
            bias=False,
        )
        with torch.no_grad():
            kernel = self.kernel()
            plain.to(kernel)
            plain.weight.copy_(kernel)
        return plain


class ComplexReLU(nn.Module):
    """`complex_relu` with a trainable number a complex channel, zero at first.

    Args:
        field: of the streams, from `stream_field`.
    """

    def __init__(self, field: FieldType) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(field.channels // 2))
        declared(self, field)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """ReLU of the magnitudes."""
        return complex_relu(x, self.bias)


class MagnitudeNorm2d(nn.Module):
    """Batch norm and ReLU of the magnitudes; phases stay.

    Args:
        field: of the streams, from `stream_field`.
    """

    def __init__(self, field: FieldType) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(field.channels // 2)
        declared(self, field)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Normalized magnitudes, those above their mean."""
        size = magnitudes(x)
        factor = self.norm(size).relu() / size
        changed: Tensor = (_complex(x) * factor.unsqueeze(2)).reshape(x.shape)
        return changed
