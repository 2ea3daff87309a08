"""Every operation that a running module performs, as it happens.

`watching` calls back for each operation that reaches PyTorch's dispatcher, whatever Python code
has called it: layers, functions, slices, loops, branches that look at values. The record holds
the very tensors, so that an observer can perform the operation again in another way.

Circular padding has no operation of its own down there, it falls into copies of slices; it is
reported whole, by the name `_pad_circular`.

A module whose operations do not show what it looks at, as one that picks samples by an index
found in the data, may declare it: the attribute `geometry`, a tuple with a `neocog.types.Window`
an axis of space or one for all, says which samples of its first input each sample of its output may
depend on; None for an axis of which it sees all. A module of several maps that returns as many
declares it for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["Call", "Operation", "scripted", "watching"]


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation of a forward pass.

    Args:
        module: name of the innermost sub-module that was running; "" for the module itself.
        name: of the operation without overload and the mark of in-place work: `convolution`,
            `add`, `max_pool2d_with_indices`.
        func: what was called; `func(*args, **kwargs)` performs it again.
        args: positional arguments, the very tensors. An in-place operation has changed its first.
        kwargs: named arguments.
        out: what came back.
    """

    module: str
    name: str
    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any

    @property
    def is_view(self) -> bool:
        """Whether the output shares the memory of an input by design."""
        return bool(getattr(self.func, "is_view", False))

    @property
    def in_place(self) -> bool:
        """Whether it writes into one of its inputs."""
        schema = getattr(self.func, "_schema", None)
        return bool(schema is not None and schema.is_mutable)


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a sub-module.

    Args:
        name: of the sub-module; "" for the module itself.
        module: it.
        args: positional arguments.
        out: what came back; None at the start of the call, and where it failed.
    """

    name: str
    module: nn.Module
    args: tuple[Any, ...]
    out: Any = None


@contextmanager
def watching(
    module: nn.Module,
    on_operation: Callable[[Operation], None],
    *,
    on_start: Callable[[Call], None] | None = None,
    on_end: Callable[[Call], None] | None = None,
    on_write: Callable[[Tensor], None] | None = None,
    on_leave: Callable[[str, Tensor], None] | None = None,
) -> Iterator[None]:
    """Call back for every operation while the block runs.

    What the observer computes itself inside a callback is not reported; what the caller computes
    inside the block beside the module is. Hooks are removed at the end of the block.

    Args:
        module: whose sub-modules name the operations; the caller runs it.
        on_operation: called after each operation.
        on_start: called before each sub-module.
        on_end: called after each sub-module.
        on_write: called with a tensor that an operation in place is about to write over.
        on_leave: called with a tensor whose values are handed to Python, NumPy or another library,
            where nobody can follow them, and by which way.

    Example:
        >>> seen, x = [], torch.zeros(1, 2)
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        >>> with watching(net, lambda op: seen.append((op.module, op.name))), torch.no_grad():
        ...     _ = net(x)
        >>> seen
        [('0', 't'), ('0', 'addmm'), ('1', 'relu')]
    """
    running: list[str] = []

    def report(func: Any, name: str, args: Any, kwargs: Any, out: Any) -> None:
        where = running[-1] if running else ""
        with torch._C.DisableTorchFunction():  # what the observer asks tensors is not seen
            on_operation(Operation(where, name, func, tuple(args), dict(kwargs), out))

    operations = _Operations(report, on_write)
    with ExitStack() as stack:
        for name, m in module.named_modules():
            if isinstance(m, torch.jit.ScriptModule):  # takes no hooks: one with what it is in
                continue
            before, after = _hooks(name, running, operations, on_start, on_end)
            stack.callback(m.register_forward_pre_hook(before).remove)
            stack.callback(m.register_forward_hook(after, always_call=True).remove)
        stack.enter_context(operations)
        stack.enter_context(_CircularPads(report, operations, on_leave))
        yield


def scripted(module: nn.Module) -> set[str]:
    """Sub-modules that TorchScript runs: what is done inside cannot be told for certain."""
    found = [n for n, m in module.named_modules() if isinstance(m, torch.jit.ScriptModule)]
    outer = [n for n in found if not any(n != o and (n + ".").startswith(o + ".") for o in found)]
    if "" in found:
        outer = [""]
    return {f"the TorchScript module {n}".strip() for n in outer}


def _hooks(
    name: str,
    running: list[str],
    operations: _Operations,
    on_start: Callable[[Call], None] | None,
    on_end: Callable[[Call], None] | None,
) -> tuple[Callable[..., None], Callable[..., None]]:
    def before(m: nn.Module, args: tuple[Any, ...]) -> None:
        running.append(name)
        if on_start is not None:
            with _Quiet(operations):
                on_start(Call(name, m, args))

    def after(m: nn.Module, args: tuple[Any, ...], out: Any) -> None:
        running.pop()
        if on_end is not None:
            with _Quiet(operations):
                on_end(Call(name, m, args, out))

    return before, after


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


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Reports what reaches the dispatcher."""

    def __init__(self, report: Report, on_write: Callable[[Tensor], None] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.report, self.on_write = report, on_write
        self.silent = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: a watched run is never compiled, and asking imports the compiler for seconds."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        before = None if self.silent or not name.endswith("_") else self.on_write
        if before is not None and args and isinstance(args[0], Tensor):
            before(args[0])
        out = func(*args, **(kwargs or {}))
        if not self.silent:
            self.report(func, name.rstrip("_"), args, kwargs or {}, out)
        return out


class _CircularPads(TorchFunctionMode):
    """Reports a circular padding whole, above the dispatcher, instead of its pieces.

    And values that leave.
    """

    def __init__(
        self,
        report: Report,
        operations: _Operations,
        on_leave: Callable[[str, Tensor], None] | None,
    ) -> None:
        super().__init__()
        self.report = report
        self.operations = operations
        self.on_leave = on_leave

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.on_leave is not None and not self.operations.silent and func in _LEAVES:
            with _Quiet(self.operations):
                self.on_leave(f"Tensor.{func.__name__}", args[0])
        if self.operations.silent or not _pads_circularly(func, args, kwargs):
            return func(*args, **kwargs)
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
