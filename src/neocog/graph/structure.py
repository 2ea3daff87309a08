"""The graph of a network as it runs: what is computed, from what, in which order.

One image is sent through while every operation is watched. A *node* is a call of a module that
holds no others, or an operation that a larger module performs itself: a sum, a concatenation, a
ReLU called as a function. *Edges* follow the very tensors: an operation that takes a tensor depends
on the node that made it. So branches, shortcuts and gates are where they are, whatever Python code
makes them.

What computes nothing (a view, a copy, a module that returns its input) is not a node of its own,
but for two: to flatten a map into a vector, and to keep every n-th sample. A module without others
inside that is a network by itself, as one that calls `conv2d` twice, is taken apart into its
operations; one that declares its `geometry` (see `graph.operations`) is one node, whatever is
in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from neocog.errors import ModelError, NeocogError
from neocog.graph.moments import Moment
from neocog.graph.operations import watching
from neocog.graph.preserve import preserved
from neocog.graph.walk import Follower

__all__ = ["Node", "Structure", "follow", "structure"]


@dataclass(frozen=True, kw_only=True)
class Node:
    """One step of a computation.

    Args:
        id: its place in the order of computing; 0 is the input.
        key: identifies it in another run: module, operation, how often it was met before.
        name: of the submodule; of the one that performs it for a free operation.
        free: whether it is an operation that a larger module performs itself.
        kind: conv, linear, norm, activation, pool, add, cat, softmax, reshape, input, output or
            other.
        label: a short name.
        op: class of the module, or name of the operation.
        ops: the operations on data inside it, in order.
        shape: of its output for one sample, without the batch axis.
        spatial: its output is a map, (C, *space).
        params: numbers in parameters that it is the first to use.
        macs: products that are summed, for one sample.
        sources: ids of the nodes whose outputs it takes.
    """

    id: int
    key: tuple[str, str, int]
    name: str
    free: bool
    kind: str
    label: str
    op: str
    ops: tuple[str, ...]
    shape: tuple[int, ...]
    spatial: bool
    params: int
    macs: int
    sources: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Structure:
    """What a network computes.

    Args:
        nodes: in the order of computing; the first is the input, the last the output.
        opened: names of modules that were taken apart into their operations.
    """

    nodes: tuple[Node, ...]
    opened: frozenset[str]

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(from, to), each pair once."""
        return tuple((s, n.id) for n in self.nodes for s in n.sources)

    @property
    def output(self) -> Node:
        """What comes out."""
        return self.nodes[-1]

    def id_of(self, key: tuple[str, str, int]) -> int | None:
        """The node that another run met under a key."""
        return next((n.id for n in self.nodes if n.key == key), None)


def structure(module: nn.Module, x: Tensor) -> Structure:
    """The graph of a module for one sample.

    The module keeps its mode, parameters, buffers, gradients and hooks.

    Args:
        module: any module that takes one tensor.
        x: a sample, (1, C, H, W) or (1, C, N).

    Raises:
        ModelError: the module fails on it.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
        >>> graph = structure(net, torch.zeros(1, 1, 4, 4))
        >>> [n.kind for n in graph.nodes]
        ['input', 'conv', 'activation', 'reshape', 'linear', 'output']
        >>> graph.edges
        ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5))
    """
    opened: frozenset[str] = frozenset()
    with preserved(module):
        while True:
            run = follow(module, x.clone(), opened=opened, counts=True)
            more = run.networks - opened
            if not more:
                break
            opened |= more
    return Structure(nodes=tuple(_nodes(run)), opened=opened)


def follow(
    module: nn.Module,
    x: Tensor,
    *,
    opened: frozenset[str] = frozenset(),
    on_node: Callable[[Moment], object] | None = None,
    on_write: Callable[[Tensor], object] | None = None,
    pieces: bool = False,
    counts: bool = False,
) -> Follower:
    """Send a sample through and meet its nodes as they are computed.

    Args:
        module: any module that takes one tensor, in the mode in which it shall run.
        x: a sample, (1, C, *space).
        opened: modules that are taken apart, as `structure` found them.
        on_node: called with each node when it is computed. What it is given may be written over
            afterwards, by an operation that works in place.
        on_write: called with what such an operation is about to write over.
        pieces: keep what operations in place write over, so that a node's operations can be
            looked at with the numbers that they had.
        counts: count parameters and MACs.

    Raises:
        ModelError: the module fails on the sample.
    """
    run = Follower(
        module,
        x,
        opened=opened,
        on_node=on_node,
        on_write=on_write,
        pieces=pieces,
        counts=counts,
    )
    try:
        with torch.no_grad(), watching(module, run):
            out = module(x)
    except NeocogError:
        raise
    except Exception as e:  # of any kind: an external forward may raise anything
        shape = " × ".join(str(n) for n in x.shape[1:])
        raise ModelError(
            "Inspecting a network needs a forward pass of one sample; the module fails on one of "
            f"{shape} ({type(e).__name__}: {e}). Give its input size."
        ) from e
    run.finish(out)
    return run


def _nodes(run: Follower) -> list[Node]:
    """The moments of a run without what held its tensors."""
    return [
        Node(
            id=k,
            key=m.key,
            name=m.name,
            free=m.free,
            kind=m.kind,
            label=m.label,
            op=m.op,
            ops=tuple(p.op.name for p in m.pieces),
            shape=m.shape,
            spatial=m.spatial,
            params=m.params,
            macs=m.macs,
            sources=tuple(sorted(m.sources)),
        )
        for k, m in enumerate(run.moments)
    ]
