"""Which layer makes two runs of a network differ, and by which operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from neocog.errors import printable
from neocog.graph.operations import Call, Observer, Operation, watching
from neocog.graph.ops import moves

__all__ = ["BEGINS", "SAME", "apart", "culprit", "dtypes"]

SAME = 2**11 * torch.finfo(torch.float32).eps
"""Tensors that differ by less, as a fraction of their largest element, differ by rounding."""

BEGINS = "it starts in "
"""What a cause starts with of which only the layer is known."""

_CHANCE = "draws random numbers"

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
    """One call of a submodule: its inputs and outputs, and its own operations."""

    name: str
    module: nn.Module
    ins: list[Tensor]
    outs: list[Tensor] = field(default_factory=list)
    own: list[str] = field(default_factory=list)


class _Watch(Observer):
    """Notes of every operation what may make a sample depend on chance or on the others."""

    def __init__(self, samples: int) -> None:
        self.samples = samples
        self.open: list[_Call] = []
        self.done: list[_Call] = []
        self.loose: list[str] = []
        self.dtypes: set[torch.dtype] = set()

    def start(self, call: Call) -> None:
        self.open.append(_Call(call.name, call.module, _kept((call.args, call.kwargs))))

    def end(self, call: Call) -> None:
        ended = self.open.pop()
        ended.outs = _kept(call.out)
        self.done.append(ended)

    def operation(self, op: Operation) -> None:
        self.dtypes |= {t.dtype for t in op.outs}
        if op.func.namespace in ("quantized", "onednn"):
            self.dtypes.add(torch.quint8)
        effect = _effect(op, self.samples)
        if effect:
            (self.open[-1].own if self.open else self.loose).append(effect)


def _effect(op: Operation, samples: int) -> str:
    """What an operation does that a prediction should not depend on; empty for nothing."""
    schema, given = op.func._schema, op.given
    name = str(schema.name).partition("::")[2]
    if torch.Tag.nondeterministic_seeded in op.func.tags:
        return f"{_CHANCE} (`{name}`) in evaluation mode"
    first = next(iter(op.tensors.values()), None)
    if first is None or first.ndim < 1 or len(first) != samples:
        return ""
    if "batch_norm" in name:
        training = given.get("training", given.get("train"))
        none = training is None and "no_stats" in schema.overload_name
        return "normalizes by the statistics of the batch" if training or none else ""
    named = given.keys() & {"dim", "dims"}
    axes = given.get("dim", given.get("dims"))
    if named and axes is None:
        return ""
    axes = [axes] if isinstance(axes, int) else list(axes or [])
    if any(isinstance(a, int) and a % first.ndim == 0 for a in axes):
        harmless = moves(name) and name != "roll"  # rolled samples are combined with others
        return "" if harmless else f"computes `{name.strip('_')}` over the samples of a batch"
    whole = name in ("mean", "sum", "max", "min", "std", "var", "norm", "median") and not named
    return f"computes `{name}` over the samples of a batch" if whole and first.ndim > 1 else ""


def _kept(values: Any) -> list[Tensor]:
    leaves = (t for t in pytree.tree_leaves(values) if isinstance(t, Tensor))
    return [t.detach().clone() for t in leaves if t.is_floating_point()]


def dtypes(run: Callable[[], object]) -> set[torch.dtype]:
    """The types of all numbers that are computed in a run; none where it cannot be watched."""
    watch = _Watch(0)
    try:
        with watching(nn.Module(), watch):
            run()
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
    """Where the outputs of two runs begin to differ, and why, in words; "" if not known.

    Args:
        module: runs in evaluation mode.
        one: runs it.
        other: runs it differently.
        samples: in the first run.
        rows: of the samples that are compared, in the first run and in the other; all for None.
    """
    watches = []
    try:
        for run in (one, other):
            watch = _Watch(samples)
            with watching(module, watch):
                run()
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
    """Whether tensors are the same but for rounding; None where they cannot be compared."""
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
