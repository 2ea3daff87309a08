"""What is known of each tensor of a running module, by the memory it stands for.

A tensor is identified by its storage and its part of it (shape, strides, offset), not by its Python
object: views of the same elements are one, and a write through one view is seen through all.
Storages are held weakly, so nothing lives longer than it would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from neocog.graph.reach.intervals import Reach, moved, nothing

__all__ = ["UNKNOWN", "Known", "Tracked", "Unknown", "key_of", "whole_or_unknown"]


class Unknown:
    """What an operation that is not understood leaves behind."""


UNKNOWN = Unknown()

Known = tuple[Reach, ...] | Unknown | None
"""A reach per axis of the input; not understood; or None: the input has no influence."""


def whole_or_unknown(reaches: Sequence[Reach | None]) -> Known:
    """What is known along each axis, where that is known along all."""
    known = tuple(r for r in reaches if r is not None)
    return known if len(known) == len(reaches) else UNKNOWN


def key_of(t: Tensor) -> tuple[int, MemoryPart]:
    """What a tensor is identified by: its memory, and its part of that."""
    return t.untyped_storage()._cdata, MemoryPart.of(t)


class MemoryPart(NamedTuple):
    """Elements of a storage."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int

    @classmethod
    def of(cls, t: Tensor) -> MemoryPart:
        """Those of a tensor."""
        return cls(tuple(t.shape), tuple(t.stride()), int(t.storage_offset()))

    @property
    def end(self) -> int:
        """Elements of the storage up to the last of these."""
        last = sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        return self.offset + last + 1


@dataclass
class _Memory:
    """One storage: what was first known of it, and the views since the last write."""

    alive: StorageWeakRef
    root: MemoryPart
    known: dict[MemoryPart, Known]


class Tracked:
    """A book of tensors.

    Args:
        axes: of the input, how many.
    """

    def __init__(self, axes: int) -> None:
        self.axes = axes
        self._memories: dict[int, _Memory] = {}

    def get(self, t: Tensor) -> Known:
        """What is known; None of what was not made from the input."""
        memory, part = self._memory(t), MemoryPart.of(t)
        if memory is None:
            return None
        if part not in memory.known:
            memory.known[part] = self._seen_through(memory, part)
        return memory.known[part]

    def has(self, t: Tensor) -> bool:
        """Whether the memory is in the book."""
        return self._memory(t) is not None

    def put(self, t: Tensor, known: Known) -> None:
        """A new tensor, or a new view of an old one."""
        memory, part = self._memory(t), MemoryPart.of(t)
        if memory is None:
            storage = t.untyped_storage()
            self._memories[storage._cdata] = _Memory(
                StorageWeakRef(storage),  # type: ignore[no-untyped-call]
                part,
                {part: known},
            )
        else:
            memory.known.setdefault(part, known)

    def write(self, t: Tensor, known: Known) -> None:
        """New elements in old memory, which other views see too."""
        memory, part = self._memory(t), MemoryPart.of(t)
        if memory is None or part == memory.root:
            if memory is not None:
                memory.known = {}
            self.put(t, known)
            return
        before = memory.known[memory.root]
        if before is None and known is None:
            return
        root = memory.root
        if isinstance(before, Unknown) or isinstance(known, Unknown) or part.end > root.end:
            memory.known = {root: UNKNOWN}
            return
        none = tuple(nothing(root.shape) for _ in range(self.axes)) if before is None else before
        new = tuple(nothing(part.shape) for _ in range(self.axes)) if known is None else known
        whole = tuple(_written(a, root, b, part) for a, b in zip(none, new, strict=True))
        memory.known = {root: whole}

    def _memory(self, t: Tensor) -> _Memory | None:
        memory = self._memories.get(t.untyped_storage()._cdata)
        if memory is None or memory.alive.expired():  # type: ignore[no-untyped-call]
            return None
        return memory

    def _seen_through(self, memory: _Memory, part: MemoryPart) -> Known:
        known = memory.known[memory.root]
        if known is None or isinstance(known, Unknown):
            return known
        if part.end > memory.root.end:
            return UNKNOWN
        return tuple(
            moved(r, lambda v: _flat(v, memory.root).as_strided(*part).clone()) for r in known
        )


def _flat(values: Tensor, root: MemoryPart) -> Tensor:
    """The numbers of a tensor as they would lie in its memory."""
    flat = values.new_zeros(root.end)
    flat.as_strided(*root).copy_(values)
    return flat


def _written(reach: Reach, root: MemoryPart, new: Reach, part: MemoryPart) -> Reach:
    """The reach of a root after a write through a view."""
    halves = iter(new.full)

    def write(values: Tensor) -> Tensor:
        flat = _flat(values, root)
        flat.as_strided(*part).copy_(next(halves))
        return flat.as_strided(*root)

    return moved(reach, write)
