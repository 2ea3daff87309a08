"""Who made a tensor: by the tensor itself, or by the memory that it lies in."""

from __future__ import annotations

from typing import Generic, TypeVar

from torch import Tensor

__all__ = ["TensorTable", "memory"]

T = TypeVar("T")


def memory(t: Tensor) -> int:
    """A number for the memory that a tensor lies in; 0 where that has none of its own."""
    try:
        return int(t.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):  # a tensor without a store, as sparse ones
        return 0


class TensorTable(Generic[T]):
    """Tensors and what is known of each. They are kept alive, so that no two share an identity.

    Example:
        >>> import torch
        >>> table, x = TensorTable[str](), torch.zeros(4)
        >>> table.put(x, "x")
        >>> table.get(x), table.get(x[:2]), table.get(torch.zeros(4))
        ('x', 'x', None)
    """

    def __init__(self) -> None:
        self._known: dict[int, T] = {}
        self._stores: dict[int, T] = {}
        self._alive: dict[int, list[Tensor]] = {}

    def put(self, t: Tensor, value: T, *, fresh: bool = True) -> None:
        """A tensor was made; not in memory of its own if it is not `fresh`."""
        # By identity first: the output of a module and its input may be views of the same elements,
        # and still two nodes. By memory for views that nobody has booked.
        store = memory(t)
        self._known[id(t)] = value
        self._alive.setdefault(store, []).append(t)
        if fresh:
            self._stores.setdefault(store, value)

    def write(self, t: Tensor, value: T) -> None:
        """A tensor was written over, and with it all that share its memory."""
        store = memory(t)
        for other in self._alive.get(store, ()):
            self._known[id(other)] = value
        self.put(t, value)
        self._stores[store] = value

    def get(self, t: Tensor) -> T | None:
        """What is known of a tensor, or else of the memory that it is a view of."""
        if id(t) in self._known:
            return self._known[id(t)]
        store = memory(t)
        return self._stores.get(store) if store else None
