"""Names of tensors in a file, as the module has them that they are for.

The same weights go by other names where a network was wrapped when it was saved: by parallel
training, `torch.compile`, a trainer, an average; where a weight is parametrized the older or the
newer way; and where tensors that are one were saved once.

    module.conv.weight            conv.weight            DataParallel and its kin
    conv._orig_mod.weight         conv.weight            torch.compile
    model.net.conv.weight         conv.weight            whatever is in front of all
    conv.weight_g, conv.weight_v  conv.parametrizations.weight.original0, .original1
    conv.weight_orig, _u, _v      conv.parametrizations.weight.original, .0._u, .0._v
    embed.weight                  embed.weight, head.weight, where they are one tensor
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
"""Of the batches that a norm has seen: no prediction needs it, and old files lack it."""

_AVERAGED = "n_averaged"
"""How many updates an `AveragedModel` has seen."""

_TRIED = 32
"""Prefixes that are tried, at most."""

_NORM = ((r"(.*)_g", r"\1.original0"), (r"(.*)_v", r"\1.original1"))
_SPECTRAL = ((r"(.*)_orig", r"\1.original"), (r"(.*)_u", r"\1.0._u"), (r"(.*)_v", r"\1.0._v"))


def matched(
    module: nn.Module, tensors: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Tensors under the names that a module has for them.

    Args:
        module: any module; only looked at.
        tensors: name to values.

    Returns:
        The tensors, and what a user should know of how they were matched. Names that find no
        partner stay, to be named by whoever loads them.

    Raises:
        ModelError: two names of one tensor of the module have different values.

    Example:
        >>> plain = {"module.weight": torch.ones(1, 2), "module.bias": torch.ones(1)}
        >>> sorted(matched(nn.Linear(2, 1), plain)[0])
        ['bias', 'weight']
    """
    wanted, said = module.state_dict(), list[str]()
    held = dict(tensors)
    if not held.keys() >= wanted.keys():
        held = _unwrapped(held, list(wanted), said)
        held = _parametrized(held, list(wanted), said)
    one = _tied(module)
    _filled(held, wanted, one, said)
    _dropped(held, module, wanted, said)
    for name, first in one.items():
        if name in held and first in held and not _equal(held[name], held[first]):
            raise ModelError(
                f"`{printable(name)}` and `{printable(first)}` are one tensor of the network, and "
                "the file holds two that differ. Take weights of this very network, or untie them."
            )
    return held, tuple(said)


# ---- wrappers


def _unwrapped(
    held: dict[str, Tensor], wanted: Sequence[str], said: list[str]
) -> dict[str, Tensor]:
    """Without what wrappers put in front, on both sides."""
    known = {_core(name): name for name in wanted}
    names = {name: _core(name) for name in held if name != _AVERAGED}
    if len(known) < len(wanted) or len(set(names.values())) < len(names):
        return held  # two names would become one: leave them as they are
    ours = _shared_prefix(known)
    best: tuple[int, str, str] = (-1, "", "")
    for add in dict.fromkeys(("", ours)):
        for prefix in _prefixes(names.values()):
            fit = {core[len(prefix) :] for core in names.values() if core.startswith(prefix)}
            best = max(best, (len(fit & {k.removeprefix(add) for k in known}), prefix, add),
                       key=lambda b: (b[0], -len(b[1]), -len(b[2])))  # fmt: skip
    count, prefix, add = best
    if count < 1:
        return held
    found, outside = dict[str, Tensor](), list[str]()
    for name, core in names.items():
        if core.startswith(prefix):
            key = f"{add}{core[len(prefix) :]}"
            found[known.get(key, key)] = held[name]
        else:
            outside.append(name)
    missing = [n for n in wanted if n not in found and not n.endswith(_COUNT)]
    if outside and missing:  # it may be that what is missing has another name
        return (
            held if len(missing) > len(wanted) // 2 else {**found, **{n: held[n] for n in outside}}
        )
    if outside:
        said.append(
            f"Taken is what the file has below `{printable(prefix)}`; {_some(outside)} left out."
        )
    return found


def _core(name: str) -> str:
    """A name without what parallel training and compilation add."""
    name = name.replace("_orig_mod.", "")
    while name.startswith("module."):
        name = name[len("module.") :]
    return name


def _prefixes(names: Iterable[str]) -> list[str]:
    """What stands before a dot, at most three parts, in the most names; also nothing."""
    found: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")[:-1][:3]
        found.update("".join(f"{p}." for p in parts[: i + 1]) for i in range(len(parts)))
    return ["", *(prefix for prefix, _ in found.most_common(_TRIED))]


