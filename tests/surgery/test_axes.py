"""Axes of a tensor through changes of its shape."""

import torch
from torch import fx

from neocog.surgery.axes import blocks, joined, paired, permuted, stacked, summed


def node(call, *, method: bool = True) -> fx.Node:
    graph = fx.symbolic_trace(call).graph
    kind = "call_method" if method else "call_function"
    return next(n for n in graph.nodes if n.op == kind)


def test_axes_go_where_they_are_permuted() -> None:
    # (B, C, H, W) to (B, H, W, C): rows are axis 1, columns axis 2
    assert permuted(node(lambda x: x.permute(0, 2, 3, 1)), (2, 3), 4) == (1, 2)
    assert permuted(node(lambda x: x.transpose(1, -1)), (2, 3), 4) == (2, 1)


def test_axes_that_are_summed_or_stacked() -> None:
    assert summed(node(lambda x: x.mean((2, -1))), 4) == {2, 3}
    assert summed(node(lambda x: x.relu()), 4) == set()
    assert stacked(node(lambda x: torch.stack([x, x], -1), method=False), 5) == 4


def test_sizes_that_say_what_became_of_space() -> None:
    assert blocks((1, 3, 4, 2, 4, 2), (8, 8))  # 8 rows as 4 × 2, and 8 columns
    assert not blocks((1, 3, 8, 8), (8, 8))
    assert joined((1, 192), (1, 3, 8, 8))
    assert not joined((1, 3, 64), (1, 3, 8, 8))
    assert paired((8, 1), (1, 3, 8, 8), (2,))
    assert not paired((8, 1), (1, 3, 8, 8), (3,))
