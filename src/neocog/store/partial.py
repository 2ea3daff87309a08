"""Weights of another network, or of the same with another head: take what fits, name the rest.

A training may start from weights that were made for other classes, other channels, or for a network
that is the same in parts. Every tensor that does not fit is named with its shape, in as few
sentences as there are reasons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from neocog.errors import ModelError, printable
from neocog.store.names import matched
from neocog.store.sound import check_tensors

__all__ = ["PartialWeights", "load_partial"]

_COUNT = "num_batches_tracked"

_NAMED = 6
"""Tensors of one reason that are named one by one; more are named by the part that holds them."""


@dataclass(frozen=True, kw_only=True)
class PartialWeights:
    """What a network took of external weights.

    Args:
        taken: names of the tensors that were loaded.
        fresh: names of those that start at random.
        fraction: elements that were loaded, of all elements of the network.
        notes: a sentence a reason for tensors that did not fit; empty where all did.
    """

    taken: tuple[str, ...]
    fresh: tuple[str, ...]
    fraction: float
    notes: tuple[str, ...]


def load_partial(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> PartialWeights:
    """Load into a module what fits by name and shape.

    A first convolution of three channels fits one of one channel: its weights are summed over the
    channels, which is what a gray image gives in three equal ones. A linear layer fits the 1×1
    convolution that it is, and the other way round.

    Args:
        module: changed in place.
        tensors: name to values; wrappers' prefixes are removed as for `names.matched`.
        source: of the tensors, for messages.

    Raises:
        ModelError: nothing fits, or a tensor cannot be used.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2))
        >>> old = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 1000)).state_dict()
        >>> for note in load_partial(net, old, "old.pt").notes:
        ...     print(note)
        The head of 1,000 classes is replaced by one of 2, which starts at random (`2.weight`:
        1000×4 there, 2×4 here; `2.bias`: 1000 there, 2 here).
    """
    own = module.state_dict()
    state, notes = matched(module, tensors)
    for name, value in state.items():
        if name in own and _is_pointwise(value, own[name]):
            state[name] = value.reshape(own[name].shape)
    gray = _summed(module, own, state)
    fits = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    taken = [k for k in fits if not k.endswith(_COUNT)]
    if not any(fits[k].ndim > 1 for k in taken):
        raise ModelError(_of_another(own, tensors, source))
    check_tensors(fits, module, source)
    all_notes = [*notes, *([gray] if gray else []), *_explained(module, own, state)]
    module.load_state_dict(fits, strict=False)
    counted = {k: v.numel() for k, v in own.items() if not k.endswith(_COUNT)}
    return PartialWeights(
        taken=tuple(taken),
        fresh=tuple(k for k in counted if k not in fits),
        fraction=sum(counted[k] for k in taken) / max(1, sum(counted.values())),
        notes=tuple(all_notes),
    )


def _is_pointwise(one: Tensor, other: Tensor) -> bool:
    """Whether one is a matrix and the other the same as a 1×1 convolution."""
    flat, deep = sorted((tuple(one.shape), tuple(other.shape)), key=len)
    return len(flat) == 2 and deep == (*flat, 1, 1)


def _of_another(own: Mapping[str, Tensor], state: Mapping[str, Tensor], source: str) -> str:
    """That nothing fits, in one message."""
    there = next((k for k, v in state.items() if v.ndim > 1), next(iter(state), "nothing"))
    here = next((k for k, v in own.items() if v.ndim > 1), next(iter(own), "nothing"))
    there_shape = f" {_shape(state[there])}" if there in state else ""
    here_shape = f" {_shape(own[here])}" if here in own else ""
    return (
        f"Initial weights must match the network at least partly; of the {len(state)} tensors of "
        f"{printable(source)} none has the name and shape of one of the network's (weights: "
        f"`{printable(there)}`{there_shape}, network: `{printable(here)}`{here_shape}). Choose the "
        "network they were trained with."
    )


def _summed(module: nn.Module, own: Mapping[str, Tensor], state: dict[str, Tensor]) -> str:
    """Bring a first convolution of color to gray, in `state`; a note on it."""
    first = next(
        ((n, m) for n, m in module.named_modules() if isinstance(m, nn.Conv2d) and m.groups == 1),
        None,
    )
    name = f"{first[0]}.weight".lstrip(".") if first else ""
    there, here = state.get(name), own.get(name)
    if there is None or here is None or there.ndim != 4 or here.shape[1] != 1:
        return ""
    if there.shape[1] != 3 or there.shape[:1] + there.shape[2:] != here.shape[:1] + here.shape[2:]:
        return ""
    state[name] = there.sum(1, keepdim=True)
    return (
        f"The weights of the first convolution (`{printable(name)}`, {_shape(there)}) are summed "
        "over color, as the images are gray."
    )


def _explained(
    module: nn.Module, own: Mapping[str, Tensor], state: Mapping[str, Tensor]
) -> list[str]:
    other = [k for k in own if k in state and own[k].shape != state[k].shape]
    head = [k for k in other if k.rpartition(".")[0] == _last_linear(module)]
    sentences = []
    if head and all(own[k].shape[1:] == state[k].shape[1:] for k in head):
        before, now = state[head[0]].shape[0], own[head[0]].shape[0]
        sentences.append(
            f"The head of {before:,} classes is replaced by one of {now:,}, which starts at random "
            f"({_pairs(head, own, state)})."
        )
        other = [k for k in other if k not in head]
    if other:
        sentences.append(
            f"{_count(other)} another shape than in the weights and {_start(other)} at random "
            f"({_pairs(other, own, state)})."
        )
    missing = [k for k in own if k not in state and not k.endswith(_COUNT)]
    if missing:
        sentences.append(
            f"{_count(missing, 'is', 'are')} not in the weights and {_start(missing)} at random "
            f"({_listed(missing, own)})."
        )
    extra = [k for k in state if k not in own and not k.endswith(_COUNT)]
    if extra:
        verb = "has" if len(extra) == 1 else "have"
        sentences.append(
            f"{len(extra)} tensor{'s' * (len(extra) > 1)} of the weights {verb} no place in the "
            f"network and {'is' if len(extra) == 1 else 'are'} left out ({_listed(extra, state)})."
        )
    return sentences


def _last_linear(module: nn.Module) -> str:
    """The name of the last linear layer, or of a last 1×1 convolution that stands for one."""
    kinds = (nn.Linear, nn.Conv2d)
    names = [n for n, m in module.named_modules() if isinstance(m, kinds)]
    return names[-1] if names else ""


def _count(names: Sequence[str], one: str = "has", many: str = "have") -> str:
    return f"{len(names)} tensor{'s' * (len(names) > 1)} {one if len(names) == 1 else many}"


def _start(names: Sequence[str]) -> str:
    return "starts" if len(names) == 1 else "start"


def _pairs(names: Sequence[str], own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    sentences = [
        f"`{printable(n)}`: {_shape(state[n])} there, {_shape(own[n])} here" for n in names[:_NAMED]
    ]
    rest = names[_NAMED:]
    return "; ".join(sentences + ([f"and in {_parts(rest)}"] if rest else []))


def _listed(names: Sequence[str], shapes: Mapping[str, Tensor]) -> str:
    if len(names) <= _NAMED:
        return ", ".join(f"`{printable(n)}` {_shape(shapes[n])}" for n in names)
    return _parts(names)


def _parts(names: Sequence[str]) -> str:
    """How many tensors lie in which part of a network, shallow names first."""
    counts: dict[str, int] = {}
    for name in names:
        part = name.partition(".")[0]
        counts[part] = counts.get(part, 0) + 1
    return ", ".join(f"{n} in `{printable(part)}`" for part, n in counts.items())


def _shape(value: Tensor) -> str:
    return "×".join(map(str, value.shape)) if value.ndim else "one number"
