"""Every operation that a running module performs, as it happens.

`watching` calls back for each operation that reaches PyTorch's dispatcher, whatever Python code
has called it: layers, functions, slices, loops, branches that look at values. The record holds
the very tensors, so that an observer can perform the operation again in another way.

Circular padding has no operation of its own down there, it falls into copies of slices; it is
reported whole, by the name `_pad_circular`.

A module whose operations do not show what it looks at, as one that picks samples by an index
found in the data, may declare it: the attribute `geometry`, a tuple with a `neocog.types.Window`
an axis of space or one for all, gives the samples of its first input that each sample of its
output may depend on; None for an axis of which it sees all. A module of several maps that returns
as many declares it for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from neocog.graph.hooks import hooked

__all__ = ["Call", "DispatchMode", "Observer", "Operation", "scripted", "tensors_in", "watching"]


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation of a forward pass.

    Args:
        module: name of the innermost submodule that was running; "" for the module itself.
        name: of the operation without overload and the mark of in-place work: `convolution`,
            `add`, `max_pool2d_with_indices`.
        func: what was called; `func(*args, **kwargs)` performs it again.
        args: positional arguments, the very tensors. An in-place operation has changed its first.
        kwargs: named arguments.
        out: its output.
    """

    module: str
    name: str
    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any

    @cached_property
    def given(self) -> dict[str, Any]:
        """The arguments by their names in the operator's schema, in its order, with defaults."""
        schema = self.func._schema
        given = {a.name: a.default_value for a in schema.arguments}
        names = [a.name for a in schema.arguments if not a.kwarg_only]
        given.update(zip(names, self.args, strict=False))
        return given | self.kwargs

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """Tensors among the arguments; those of a list as name.0, name.1, …"""
        named: dict[str, Tensor] = {}
        for name, value in self.given.items():
            if isinstance(value, Tensor):
                named[name] = value
            elif isinstance(value, (tuple, list)):
                named |= {f"{name}.{i}": v for i, v in enumerate(value) if isinstance(v, Tensor)}
        return named

    @cached_property
    def outs(self) -> list[Tensor]:
        """Tensors of the output, in order."""
        return list(tensors_in(self.out))

    @property
    def is_view(self) -> bool:
        """Whether the output shares the memory of an input by design."""
        return bool(getattr(self.func, "is_view", False))

    @property
    def full_name(self) -> str:
        """The name with its namespace, as `aten.convolution`."""
        return str(getattr(self.func, "overloadpacket", self.name))

    @property
    def in_place(self) -> bool:
        """Whether it writes into one of its inputs."""
        schema = getattr(self.func, "_schema", None)
        return bool(schema is not None and schema.is_mutable)


def tensors_in(value: Any) -> Iterator[Tensor]:
    """All tensors of an argument or output, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for v in value:
            yield from tensors_in(v)
    elif isinstance(value, dict):
        for v in value.values():
            yield from tensors_in(v)


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a submodule.

    Args:
        name: of the submodule; "" for the module itself.
        module: it.
        args: positional arguments.
        kwargs: named arguments; {} at the end of the call.
        out: its output; None at the start of the call, and where it failed.
    """

    name: str
    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any = None


class Observer:
    """What `watching` calls back; each method does nothing until it is overridden."""

    def operation(self, op: Operation) -> object:
        """An operation was performed."""

    def start(self, call: Call) -> None:
        """A submodule begins."""

    def end(self, call: Call) -> None:
        """A submodule ends, or fails."""

    def write(self, t: Tensor) -> None:
        """An operation in place is about to write over a tensor."""

    def left(self, name: str, t: Tensor) -> None:
        """Values of a tensor are handed to Python, NumPy or another library, by a method `name`.

        Nobody can follow them there.
        """


class _OperationsAlone(Observer):
    def __init__(self, on_operation: Callable[[Operation], object]) -> None:
        self.on_operation = on_operation

    def operation(self, op: Operation) -> object:
        return self.on_operation(op)


