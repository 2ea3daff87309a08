"""The nodes of one run at the time when they are computed, with the operations inside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from neocog.graph.operations import Operation

__all__ = ["Link", "Moment", "Piece", "arguments", "writes_over"]


class Link(NamedTuple):
    """An argument that depends on the input.

    Attributes:
        path: its position or name, and its place where that is a list.
        piece: which operation of the same node made it; -1 for what comes from outside.
        node: which node it then comes from; -1 for what is made inside.
    """

    path: tuple[int | str, ...]
    piece: int
    node: int


@dataclass(eq=False)
class Piece:
    """One operation of a node.

    Args:
        op: it, with its arguments as they were before it ran.
        links: the arguments that depend on the input.
    """

    op: Operation
    links: tuple[Link, ...]

    @property
    def sources(self) -> tuple[int, ...]:
        """Nodes that its arguments come from."""
        return tuple(dict.fromkeys(link.node for link in self.links if link.node >= 0))

    def operand(self, link: Link) -> Tensor:
        """The argument at a link."""
        return _at(self.op, link.path)


@dataclass(eq=False)
class Moment:
    """A node at the time when it is computed; its fields are those of `graph.structure.Node`.

    Args:
        id: its number in this run.
        pieces: its operations on data, in order.
        made: the piece that made its output; -1 where none did.
        out: its output. Later operations may write it over.
        placed: its numbers stand for places, even where they are not laid out as a map.
    """

    id: int
    key: tuple[str, str, int]
    name: str
    free: bool
    kind: str
    label: str
    op: str
    pieces: list[Piece]
    made: int
    out: Tensor
    spatial: bool
    placed: bool
    params: int = 0
    macs: int = 0
    sources: set[int] = field(default_factory=set)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the output, without the batch axis."""
        return tuple(self.out.shape[1:])


def writes_over(op: Operation) -> bool:
    """Whether an operation wrote over its first argument."""
    return bool(op.in_place and op.args and op.out is op.args[0])


def arguments(op: Operation) -> Iterator[tuple[tuple[int | str, ...], Tensor]]:
    """All tensors among the arguments, each with where it stands."""
    given: list[tuple[int | str, Any]] = [*enumerate(op.args), *op.kwargs.items()]
    for at, value in given:
        if isinstance(value, Tensor):
            yield (at,), value
        elif isinstance(value, (tuple, list)):
            yield from (((at, j), v) for j, v in enumerate(value) if isinstance(v, Tensor))


def _at(op: Operation, path: tuple[int | str, ...]) -> Tensor:
    value: Any = op.args[path[0]] if isinstance(path[0], int) else op.kwargs[path[0]]
    tensor = value[path[1]] if len(path) > 1 else value
    assert isinstance(tensor, Tensor)
    return tensor
