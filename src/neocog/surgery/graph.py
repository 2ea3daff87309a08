"""Any module as a graph of its operations, with the shape of every tensor.

PyTorch's symbolic tracing runs `forward` with proxies for tensors. It fails where Python needs a
number from a proxy: `if x.shape[1] == 3`, `range(x.ndim)`. Control flow that depends on *shapes* is
the same for all inputs of a size, so shapes are taken from an example here; control flow that
depends on *values* (`if x.max() > 0`) ends the tracing. The graph is compared with the module on
two batches of different size before it is used.
"""

from __future__ import annotations

import copy
import inspect
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_arg
from torch.nn.modules.batchnorm import _BatchNorm

from neocog.errors import ModelError
from neocog.layers.blocks import CircularConv2d
from neocog.surgery.modes import follow_modes
from neocog.surgery.window import window_of_module

__all__ = ["Rewired", "Traced", "Untraceable", "note_shapes", "shape_of", "trace"]

_OPAQUE = tuple(
    f"neocog.layers.{room}" for room in ("blur", "lowpass", "pnorm", "polyphase", "windows")
)
"""Our modules that are leaves of a trace."""

_ABOUT_SHAPES = frozenset(
    ("shape", "ndim", "dtype", "device", "is_cuda", "requires_grad", "layout", "itemsize")
)
_SHAPE_METHODS = frozenset(("size", "dim", "ndimension", "numel", "nelement", "element_size"))


class Untraceable(ModelError):
    """The module cannot be traced; the message is the reason, a clause."""


@dataclass(frozen=True)
class Traced:
    """A module as a graph.

    Args:
        root: a copy of the module, in evaluation mode, whose submodules the graph names.
        graph: its operations; `shape_of` each node is known.
    """

    root: nn.Module
    graph: fx.Graph


class Rewired(fx.GraphModule):
    """A graph module that keeps all submodules of a module and their names.

    Submodules that the graph does not call stay, so the state dict is unchanged.

    Args:
        root: the module.
        graph: calls its submodules.
    """

    def __init__(self, root: nn.Module, graph: fx.Graph) -> None:
        super().__init__(root, graph, class_name="Rewired")
        self._modules.clear()
        self._modules.update(root._modules)
        self._parameters.clear()
        self._parameters.update(root._parameters)
        self._buffers.clear()
        self._buffers.update(root._buffers)
        self._non_persistent_buffers_set = set(root._non_persistent_buffers_set)

    def __deepcopy__(self, memo: dict[int, Any]) -> Rewired:
        """A copy with all submodules; `fx` would drop those that the graph does not call."""
        parts = nn.Module()
        parts._modules = copy.deepcopy(self._modules, memo)
        parts._parameters = copy.deepcopy(self._parameters, memo)
        parts._buffers = copy.deepcopy(self._buffers, memo)
        parts._non_persistent_buffers_set = set(self._non_persistent_buffers_set)
        parts.training = self.training
        out = Rewired(parts, copy.deepcopy(self.graph))
        memo[id(self)] = out
        return out


def copied(module: nn.Module) -> nn.Module:
    """A copy of a module, which a surgery changes.

    Raises:
        ModelError: it holds something that cannot be copied, such as a lock or an open file.
    """
    try:
        return copy.deepcopy(module)
    except Exception as e:  # of any kind: the module is not ours
        raise ModelError(
            f"A network must be copyable to be converted, and this one is not "
            f"({type(e).__name__}: {e}). Remove what cannot be copied."
        ) from e


def trace(module: nn.Module, example: Tensor) -> Traced:
    """The graph of a module in evaluation mode.

    Args:
        module: takes one tensor; not changed.
        example: two samples or more, on the module's device.

    Raises:
        Untraceable: its control flow depends on values, or its Python cannot be traced.
        ModelError: it fails on the example.
    """
    root = copied(module).eval()
    with torch.no_grad():
        try:
            outputs = _on_two(root, example)
        except Exception as e:
            raise ModelError(
                f"A network must accept samples of shape {tuple(example.shape[1:])}, and this one "
                f"fails on them ({type(e).__name__}: {e}). Give its input size."
            ) from e
        try:
            _take_one(root)
            graph = _Tracer(root, example.clone()).trace(root)
            _keep_constants(root, graph)
            follow_modes(root, graph)
            rewired = Rewired(root, copy.deepcopy(graph)).eval()
            again = _on_two(rewired, example)
        except Untraceable:
            raise
        except Exception as e:
            reason = str(e).strip().splitlines()[0] if str(e).strip() else type(e).__name__
            raise Untraceable(f"its Python cannot be traced ({reason})") from e
    if not all(_same(a, b) for a, b in zip(outputs, again, strict=True)):
        raise Untraceable("its traced graph gives other outputs")
    traced = Traced(root, graph)
    note_shapes(traced, example)
    return traced


def _on_two(module: nn.Module, example: Tensor) -> list[Any]:
    """Outputs on two batches, each a copy, since a `forward` may write into its input."""
    return [module(example.clone()), module(torch.cat([example, example[:1]]))]


def _take_one(root: nn.Module) -> None:
    """Make `forward` take the tensor alone: a proxy for a default argument would be no default."""
    cls = type(root)
    if len(inspect.signature(cls.forward).parameters) <= 2:
        return
    whole = cls.forward

    def forward(self: nn.Module, x: Tensor) -> Any:
        return whole(self, x)

    root.__class__ = type(cls.__name__, (cls,), {"forward": forward})