def _shared_prefix(names: Iterable[str]) -> str:
    """Leading parts, up to a dot, that all names have, less the last part of each."""
    parts = [name.split(".")[:-1] for name in names]
    shared = []
    for column in zip(*parts, strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    return "".join(f"{part}." for part in shared)


# ---- parametrizations


def _parametrized(
    held: dict[str, Tensor], wanted: Sequence[str], said: list[str]
) -> dict[str, Tensor]:
    """Weight norm and spectral norm, from the older names to the newer and back."""
    missing = [n for n in wanted if n not in held]
    newer = {n: old for n in missing for old in _older(n) if old in held}
    older = {n: new for n in missing for new in _newer(n, held)}
    renamed = newer or older
    if not renamed:
        return held
    taken = set(renamed.values())
    way = (
        "weight_norm" if any(n.endswith(("_g", "original0")) for n in renamed) else "spectral_norm"
    )
    first, (name, source) = len(renamed), next(iter(renamed.items()))
    said.append(
        f"{first} tensors of {way} go by other names in the file: `{printable(source)}` is "
        f"`{printable(name)}`."
    )
    kept = {n: t for n, t in held.items() if n not in taken}
    return {**kept, **{n: held[source] for n, source in renamed.items()}}


def _older(name: str) -> list[str]:
    """Names that a parametrized tensor had before."""
    holder, mark, rest = name.rpartition("parametrizations.")
    if not mark:
        return []
    return [
        holder + rest.removesuffix(end) + old
        for end, old in ((".original0", "_g"), (".original1", "_v"), (".original", "_orig"),
                         (".0._u", "_u"), (".0._v", "_v"))
        if rest.endswith(end)
    ]  # fmt: skip


def _newer(name: str, held: Mapping[str, Any]) -> list[str]:
    """Names, among those that are held, that a tensor has had since."""
    holder, dot, own = name.rpartition(".")
    front = f"{holder}{dot}parametrizations."
    found = [
        front + re.sub(f"^{old}$", new, own)
        for old, new in (*_NORM, *_SPECTRAL)
        if re.fullmatch(old, own)
    ]
    return [n for n in found if n in held]


# ---- what is missing, or too much


def _tied(module: nn.Module) -> dict[str, str]:
    """Names of tensors that are one, each to the first of them."""
    seen: dict[tuple[Any, ...], str] = {}
    one: dict[str, str] = {}
    for name, value in (*module.named_parameters(remove_duplicate=False),
                        *module.named_buffers(remove_duplicate=False)):  # fmt: skip
        if is_lazy(value) or value.is_meta or value.layout != torch.strided or not value.numel():
            continue
        key = (value.data_ptr(), tuple(value.shape), value.stride(), value.dtype)
        if key in seen:
            one[name] = seen[key]
        seen.setdefault(key, name)
    return one


def _filled(
    held: dict[str, Tensor], wanted: Mapping[str, Any], one: Mapping[str, str], said: list[str]
) -> None:
    """What a file need not hold: counts of batches, other names of one tensor."""
    twins = []
    groups: dict[str, list[str]] = {}
    for name, first in one.items():
        groups.setdefault(first, [first]).append(name)
    for group in groups.values():
        source = next((n for n in group if n in held), None)
        for name in group:
            if source is not None and name not in held and name in wanted:
                held[name] = held[source]
                twins.append(f"`{printable(name)}` is `{printable(source)}`")
    if twins:
        said.append(f"Of tensors that are one the file holds one: {_few(twins)}.")
    for name, value in wanted.items():
        if name.endswith(_COUNT):
            held.setdefault(name, value)


def _dropped(
    held: dict[str, Tensor], module: nn.Module, wanted: Mapping[str, Any], said: list[str]
) -> None:
    """What a module does not take from a file: counts, and buffers that it makes itself."""
    extra = [n for n in held if n not in wanted]
    own = dict(module.named_buffers(remove_duplicate=False))
    made = [n for n in extra if n in own and own[n].shape == held[n].shape]
    for name in (*made, *(n for n in extra if n.endswith(_COUNT) or n == _AVERAGED)):
        held.pop(name, None)
    if made:
        said.append(f"The network makes buffers itself; {_some(made)} left out.")


def _equal(a: Tensor, b: Tensor) -> bool:
    return a is b or (a.shape == b.shape and bool(torch.equal(a, b)))


def _some(names: Sequence[str]) -> str:
    return f"{_few([f'`{printable(n)}`' for n in names])} {'is' if len(names) == 1 else 'are'}"


def _few(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - 3} more" if len(texts) > 3 else ""
    return ", ".join(texts[:3]) + more