@contextmanager
def watching(
    module: nn.Module, observer: Observer | Callable[[Operation], object]
) -> Iterator[None]:
    """Call back for every operation while the block runs.

    What the observer computes itself inside a callback is not reported; what the caller computes
    inside the block beside the module is. Hooks are removed at the end of the block.

    Args:
        module: whose submodules name the operations; the caller runs it.
        observer: called back, or what is called after each operation.

    Example:
        >>> names, x = [], torch.zeros(1, 2)
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        >>> with watching(net, lambda op: names.append((op.module, op.name))), torch.no_grad():
        ...     _ = net(x)
        >>> names
        [('0', 't'), ('0', 'addmm'), ('1', 'relu')]
    """
    seer = observer if isinstance(observer, Observer) else _OperationsAlone(observer)
    running: list[str] = []

    def report(func: Any, name: str, args: Any, kwargs: Any, out: Any) -> None:
        where = running[-1] if running else ""
        with torch._C.DisableTorchFunction():  # what the observer reads of tensors is not seen
            seer.operation(Operation(where, name, func, tuple(args), dict(kwargs), out))

    operations = _Operations(report, seer)

    def before(name: str, m: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        running.append(name)
        with _Quiet(operations):
            seer.start(Call(name, m, args, kwargs))

    def after(name: str, m: nn.Module, args: tuple[Any, ...], out: Any) -> None:
        running.pop()
        with _Quiet(operations):
            seer.end(Call(name, m, args, {}, out))

    hooks = hooked(module.named_modules(), before=before, after=after, always=True, every_pose=True)
    with hooks, operations, _CircularPads(report, operations):
        yield


def scripted(module: nn.Module) -> set[str]:
    """Submodules that TorchScript runs: what is done inside cannot be followed for certain."""
    names = [n for n, m in module.named_modules() if isinstance(m, torch.jit.ScriptModule)]
    outer = [n for n in names if not any(n != o and (n + ".").startswith(o + ".") for o in names)]
    if "" in names:
        outer = [""]
    return {f"the TorchScript module {n}".strip() for n in outer}


class DispatchMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation that reaches PyTorch's dispatcher."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: a watched run is never compiled, and asking imports the compiler for seconds."""
        return False


class _Quiet:
    """What the observer does in a hook is not the module's."""

    def __init__(self, operations: _Operations) -> None:
        self.operations = operations
        self.guard = torch._C.DisableTorchFunction()

    def __enter__(self) -> None:
        self.was, self.operations.silent = self.operations.silent, True
        self.guard.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.guard.__exit__(*error)
        self.operations.silent = self.was


@contextmanager
def _unseen() -> Iterator[None]:
    """The same above the dispatcher."""
    with torch._C.DisableTorchFunction(), torch.utils._python_dispatch._disable_current_modes():
        yield


Report = Callable[[Any, str, Any, Any, Any], None]


class _Operations(DispatchMode):  # type: ignore[no-untyped-call]
    """Reports what reaches the dispatcher."""

    def __init__(self, report: Report, observer: Observer) -> None:
        super().__init__()
        self.report, self.observer = report, observer
        self.silent = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        # What comes next changes the memory that others may still need as it is.
        if not self.silent and name.endswith("_") and args and isinstance(args[0], Tensor):
            self.observer.write(args[0])
        out = None if kwargs else _of_shapes(name, args)
        if out is None:
            out = func(*args, **(kwargs or {}))
        if not self.silent:
            self.report(func, name.rstrip("_"), args, kwargs or {}, out)
        return out


_KEEP_SHAPE = {"relu", "hardtanh", "gelu"}


def _of_shapes(name: str, args: tuple[Any, ...]) -> Any:
    """What an operation gives on the meta device, where PyTorch computes it slowly, in Python.

    It takes milliseconds there and imports the compiler, for seconds. None for anything else.
    """
    if not args or not isinstance(args[0], Tensor) or args[0].device.type != "meta":
        return None
    x = args[0]
    if name == "native_batch_norm" and not args[5]:  # not in training
        return torch.empty_like(x), x.new_empty(0), x.new_empty(0)
    if name in _KEEP_SHAPE:
        return torch.empty_like(x)
    if name == "addmm":
        return x.new_empty(args[1].shape[0], args[2].shape[1])
    if name == "mean" and len(args) > 1 and args[1] and x.numel():
        return torch.ops.aten.amax.default(x, *args[1:])  # of the same shape
    return x if name.endswith("_") and name[:-1] in _KEEP_SHAPE else None


class _CircularPads(TorchFunctionMode):
    """Reports a circular padding whole, above the dispatcher, instead of its pieces.

    And values that leave.
    """

    def __init__(self, report: Report, operations: _Operations) -> None:
        super().__init__()
        self.report, self.operations = report, operations

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _LEAVES and not self.operations.silent:
            with _Quiet(self.operations):
                self.operations.observer.left(f"Tensor.{func.__name__}", args[0])
        if self.operations.silent or not _pads_circularly(func, args, kwargs):
            return func(*args, **kwargs)
        # Its pieces, copies of slices, would look like a map that is put together by hand.
        self.operations.silent = True
        try:
            out = func(*args, **kwargs)
        finally:
            self.operations.silent = False
        x, pads = (*args, *(kwargs[k] for k in ("input", "self", "pad") if k in kwargs))[:2]
        again = torch.ops.aten._pad_circular.default
        with _unseen():
            self.report(again, "_pad_circular", (x, list(pads)), {}, out)
        return out


def _pads_circularly(func: Any, args: Any, kwargs: Any) -> bool:
    if func is torch.ops.aten._pad_circular.default:
        return True
    if func not in _PADS:
        return False
    return "circular" in (*args[2:3], kwargs.get("mode"))


_LEAVES = (
    Tensor.numpy,
    Tensor.tolist,
    Tensor.__array__,
    Tensor.__dlpack__,
    Tensor.data_ptr,
)

_PADS = (nn.functional.pad, torch._C._nn.pad, torch.ops.aten.pad.default)
