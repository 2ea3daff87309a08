"""Match names of tensors in a file to those of a module.

The same weights have other names where a network was wrapped when it was saved: by parallel
training, `torch.compile`, a trainer, an average; where a weight is parametrized in the older or the
newer way; and where tied tensors were saved once.

    module.conv.weight            conv.weight            DataParallel and its kin
    conv._orig_mod.weight         conv.weight            torch.compile
    model.net.conv.weight         conv.weight            any common prefix
    conv.weight_g, conv.weight_v  conv.parametrizations.weight.original0, .original1
    conv.weight_orig, _u, _v      conv.parametrizations.weight.original, .0._u, .0._v
    embed.weight                  embed.weight, head.weight, where they are tied
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from neocog.errors import ModelError, printable

__all__ = ["matched"]

_COUNT = "num_batches_tracked"
"""Count of batches of a norm: no prediction needs it, and old files lack it."""

_AVERAGED = "n_averaged"
"""Count of updates of an `AveragedModel`."""

_TRIED = 32
"""Prefixes to try, at most."""

_NORM = ((r"(.*)_g", r"\1.original0"), (r"(.*)_v", r"\1.original1"))
_SPECTRAL = ((r"(.*)_orig", r"\1.original"), (r"(.*)_u", r"\1.0._u"), (r"(.*)_v", r"\1.0._v"))


def matched(
    module: nn.Module, tensors: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Tensors under the names of a module.

    Args:
        module: any module; not changed.
        tensors: name to values.

    Returns:
        The tensors, and notes on how they were matched. Names without a match stay, to be reported
        by the caller.

    Raises:
        ModelError: two names of one tensor of the module have different values.

    Example:
        >>> plain = {"module.weight": torch.ones(1, 2), "module.bias": torch.ones(1)}
        >>> sorted(matched(nn.Linear(2, 1), plain)[0])
        ['bias', 'weight']
    """
    expected, notes = module.state_dict(), list[str]()
    state = dict(tensors)
    if not state.keys() >= expected.keys():
        state = _unwrapped(state, list(expected), notes)
        state = _parametrized(state, list(expected), notes)
    tied = _tied(module)
    _filled(state, expected, tied, notes)
    _dropped(state, module, expected, notes)
    for name, first in tied.items():
        if name in state and first in state and not _equal(state[name], state[first]):
            raise ModelError(
                f"`{printable(name)}` and `{printable(first)}` are one tensor of the network, and "
                "the file holds two that differ. Take weights of this very network, or untie them."
            )
    return state, tuple(notes)


# ---- wrappers


def _unwrapped(
    state: dict[str, Tensor], expected: Sequence[str], notes: list[str]
) -> dict[str, Tensor]:
    """Strip prefixes of wrappers, on both sides."""
    known = {_core(name): name for name in expected}
    names = {name: _core(name) for name in state if name != _AVERAGED}
    if len(known) < len(expected) or len(set(names.values())) < len(names):
        return state  # two names would become one: leave them as they are
    ours = _shared_prefix(known)
    best: tuple[int, str, str] = (-1, "", "")
    for add in dict.fromkeys(("", ours)):
        for prefix in _prefixes(names.values()):
            fit = {core[len(prefix) :] for core in names.values() if core.startswith(prefix)}
            best = max(best, (len(fit & {k.removeprefix(add) for k in known}), prefix, add),
                       key=lambda b: (b[0], -len(b[1]), -len(b[2])))  # fmt: skip
    count, prefix, add = best
    if count < 1:
        return state
    result, outside = dict[str, Tensor](), list[str]()
    for name, core in names.items():
        if core.startswith(prefix):
            key = f"{add}{core[len(prefix) :]}"
            result[known.get(key, key)] = state[name]
        else:
            outside.append(name)
    missing = [n for n in expected if n not in result and not n.endswith(_COUNT)]
    if outside and missing:  # a missing tensor may have another name
        return (
            state
            if len(missing) > len(expected) // 2
            else {**result, **{n: state[n] for n in outside}}
        )
    if outside:
        notes.append(f"Loaded from below `{printable(prefix)}`; {_some(outside)} skipped.")
    return result


def _core(name: str) -> str:
    """A name without the prefixes of parallel training and compilation."""
    name = name.replace("_orig_mod.", "")
    while name.startswith("module."):
        name = name[len("module.") :]
    return name


def _prefixes(names: Iterable[str]) -> list[str]:
    """The most frequent prefixes of at most three parts, and the empty one."""
    result: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")[:-1][:3]
        result.update("".join(f"{p}." for p in parts[: i + 1]) for i in range(len(parts)))
    return ["", *(prefix for prefix, _ in result.most_common(_TRIED))]


