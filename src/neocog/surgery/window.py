"""Window, stride and padding of a node along spatial axes."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from neocog.graph.ops import name_of
from neocog.layers.pnorm import PNormPool

__all__ = [
    "NodeWindow",
    "arguments",
    "called",
    "enclosing",
    "label",
    "window_of",
    "window_of_module",
    "windowed",
]


@dataclass(frozen=True, kw_only=True)
class NodeWindow:
    """The window of an operator.

    Args:
        kind: "convolution", "max pool", "average pool", "p-norm pool", "slicing".
        kernel_size: along each axis; 1 for slicing.
        stride: along each axis.
        padding: before and after, along each axis.
        dilation: along each axis.
        mode: padding mode: "zeros", "circular", "reflect", "replicate".
        ceil: windows that begin inside and end outside count.
        whole: averages divide by the whole window, padding included (`count_include_pad`).
        offset: the first element that is kept (slicing).
    """

    kind: str
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    mode: str = "zeros"
    ceil: bool = False
    whole: bool = True
    offset: tuple[int, ...] = ()

    @property
    def reach(self) -> tuple[int, ...]:
        """Extent of the dilated window."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation, strict=True))

    @property
    def pointwise(self) -> bool:
        """Whether each output depends on one element."""
        return all(r == 1 for r in self.reach) and not any(map(any, self.padding))

    @property
    def downsamples(self) -> bool:
        """Whether the stride is above 1."""
        return any(s > 1 for s in self.stride)

    def sums_up(self, size: Sequence[int]) -> bool:
        """Whether this is global pooling over a feature map of that size.

        Example:
            >>> pool = window_of_module(nn.AvgPool2d(8))
            >>> pool.sums_up((8, 8)), pool.sums_up((16, 8))
            (True, False)
        """
        whole = self.reach == self.kernel_size == tuple(size) and not any(map(any, self.padding))
        return whole and self.kind.endswith("pool")

    def __str__(self) -> str:
        """Such as "convolution 3×3, stride 2"."""
        size = "×".join(map(str, self.kernel_size))
        what = self.kind if self.kind == "slicing" else f"{self.kind} {size}"
        return f"{what}, stride {_short(self.stride)}"


