"""Convolutions that commute with rotations and mirror images, between declared fields.

    from neocog.layers import SteerableConv2d
    from neocog.symmetry.fields import regular_field, trivial_field
    from neocog.symmetry.groups import group_of

    c8 = group_of("c8")
    lift = SteerableConv2d(trivial_field(c8, 1), regular_field(c8, 6), kernel_size=5)
    mix = SteerableConv2d(regular_field(c8, 6), regular_field(c8, 12), kernel_size=3)

A layer is an ordinary convolution whose kernel is a sum of equivariant basis kernels
(`layers.steerable_kernels`); tensors are plain (B, C, H, W), and C is that of the field. Group
convolutions are the case of regular fields, harmonic ones that of irreps.

Quarter turns of a square map are exact, up to rounding, for every group that has them: the grid is
mapped onto itself. Other rotations are as good as a grid and its square frame allow. A stride keeps
quarter turns where (size + 2 · pad - kernel_size) is a multiple of it (`neocog.graph.alignment`).

While weights are not trained their kernel is kept: in evaluation mode without gradients, a layer
costs what its plain convolution costs. `layers.plain.to_plain` writes it as one.

Sources: T. Cohen, M. Welling, "Group Equivariant Convolutional Networks", ICML 2016; M. Weiler, G.
Cesa, "General E(2)-Equivariant Steerable CNNs", NeurIPS 2019 (kernels and initial weights).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import UsageError
from neocog.layers.blocks import conv, extend, padding_mode, same_padding
from neocog.layers.steerable_kernels import KernelSpace, kernel_space
from neocog.signal.harmonics import CUTOFF
from neocog.symmetry.fields import FieldType

__all__ = ["SteerableConv2d", "steerable_bias", "steerable_kernel"]

Weights = Mapping[tuple[int, int], Tensor]
"""Weights of each (kind of field out, kind of field in), (fields out, fields in, basis)."""


def steerable_kernel(
    weights: Weights, spaces: Mapping[tuple[int, int], KernelSpace], like: tuple[int, int, int, int]
) -> Float[Tensor, "D C K K"]:
    """The plain kernel of some weights.

    Args:
        weights: of each pair of kinds of fields; one that is missing is zero.
        spaces: of kernels, of the same pairs.
        like: shape of the kernel.

    Example:
        >>> from neocog.symmetry.groups import Group, Representation
        >>> space = kernel_space(*[Representation(Group(4), "regular")] * 2, 3, 2.0)
        >>> kernel = steerable_kernel({(0, 0): torch.rand(2, 1, 36)}, {(0, 0): space}, (8, 4, 3, 3))
        >>> torch.equal(kernel[1, 1], torch.rot90(kernel[0, 0]))
        True
    """
    any_weight = next(iter(weights.values()))
    blocks = {
        pair: spaces[pair].expand(w).reshape(w.shape[0] * spaces[pair].shape[0], -1, *like[2:])
        for pair, w in weights.items()
    }
    if len(blocks) == 1 and next(iter(blocks.values())).shape == like:
        return next(iter(blocks.values()))
    heights = {o: b.shape[0] for (o, _), b in blocks.items()}
    widths = {i: b.shape[1] for (_, i), b in blocks.items()}
    rows = []
    for o, height in sorted(heights.items()):
        row = [
            blocks[o, i] if (o, i) in blocks else any_weight.new_zeros(height, width, *like[2:])
            for i, width in sorted(widths.items())
        ]
        rows.append(torch.cat(row, 1))
    return torch.cat(rows, 0)


def steerable_bias(bias: Float[Tensor, " N"], field: FieldType) -> Float[Tensor, " C"]:
    """One number a field that has an invariant part, on each of its channels; elsewhere zero.

    Example:
        >>> from neocog.symmetry.fields import irrep_field
        >>> from neocog.symmetry.groups import Group
        >>> steerable_bias(torch.tensor([5.0]), irrep_field(Group(0), {0: 1, 1: 1}))
        tensor([5., 0., 0.])
    """
    parts, start = [], 0
    for p in field.parts:
        if p.kind.permutes:
            parts.append(bias[start : start + p.count].repeat_interleave(p.kind.size))
            start += p.count
        else:
            parts.append(bias.new_zeros(p.count * p.kind.size))
    return torch.cat(parts)


@dataclass(frozen=True)
class _State:
    """What a weight was when a kernel was made of it.

    On a processor its values, since PyTorch does not count writes through `.data`; elsewhere, where
    comparing values would wait for the device, its memory and the writes that are counted.
    """

    values: Tensor | None
    memory: tuple[object, ...]

    @staticmethod
    def of(weight: Tensor) -> _State:
        values = weight.detach().clone() if weight.device.type == "cpu" else None
        return _State(values, (weight.data_ptr(), weight._version, weight.dtype, weight.device))


def _same(state: _State, weight: Tensor) -> bool:
    if state.values is None or weight.device.type != "cpu":
        return state.memory == _State.of(weight).memory
    return state.values.dtype == weight.dtype and torch.equal(state.values, weight)


class SteerableConv2d(nn.Module):
    """A convolution between two types of fields of one group.

    Args:
        input_field: what the channels of its input mean.
        output_field: what those of its output mean.
        kernel_size: taps of each axis; odd, or even with the center between samples.
        stride: of the window.
        padding: padding mode, one of `layers.blocks.PADDINGS`.
        pad: samples added on each side; as many as keep the size at stride 1 if left out.
        bias: add a trainable number a field that has an invariant part.
        cutoff: orders of harmonics a pixel of radius, see `signal.harmonics`.

    Raises:
        UsageError: the fields are of two groups, or no kernel of this size joins them.

    Example:
        >>> from neocog.symmetry.fields import regular_field, trivial_field
        >>> from neocog.symmetry.groups import group_of
        >>> c4 = group_of("c4")
        >>> layer = SteerableConv2d(trivial_field(c4, 1), regular_field(c4, 2), kernel_size=3)
        >>> layer.weight.shape, layer.kernel().shape
        (torch.Size([2, 1, 9]), torch.Size([8, 1, 3, 3]))
    """

    def __init__(
        self,
        input_field: FieldType,
        output_field: FieldType,
        *,
        kernel_size: int,
        stride: int = 1,
        padding: str = "zeros",
        pad: int | None = None,
        bias: bool = True,
        cutoff: float = CUTOFF,
    ) -> None:
        super().__init__()
        if input_field.group != output_field.group:
            raise UsageError(
                f"A convolution is between fields of one group; got {input_field.group.name} and "
                f"{output_field.group.name}. Restrict one, see `neocog.symmetry.fields`."
            )
        self.input_field, self.output_field = input_field, output_field
        self.in_channels, self.out_channels = input_field.channels, output_field.channels
        self.kernel_size, self.stride = (kernel_size, kernel_size), (stride, stride)
        self.padding = same_padding(kernel_size) if pad is None else (pad, pad)
        self.padding_mode = padding_mode(padding)
        self.cutoff = cutoff
        self.spaces: dict[tuple[int, int], KernelSpace] = {}
        self.names: dict[tuple[int, int], str] = {}
        outs, ins = list(output_field.parts), list(input_field.parts)
        for o, out in enumerate(outs):
            for i, into in enumerate(ins):
                space = kernel_space(out.kind, into.kind, kernel_size, cutoff)
                if space.size:
                    name = "weight" if len(outs) == len(ins) == 1 else f"weight_{o}_{i}"
                    self.spaces[o, i], self.names[o, i] = space, name
                    weight = torch.empty(out.count, into.count, space.size)
                    self.register_parameter(name, nn.Parameter(weight))
        self._check_joined(outs, ins)
        scalars = sum(p.count for p in outs if p.kind.permutes)
        self.bias = nn.Parameter(torch.empty(scalars)) if bias and scalars else None
        self._kept: tuple[list[_State], Tensor] | None = None
        self.reset_parameters()

    def _check_joined(self, outs: Sequence[Any], ins: Sequence[Any]) -> None:
        """Refuse kinds of fields that no kernel of this size reaches."""
        for side, parts in (("output", outs), ("input", ins)):
            reached = {pair[side == "input"] for pair in self.spaces}
            for number, part in enumerate(parts):
                if number not in reached:
                    raise UsageError(
                        f"No {self.kernel_size[0]}×{self.kernel_size[0]} kernel joins the "
                        f"{part.kind.kind} fields of order {part.kind.order} of the {side} to the "
                        "other side. Take a larger kernel, or lower orders."
                    )

    def reset_parameters(self) -> None:
        """Normal weights with which a ReLU after the layer keeps the variance (He et al. 2015)."""
        for o in range(len(self.output_field.kinds)):
            row = {i: s for (out, i), s in self.spaces.items() if out == o}
            fan = sum(s.energy * self.input_field.kinds[i][1] for i, s in row.items())
            for i in row:
                nn.init.normal_(self.get_parameter(self.names[o, i]), std=math.sqrt(2 / fan))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def kernel(self) -> Float[Tensor, "D C K K"]:
        """The plain kernel of the present weights."""
        weights = {pair: self.get_parameter(name) for pair, name in self.names.items()}
        like = (self.out_channels, self.in_channels, *self.kernel_size)
        device = next(iter(weights.values())).device.type
        with torch.autocast(device if device != "meta" else "cpu", enabled=False):
            return steerable_kernel(weights, self.spaces, like)

    def _kernel(self) -> Tensor:
        """The kernel, kept from call to call while its weights are what they were."""
        weights = [self.get_parameter(name) for name in self.names.values()]
        trained = torch.is_grad_enabled() and any(w.requires_grad for w in weights)
        plain = all(type(w) is nn.Parameter and not w.is_inference() for w in weights)
        if self.training or trained or not plain or torch.compiler.is_compiling():
            self._kept = None
            return self.kernel()
        if self._kept is None or not all(map(_same, self._kept[0], weights)):
            # Outside of inference mode: a gradient for the input may need this kernel later.
            with torch.inference_mode(mode=False), torch.no_grad():
                kernel = self.kernel().contiguous()
                if type(kernel) is not Tensor or kernel.is_meta:
                    return kernel
                self._kept = ([_State.of(w) for w in weights], kernel)
        return self._kept[1]

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """The convolution with the plain kernel."""
        bias = None if self.bias is None else steerable_bias(self.bias, self.output_field)
        rows, columns = self.padding
        if self.padding_mode != "zeros" and (rows or columns):
            x = extend(x, [(rows, rows), (columns, columns)], padding=self.padding_mode)
            rows = columns = 0
        return F.conv2d(x, self._kernel(), bias, self.stride, (rows, columns))

    def to_plain(self) -> nn.Conv2d:
        """An `nn.Conv2d` with the present kernel."""
        plain = conv(
            self.in_channels,
            self.out_channels,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding_mode,
            pad=self.padding,
            bias=self.bias is not None,
        )
        with torch.no_grad():
            kernel = self.kernel()
            plain.to(kernel)
            plain.weight.copy_(kernel)
            if self.bias is not None and plain.bias is not None:
                plain.bias.copy_(steerable_bias(self.bias, self.output_field))
        return plain

    def extra_repr(self) -> str:
        """Fields and geometry."""
        return (
            f"{describe(self.input_field)} → {describe(self.output_field)}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        )


def describe(field: FieldType) -> str:
    """A field type in words.

    Example:
        >>> from neocog.symmetry.fields import regular_field
        >>> from neocog.symmetry.groups import Group
        >>> describe(regular_field(Group(8), 6))
        'c8: 6 regular'
    """
    kinds = [f"{n} {k.kind}{f' {k.order}' if k.kind == 'irrep' else ''}" for k, n in field.kinds]
    return f"{field.group.name}: {', '.join(kinds)}"
