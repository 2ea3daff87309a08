"""Layers of a network that turns with the image, laid out for the size of its maps.

A builder asks for what it would ask of plain layers: convolution, norm and activation to a width, a
pool, residual blocks. It gets those that commute with a group, with kernels and padding for which
quarter turns of the present map are exact (`layers.aligned`).

    c4 c8 c16    rotations: regular fields, ReLU
    d4 d8        rotations and mirror images: regular fields, ReLU
    so2 o2       all rotations: harmonics up to order 2, ReLU on 16 samples of the circle

Fields are as many as give the plain width (`equal="width"`: equal MACs, fewer parameters), or the
parameters of plain 3×3 convolutions of that width (`equal="parameters"`: more MACs).

Source of the architecture: M. Weiler, G. Cesa, "General E(2)-Equivariant Steerable CNNs", NeurIPS
2019, section 3: networks as one knows them, with a field for each so many channels, and an
invariant map before the head.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal, TypedDict

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import UsageError, did_you_mean
from neocog.layers.aligned import (
    ALIGNED,
    AlignedPair,
    aligned_down,
    aligned_pool,
    aligned_window,
)
from neocog.layers.blocks import output_hw
from neocog.layers.fieldwise import (
    FieldActivation,
    FieldNorm2d,
    FourierActivation,
    InvariantPool,
)
from neocog.layers.steerable import SteerableConv2d
from neocog.layers.steerable_kernels import kernel_space
from neocog.signal.harmonics import CUTOFF
from neocog.symmetry.fields import (
    FieldType,
    declared,
    irrep_field,
    regular_field,
    trivial_field,
)
from neocog.symmetry.groups import group_of
from neocog.types import Stage

__all__ = ["Equal", "SteerableLayers", "SteerableResNet", "Symmetry"]

Symmetry = Literal["none", "c4", "c8", "c16", "d4", "d8", "so2", "o2"]
"""What a network commutes with."""

Equal = Literal["width", "parameters"]
"""In what it is like the plain network of the same options."""

ORDER, SAMPLES = 2, 16
"""The highest harmonic of a continuous group, and samples of the circle in its activation."""


class _Place(TypedDict):
    """Where a layer stands: the map, its padding, and pixels from one sample to the next."""

    size: tuple[int, int]
    padding: str
    stride: int


class SteerableLayers:
    """Makes layers one after the other, and follows the size of the map.

    Args:
        symmetry: name of the group.
        equal: in what the network is like the plain one.
        in_channels: of the images.
        size: (H, W) of the images.
        downsampling: one of `layers.aligned.ALIGNED`.
        padding: one of `layers.blocks.PADDINGS`.

    Raises:
        UsageError: such a downsampling cannot keep quarter turns.

    Example:
        >>> make = SteerableLayers(
        ...     "c8", "width", in_channels=1, size=(28, 28), downsampling="stride", padding="zeros"
        ... )
        >>> make.field(48).channels, make.size
        (48, (28, 28))
        >>> _ = make.block(make.input, make.field(48), kernel_size=5, stride=2)
        >>> make.size, make.stride
        ((14, 14), 2)
    """

    def __init__(
        self,
        symmetry: str,
        equal: str,
        *,
        in_channels: int,
        size: tuple[int, int],
        downsampling: str,
        padding: str,
    ) -> None:
        if downsampling not in ALIGNED:
            raise UsageError(
                f"A network with symmetry {symmetry} keeps quarter turns where it downsamples, and "
                f"downsampling `{downsampling}` cannot. {did_you_mean(downsampling, ALIGNED)}"
            )
        self.group, self.equal = group_of(symmetry), equal
        self.size, self.stride = size, 1
        self.downsampling, self.padding = downsampling, padding
        self.input = trivial_field(self.group, in_channels)

    def field(self, width: int) -> FieldType:
        """The fields that stand for so many plain channels."""
        one = self._fields(1)
        if self.equal == "parameters":
            kinds = [kind for kind, _ in one.kinds]
            weights = sum(kernel_space(o, i, 3, CUTOFF).size for o in kinds for i in kinds)
            return self._fields(max(1, round(width * math.sqrt(9 / weights))))
        return self._fields(max(1, round(width / one.channels)))

    def _fields(self, count: int) -> FieldType:
        if self.group.continuous:
            return irrep_field(self.group, dict.fromkeys(range(ORDER + 1), count))
        return regular_field(self.group, count)

    def conv(
        self,
        into: FieldType,
        out: FieldType,
        *,
        kernel_size: int,
        stride: int = 1,
        pad: int | None = None,
        bias: bool = False,
    ) -> SteerableConv2d:
        """A convolution; at a stride its kernel is the nearest that keeps quarter turns."""
        if stride > 1:
            self._check_sides(kernel_size, stride)
            kernel_size, pad = aligned_window(self.size[0], kernel_size, stride)
        pad = (kernel_size - 1) // 2 if pad is None else pad
        self.size = output_hw(self.size, kernel_size, stride=stride, padding=pad)
        self.stride *= stride
        return SteerableConv2d(
            into,
            out,
            kernel_size=kernel_size,
            stride=stride,
            padding=self.padding,
            pad=pad,
            bias=bias,
        )

    def _check_sides(self, kernel_size: int, stride: int) -> None:
        rows, columns = (aligned_window(n, kernel_size, stride) for n in self.size)
        if rows != columns:
            raise UsageError(
                f"A window of stride {stride} keeps the symmetry of both sides where these are "
                f"alike; a map here has {self.size[0]}×{self.size[1]} samples. Take square images, "
                f"--size {max(self.size) * self.stride},{max(self.size) * self.stride}."
            )

    def activation(self, field: FieldType) -> nn.Module:
        """ReLU of each value; of the samples of the circle where values are harmonics."""
        if self.group.continuous:
            return FourierActivation(field, samples=SAMPLES)
        return FieldActivation(field)

    def block(
        self, into: FieldType, out: FieldType, *, kernel_size: int, stride: int = 1
    ) -> nn.Sequential:
        """Convolution, norm, activation, named conv, norm, act; and what downsamples behind."""
        folded = self.downsampling == "stride" or stride == 1
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["conv"] = self.conv(
            into, out, kernel_size=kernel_size, stride=stride if folded else 1
        )
        layers["norm"], layers["act"] = FieldNorm2d(out), self.activation(out)
        if not folded:
            layers["down"] = self.down(out)
        return declared(nn.Sequential(layers), out, into)

    def down(self, field: FieldType) -> nn.Module:
        """Every second sample behind an operator at stride 1."""
        layer = aligned_down(self.downsampling, field, **self._place())
        self._halve()
        return layer

    def down_pair(self, main: FieldType, short: FieldType) -> nn.Module:
        """The same samples of both branches of a block."""
        fields = (main, short)
        layer = AlignedPair(self.downsampling, fields, **self._place())
        self._halve()
        return layer

    def pool(self, kind: str, field: FieldType) -> nn.Module:
        """A pool of stride 2; the mean where values are harmonics, which have no largest."""
        kind = "average" if kind == "max" and not field.permutes else kind
        layer = aligned_pool(kind, self.downsampling, field, **self._place())
        self._halve()
        return layer

    def _place(self) -> _Place:
        return {"size": self.size, "padding": self.padding, "stride": self.stride}

    def _halve(self) -> None:
        self.size = (-(-self.size[0] // 2), -(-self.size[1] // 2))
        self.stride *= 2

    def keeps(self, least: int) -> bool:
        """Whether a pool leaves so many samples on both axes."""
        return min(-(-n // 2) for n in self.size) >= least


class _Residual(nn.Module):
    """Convolutions with norms, and what stands beside them.

    Args:
        make: of the layers.
        into: fields of the input.
        widths: fields behind each convolution.
        kernels: taps of each.
        stride: of the block, in its first convolution of more than one tap.
        short: "A" fills new fields with zeros, "B" is a 1×1 convolution.
    """

    def __init__(
        self,
        make: SteerableLayers,
        into: FieldType,
        widths: Sequence[FieldType],
        kernels: Sequence[int],
        *,
        stride: int,
        short: str,
    ) -> None:
        super().__init__()
        out, before, folded = widths[-1], make.size, make.downsampling == "stride"
        strided = next(i for i, k in enumerate(kernels) if k > 1)
        self.count, self.strided = len(widths), strided
        self.reduce: nn.Module | None = None
        for i, (width, taps) in enumerate(zip(widths, kernels, strict=True), start=1):
            step = stride if folded and i - 1 == strided else 1
            field = into if i == 1 else widths[i - 2]
            self.add_module(f"conv{i}", make.conv(field, width, kernel_size=taps, stride=step))
            self.add_module(f"bn{i}", FieldNorm2d(width))
            if i < len(widths):
                self.add_module(f"relu{i}", make.activation(width))
            if stride > 1 and not folded and i - 1 == strided:
                self.reduce = make.down_pair(width, into)
        self.relu = make.activation(out)
        self.downsample = nn.Sequential()
        if stride > 1 and folded:
            pool = aligned_pool("average", "stride", into, size=before, padding=make.padding)
            self.downsample.append(pool)
        if into != out and short == "A":
            self.downsample.append(_MoreFields(into, out))
        elif into != out:
            self.downsample.append(SteerableConv2d(into, out, kernel_size=1, bias=False))
            self.downsample.append(FieldNorm2d(out))
        declared(self, out, into)
        declared(self.downsample, out, into)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """The activation of f(x) + shortcut."""
        y = x
        for i in range(1, self.count + 1):
            y = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(y))
            if i < self.count:
                y = self.get_submodule(f"relu{i}")(y)
            if self.reduce is not None and i - 1 == self.strided:
                y, x = self.reduce(y, x)
        out: Tensor = self.relu(y + self.downsample(x))
        return out


class _MoreFields(nn.Module):
    """Zero fields behind those of each kind.

    Args:
        into: fields of the input.
        out: fields of the same kinds, at least as many.
    """

    def __init__(self, into: FieldType, out: FieldType) -> None:
        super().__init__()
        declared(self, out, into)
        self.parts = [
            (p.channels, (q.channels.stop - q.channels.start))
            for p, q in zip(into.parts, out.parts, strict=True)
        ]

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """The fields and zeros."""
        parts = []
        for channels, count in self.parts:
            part = x[:, channels]
            more = count - part.shape[1]
            parts.append(F.pad(part, (0, 0, 0, 0, 0, more)))
        return torch.cat(parts, 1)


class SteerableResNet(nn.Module):
    """Stem, stages of residual blocks, invariant map, mean over it, one linear layer.

    Args:
        make: of the layers, for the images.
        num_classes: outputs.
        stem: width, taps and stride of the first convolution.
        pool: a pool follows it.
        widths: of each stage.
        blocks: of each stage.
        bottleneck: blocks of 1×1, 3×3 and 1×1 to four times the width, instead of two 3×3.
        short: kind of shortcut where fields change.
    """

    def __init__(
        self,
        make: SteerableLayers,
        *,
        num_classes: int,
        stem: tuple[int, int, int],
        pool: bool,
        widths: Sequence[int],
        blocks: Sequence[int],
        bottleneck: bool = False,
        short: str = "B",
    ) -> None:
        super().__init__()
        width, taps, stride = stem
        field = make.field(width)
        self.stem = make.block(make.input, field, kernel_size=taps, stride=stride)
        if pool:
            self.stem.add_module("pool", make.pool("max", field))
        stages = []
        for i, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            layer = nn.Sequential()
            inner, out = make.field(width), make.field(width * (4 if bottleneck else 1))
            for j in range(count):
                chain, kernels = ([inner, inner, out], [1, 3, 1]) if bottleneck else (
                    [out, out], [3, 3]
                )  # fmt: skip
                step = 2 if i > 0 and j == 0 else 1
                layer.append(_Residual(make, field, chain, kernels, stride=step, short=short))
                field = out
            self.add_module(f"layer{i + 1}", layer)
            name = f"layer{i + 1}"
            stages.append(Stage(name=name, channels=field.channels, stride=make.stride))
        self.invariant = InvariantPool(field)
        self.linear = nn.Linear(field.count, num_classes)
        self.stages = tuple(stages)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Normalized pixels to logits."""
        x = self.stem(x)
        for stage in self.stages:
            x = self.get_submodule(stage.name)(x)
        logits: Tensor = self.linear(self.invariant(x).mean((2, 3)))
        return logits