_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_MAX = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
_AVG = (
    *("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
    "divisor_override",
)
_LP = ("input", "norm_type", "kernel_size", "stride", "ceil_mode")

_WINDOWS = {
    "conv": ("convolution", _CONV),
    "maxpool": ("max pool", _MAX),
    "avgpool": ("average pool", _AVG),
    "lppool": ("p-norm pool", _LP),
}
"""Name without the number of axes to kind, and names of the arguments of a function."""


def called(node: fx.Node, root: nn.Module) -> Any:
    """The module, the function or the name of the method that a node calls; None of others."""
    if node.op == "call_module":
        return root.get_submodule(str(node.target))
    return node.target if node.op in ("call_function", "call_method") else None


def windowed(what: object) -> tuple[str, int, tuple[str, ...]] | None:
    """Kind, number of spatial axes and arguments of a convolution or pooling; None of others.

    Example:
        >>> windowed(nn.AvgPool2d(2))[:2], windowed(nn.ReLU())
        (('average pool', 2), None)
    """
    match = re.fullmatch(r"(\w+)([12])d", name_of(what))
    if match is None or match[1] not in _WINDOWS:
        return None
    kind, names = _WINDOWS[match[1]]
    return kind, int(match[2]), names


def window_of(node: fx.Node, root: nn.Module) -> NodeWindow | None:
    """The window of a node, or None if it is unknown.

    Args:
        node: of a graph with shapes noted.
        root: module of the graph.
    """
    what = called(node, root)
    if isinstance(what, PNormPool):
        return _of_norm(what, len(node.all_input_nodes[0].meta.get("shape") or ()) - 2)
    if isinstance(what, nn.Module):
        return window_of_module(what)
    if what is operator.getitem:
        return _of_slices(node)
    row = windowed(what) if node.op == "call_function" else None
    return _of_arguments(*row[:2], arguments(node, row[2])) if row else None


def arguments(node: fx.Node, names: Sequence[str]) -> dict[str, Any]:
    """Arguments of a call, by name."""
    return dict(zip(names, node.args, strict=False)) | dict(node.kwargs)


def window_of_module(module: nn.Module) -> NodeWindow | None:
    """The window of a module, or None if it is unknown."""
    row = windowed(module)
    return _of_arguments(*row[:2], {**vars(module), "weight": None}) if row else None


def _of_norm(module: PNormPool, axes: int) -> NodeWindow | None:
    if axes not in (1, 2):
        return None
    given = {"kernel_size": module.kernel_size, "stride": module.stride}
    return _of_arguments("p-norm pool", axes, given)


def _of_arguments(kind: str, axes: int, given: dict[str, Any]) -> NodeWindow | None:
    """From the arguments of a function, or the attributes of a module."""
    size = given.get("kernel_size")
    if size is None and isinstance(given.get("weight"), fx.Node):
        shape = given["weight"].meta.get("shape")
        size = None if shape is None else shape[2:]
    stride = given.get("stride")
    stride = size if not stride and kind != "convolution" else stride
    values = [size, 1 if stride is None else stride, given.get("dilation", 1)]
    if given.get("return_indices") or not all(map(_plain, values)):
        return None
    kernel, steps, dilation = (_each(v, axes) for v in values)
    padding = given.get("padding", 0)
    if isinstance(padding, str):
        total = [
            d * (k - 1) if padding == "same" else 0 for k, d in zip(kernel, dilation, strict=True)
        ]
        sides = tuple((t // 2, t - t // 2) for t in total)
    elif _plain(padding):
        sides = tuple((p, p) for p in _each(padding, axes))
    else:
        return None
    return NodeWindow(
        kind=kind,
        kernel_size=kernel,
        stride=steps,
        padding=sides,
        dilation=dilation,
        mode=str(given.get("padding_mode", "zeros")),
        ceil=bool(given.get("ceil_mode", False)),
        whole=bool(given.get("count_include_pad", True)),
    )


def _of_slices(node: fx.Node) -> NodeWindow | None:
    """`x[:, :, 1::2, 1::2]`: samples and channels whole, steps along space."""
    x, index = node.args[0], node.args[1]
    shape = x.meta.get("shape") if isinstance(x, fx.Node) else None
    if shape is None or not isinstance(index, tuple):
        return None
    if Ellipsis in index:
        at = index.index(Ellipsis)
        missing = len(shape) - (len(index) - 1)
        index = (*index[:at], *[slice(None)] * missing, *index[at + 1 :])
    index = (*index, *[slice(None)] * (len(shape) - len(index)))
    slices = [i for i in index if isinstance(i, slice)]
    if not len(slices) == len(index) == len(shape) > 2:
        return None
    steps: list[Any] = [i.step or 1 for i in slices]
    starts: list[Any] = [i.start or 0 for i in slices]
    ends = [i.stop for i in slices]
    if not all(map(_plain, [*steps, *starts])) or any(e is not None for e in ends):
        return None
    if steps[:2] != [1, 1] or starts[:2] != [0, 0] or max(steps) == 1:
        return None
    axes = len(shape) - 2
    return NodeWindow(
        kind="slicing",
        kernel_size=(1,) * axes,
        stride=tuple(steps[2:]),
        padding=((0, 0),) * axes,
        dilation=(1,) * axes,
        offset=tuple(starts[2:]),
    )


def enclosing(node: fx.Node) -> str:
    """The name of the part of the network whose `forward` a node stands in."""
    stack = node.meta.get("nn_module_stack") or {}
    names = [str(key).partition("@")[0] for key in stack]
    if node.op == "call_module" and names:
        names = names[:-1]
    return names[-1] if names else ""


def label(node: fx.Node, root: nn.Module) -> str:
    """A name for people: the module's, or the place of a function with its name."""
    if node.op == "call_module":
        return str(node.target)
    what = "slicing" if node.target is operator.getitem else node.name
    module_name = enclosing(node)
    return f"{module_name}.{what}" if module_name else what


def _plain(value: Any) -> bool:
    if isinstance(value, (tuple, list, torch.Size)):
        return all(type(v) is int for v in value)
    return type(value) is int


def _each(value: Any, axes: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return values * axes if len(values) == 1 else values


def _short(values: tuple[int, ...]) -> str:
    return str(values[0]) if len(set(values)) == 1 else "×".join(map(str, values))
