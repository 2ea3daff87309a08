"""Which layer makes two runs of a network differ, and by which operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from neocog.errors import printable

__all__ = ["BEGINS", "SAME", "apart", "culprit", "dtypes"]

SAME = 2**11 * torch.finfo(torch.float32).eps
"""Tensors that differ by less, as a fraction of their largest element, differ by rounding."""

BEGINS = "it begins in "
"""What a cause starts with of which only the layer is known."""

_CHANCE = "draws random numbers"

_MOVES = frozenset(
    [
        "cat",
        "stack",
        "unsqueeze",
        "squeeze",
        "select",
        "slice",
        "split",
        "index",
        "permute",
        "transpose",
        "t",
        "flip",
        "movedim",
        "expand",
        "view",
        "reshape",
        "gather",
        "index_select",
        "unbind",
    ]
)
"""Operations with an axis that compute nothing."""

Rows = tuple[int, int] | None


def apart(a: Tensor, b: Tensor) -> float:
    """The largest difference of two tensors, as a fraction of the largest element.

    Example:
        >>> apart(torch.tensor([1.0, -4.0]), torch.tensor([2.0, -4.0]))
        0.25
    """
    if a.shape != b.shape:
        return float("inf")
    if not a.numel():
        return 0.0
    a, b = a.detach().double().cpu(), b.detach().double().cpu()
    a, b = (torch.nan_to_num(t, nan=0.0, posinf=0.0, neginf=0.0) for t in (a, b))
    largest = max(float(a.abs().max()), float(b.abs().max()))
    return float((a - b).abs().max()) / largest if largest else 0.0


@dataclass
class _Call:
    """One call of a sub-module: what went in and came out, and its own operations."""

    name: str
    module: nn.Module
    ins: list[Tensor]
    outs: list[Tensor] = field(default_factory=list)
    own: list[str] = field(default_factory=list)


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes of every operation what may make a sample depend on chance or on the others."""

    def __init__(self, samples: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.samples = samples
        self.open: list[_Call] = []
        self.done: list[_Call] = []
        self.loose: list[str] = []
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        self.dtypes |= {t.dtype for t in pytree.tree_leaves(out) if isinstance(t, Tensor)}
        if func.namespace in ("quantized", "onednn"):
            self.dtypes.add(torch.quint8)
        said = _of_operation(func, args, kwargs or {}, self.samples)
        if said:
            (self.open[-1].own if self.open else self.loose).append(said)
        return out


def _of_operation(func: Any, args: Any, kwargs: Any, samples: int) -> str:
    """What an operation does that a prediction should not depend on; empty for nothing."""
    name = str(func._schema.name).partition("::")[2]
    if torch.Tag.nondeterministic_seeded in func.tags:
        return f"{_CHANCE} (`{name}`) in evaluation mode"
    given = {a.name: v for a, v in zip(func._schema.arguments, args, strict=False)} | kwargs
    first = next((v for v in given.values() if isinstance(v, Tensor)), None)
    if first is None or first.ndim < 1 or len(first) != samples:
        return ""
    if "batch_norm" in name:
        training = given.get("training", given.get("train"))
        none = training is None and "no_stats" in func._schema.overload_name
        return "normalizes by the statistics of the batch" if training or none else ""
    named = {a.name for a in func._schema.arguments} & {"dim", "dims"}
    axes = given.get("dim", given.get("dims"))
    if named and axes is None:
        return ""
    axes = [axes] if isinstance(axes, int) else list(axes or [])
    if any(isinstance(a, int) and a % first.ndim == 0 for a in axes):
        moves = name in _MOVES
        return "" if moves else f"computes `{name.strip('_')}` over the samples of a batch"
    whole = name in ("mean", "sum", "max", "min", "std", "var", "norm", "median") and not named
    return f"computes `{name}` over the samples of a batch" if whole and first.ndim > 1 else ""


@contextmanager
def _watched(module: nn.Module, watch: _Watch) -> Iterator[None]:
    handles = []

    def entering(name: str) -> Any:
        def note(m: nn.Module, args: Any, kwargs: Any) -> None:
            watch.open.append(_Call(name, m, _kept((args, kwargs))))

        return note

    def leaving(m: nn.Module, args: Any, out: Any) -> None:
        call = watch.open.pop()
        call.outs = _kept(out)
        watch.done.append(call)

    try:
        for name, m in module.named_modules():
            handles.append(m.register_forward_pre_hook(entering(name), with_kwargs=True))
            handles.append(m.register_forward_hook(leaving))
        with watch:
            yield
    finally:
        for handle in handles:
            handle.remove()


def _kept(values: Any) -> list[Tensor]:
    leaves = (t for t in pytree.tree_leaves(values) if isinstance(t, Tensor))
    return [t.detach().clone() for t in leaves if t.is_floating_point()]


def dtypes(ask: Callable[[], object]) -> set[torch.dtype]:
    """The types of all numbers that are computed in a run; none where it cannot be watched."""
    watch = _Watch(0)
    try:
        with watch:
            ask()
    except Exception:  # of any kind: compiled modules may refuse to be watched
        return set()
    return watch.dtypes


def culprit(
    module: nn.Module,
    one: Callable[[], object],
    other: Callable[[], object],
    *,
    samples: int,
    rows: Rows = None,
) -> str:
    """Where the outputs of two runs begin to differ, and why, in words; empty if nobody knows.

    Args:
        module: runs in evaluation mode.
        one: runs it.
        other: runs it differently.
        samples: in the first run.
        rows: of the samples that are compared, in the first run and in the other; all for None.
    """
    watches = []
    try:
        for ask in (one, other):
            watch = _Watch(samples)
            with _watched(module, watch):
                ask()
            watches.append(watch)
    except Exception:  # of any kind: compiled modules may refuse to be watched
        return ""
    first, second = watches
    for a, b in zip(first.done, second.done, strict=False):
        if a.name != b.name:
            break  # the two runs took different ways
        if _alike(a.ins, b.ins, rows) and _alike(a.outs, b.outs, rows) is False:
            return _words(module, a, chance=rows is None)
    loose = [*first.loose, *(text for call in first.done for text in call.own)]
    fit = [text for text in loose if text.startswith(_CHANCE) or rows is not None]
    return f"the network {fit[0]}" if fit else ""


def _alike(a: list[Tensor], b: list[Tensor], rows: Rows) -> bool | None:
    """Whether tensors are the same but for rounding; None where that cannot be told."""
    if not a or len(a) != len(b):
        return None
    for s, t in zip(a, b, strict=True):
        if rows is not None:
            if min(s.ndim, t.ndim) < 1 or rows[0] >= len(s) or rows[1] >= len(t):
                return None
            s, t = s[rows[0]], t[rows[1]]
        if s.shape != t.shape:
            return None
        if apart(s, t) > SAME:
            return False
    return True


def _words(root: nn.Module, call: _Call, *, chance: bool) -> str:
    """A layer and what it does; of what differs by chance only what draws random numbers."""
    name = call.name.removeprefix("network.") if hasattr(root, "spec") else call.name
    kind = type(call.module).__name__
    inside = name and name != "network"
    what = f"layer `{printable(name)}` ({kind})" if inside else f"the network itself ({kind})"
    if call.module.training:
        return f"{what} stays in training mode after eval()"
    own = [text for text in call.own if text.startswith(_CHANCE) or not chance]
    return f"{what} {own[0]}" if own else f"{BEGINS}{what}"