def note_shapes(traced: Traced, example: Tensor) -> None:
    """Run the graph on an example and store the shape of each result at its node."""
    with torch.no_grad():
        _Shapes(traced.root, graph=traced.graph).run(example.clone())


def shape_of(node: fx.Node) -> tuple[int, ...] | None:
    """The shape of a node's tensor, or of the first tensor of a list; None without a tensor."""
    shape: tuple[int, ...] | None = node.meta.get("shape")
    return shape


class _Shapes(fx.Interpreter):
    def run_node(self, n: fx.Node) -> Any:
        out = super().run_node(n)
        first = out[0] if isinstance(out, (list, tuple)) and len(out) else out
        n.meta["shape"] = tuple(first.shape) if isinstance(first, Tensor) else None
        return out


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        return all(_same(p, q) for p, q in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return all(_same(a[k], b[k]) for k in a)
    return bool(a is b)


class _Numbers:
    """Conversions of a proxy of a shape to a number."""

    tracer: _Tracer

    def __index__(self) -> int:
        return operator.index(self.tracer.known(self))

    def __int__(self) -> int:
        return int(self.tracer.known(self))

    def __float__(self) -> float:
        return float(self.tracer.known(self))

    def __len__(self) -> int:
        return len(self.tracer.value(self.node))

    def __ceil__(self) -> int:
        return int(self.tracer.known(self).__ceil__())

    def __getattr__(self, name: str) -> Any:
        return _Attribute(self, name)  # type: ignore[arg-type]  # mixed into fx.Proxy below


class _Proxy(_Numbers, fx.Proxy):  # type: ignore[misc]
    pass


class _Attribute(_Numbers, fx.proxy.Attribute):  # type: ignore[misc]
    pass


class _Tracer(fx.Tracer):
    """Symbolic tracing that takes shapes from an example."""

    def __init__(self, root: nn.Module, example: Tensor) -> None:
        super().__init__()
        self.example = example
        self.whole = root
        self.values: dict[fx.Node, Any] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Leaves: modules of PyTorch and ours, norms, with hooks, small ones that read the mode."""
        if super().is_leaf_module(m, module_qualified_name) or type(m).__module__ in _OPAQUE:
            return True
        if isinstance(m, CircularConv2d):
            return True
        if m._forward_hooks or m._forward_pre_hooks:
            return True
        if isinstance(m, _BatchNorm) and not any(map(window_of_module, m.modules())):
            return True
        code = getattr(type(m).forward, "__code__", None)
        reads_mode = code is not None and "training" in code.co_names
        return reads_mode and not any(m.children())

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """A proxy that knows numbers of shapes."""
        return _Proxy(node, self)

    def to_bool(self, obj: Any) -> bool:
        """The condition of an `if`."""
        return bool(self.known(obj))

    def iter(self, obj: Any) -> Iterator[Any]:
        """The elements of a shape."""
        return iter([obj[i] for i in range(len(self.known(obj)))])

    def known(self, proxy: Any) -> Any:
        """The value of a proxy that depends on shapes alone.

        Raises:
            Untraceable: it depends on values.
        """
        node: fx.Node = proxy.node
        if not _of_shapes(node):
            raise Untraceable("its control flow depends on the values of its input")
        return self.value(node)

    def value(self, node: fx.Node) -> Any:
        """The value of a node for the example."""
        with _outside(), torch.no_grad():
            for n in self.graph.nodes:
                if n not in self.values:
                    self.values[n] = self._value(n)
                if n is node:
                    break
        return self.values[node]

    def _value(self, node: fx.Node) -> Any:
        if node.op == "placeholder":
            return self.example if len(self.values) == 0 else None
        if node.op == "get_attr":
            return operator.attrgetter(str(node.target))(self.whole)
        args = map_arg(node.args, lambda n: self.values[n])
        kwargs = map_arg(node.kwargs, lambda n: self.values[n])
        if node.op == "call_module":
            return self.whole.get_submodule(str(node.target))(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        assert callable(node.target)
        return node.target(*args, **kwargs)


_CALL, _GETATTR = nn.Module.__call__, nn.Module.__getattr__


@contextmanager
def _outside() -> Iterator[None]:
    """Restore the normal behavior of modules; during tracing, calling one makes a node."""
    call, get = nn.Module.__call__, nn.Module.__getattr__
    nn.Module.__call__, nn.Module.__getattr__ = _CALL, _GETATTR  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.__call__, nn.Module.__getattr__ = call, get  # type: ignore[method-assign]


def _of_shapes(node: fx.Node) -> bool:
    """Whether a node's value is known from shapes alone."""
    todo = [node]
    while todo:
        n = todo.pop()
        if n.op == "call_method" and n.target in _SHAPE_METHODS:
            continue
        if n.op == "call_function" and n.target is getattr and n.args[1] in _ABOUT_SHAPES:
            continue
        if n.op not in ("call_function", "call_method"):
            return False
        todo.extend(n.all_input_nodes)
        if not n.all_input_nodes:
            return False
    return True


def _keep_constants(root: nn.Module, graph: fx.Graph) -> None:
    """Register tensors that tracing took from Python as non-persistent buffers."""
    for node in graph.find_nodes(op="get_attr"):
        owner_name, _, name = str(node.target).rpartition(".")
        owner = root.get_submodule(owner_name)
        value = owner.__dict__.get(name)
        if isinstance(value, Tensor):
            delattr(owner, name)
            owner.register_buffer(name, value, persistent=False)