def _shared_prefix(names: Iterable[str]) -> str:
    """The longest common prefix of whole parts, without the last part of each name."""
    parts = [name.split(".")[:-1] for name in names]
    shared = []
    for column in zip(*parts, strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    return "".join(f"{part}." for part in shared)


# ---- parametrizations


def _parametrized(
    state: dict[str, Tensor], expected: Sequence[str], notes: list[str]
) -> dict[str, Tensor]:
    """Rename weight norm and spectral norm, older to newer names and back."""
    missing = [n for n in expected if n not in state]
    newer = {n: old for n in missing for old in _older(n) if old in state}
    older = {n: new for n in missing for new in _newer(n, state)}
    renamed = newer or older
    if not renamed:
        return state
    sources = set(renamed.values())
    kind = (
        "weight_norm" if any(n.endswith(("_g", "original0")) for n in renamed) else "spectral_norm"
    )
    first, (name, source) = len(renamed), next(iter(renamed.items()))
    notes.append(
        f"{first} tensors of {kind} have other names in the file: `{printable(source)}` is "
        f"`{printable(name)}`."
    )
    rest = {n: t for n, t in state.items() if n not in sources}
    return {**rest, **{n: state[source] for n, source in renamed.items()}}


def _older(name: str) -> list[str]:
    """Older names of a parametrized tensor."""
    holder, mark, rest = name.rpartition("parametrizations.")
    if not mark:
        return []
    return [
        holder + rest.removesuffix(end) + old
        for end, old in ((".original0", "_g"), (".original1", "_v"), (".original", "_orig"),
                         (".0._u", "_u"), (".0._v", "_v"))
        if rest.endswith(end)
    ]  # fmt: skip


def _newer(name: str, state: Mapping[str, Any]) -> list[str]:
    """Newer names of a tensor in a state dict."""
    holder, dot, own = name.rpartition(".")
    front = f"{holder}{dot}parametrizations."
    result = [
        front + re.sub(f"^{old}$", new, own)
        for old, new in (*_NORM, *_SPECTRAL)
        if re.fullmatch(old, own)
    ]
    return [n for n in result if n in state]


# ---- what is missing, or too much


def _tied(module: nn.Module) -> dict[str, str]:
    """Names of tied tensors, each to the first of them."""
    names: dict[tuple[Any, ...], str] = {}
    tied: dict[str, str] = {}
    for name, value in (*module.named_parameters(remove_duplicate=False),
                        *module.named_buffers(remove_duplicate=False)):  # fmt: skip
        if is_lazy(value) or value.is_meta or value.layout != torch.strided or not value.numel():
            continue
        key = (value.data_ptr(), tuple(value.shape), value.stride(), value.dtype)
        if key in names:
            tied[name] = names[key]
        names.setdefault(key, name)
    return tied


def _filled(
    state: dict[str, Tensor], expected: Mapping[str, Any], tied: Mapping[str, str], notes: list[str]
) -> None:
    """Add what a file may lack: counts of batches, other names of tied tensors."""
    ties = []
    groups: dict[str, list[str]] = {}
    for name, first in tied.items():
        groups.setdefault(first, [first]).append(name)
    for group in groups.values():
        source = next((n for n in group if n in state), None)
        for name in group:
            if source is not None and name not in state and name in expected:
                state[name] = state[source]
                ties.append(f"`{printable(name)}` is `{printable(source)}`")
    if ties:
        notes.append(f"Of tied tensors the file has one: {_few(ties)}.")
    for name, value in expected.items():
        if name.endswith(_COUNT):
            state.setdefault(name, value)


def _dropped(
    state: dict[str, Tensor], module: nn.Module, expected: Mapping[str, Any], notes: list[str]
) -> None:
    """Remove what a module does not load: counts, and buffers that it computes itself."""
    extra = [n for n in state if n not in expected]
    own = dict(module.named_buffers(remove_duplicate=False))
    made = [n for n in extra if n in own and own[n].shape == state[n].shape]
    for name in (*made, *(n for n in extra if n.endswith(_COUNT) or n == _AVERAGED)):
        state.pop(name, None)
    if made:
        notes.append(f"The network computes these buffers itself; {_some(made)} skipped.")


def _equal(a: Tensor, b: Tensor) -> bool:
    return a is b or (a.shape == b.shape and bool(torch.equal(a, b)))


def _some(names: Sequence[str]) -> str:
    return f"{_few([f'`{printable(n)}`' for n in names])} {'is' if len(names) == 1 else 'are'}"


def _few(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - 3} more" if len(texts) > 3 else ""
    return ", ".join(texts[:3]) + more
