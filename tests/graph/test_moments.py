"""The operations inside a node, and where their arguments come from."""

import torch

from neocog.graph.moments import Link, Piece, arguments, writes_over
from neocog.graph.operations import Operation

A, B = torch.ones(1, 2), torch.zeros(1, 2)
CAT = Operation("", "cat", torch.ops.aten.cat.default, ([A, B], 1), {}, torch.cat([A, B], 1))


def test_tensors_of_a_list_are_found_with_their_place() -> None:
    assert [path for path, _ in arguments(CAT)] == [(0, 0), (0, 1)]
    piece = Piece(CAT, (Link((0, 0), -1, 3), Link((0, 1), 0, -1), Link((0, 1), -1, 3)))
    assert piece.sources == (3,)  # each once, and what is made inside is none
    assert piece.operand(piece.links[1]) is B


def test_an_operation_in_place_writes_over_its_first_argument() -> None:
    x = torch.ones(2)
    relu = torch.ops.aten.relu_.default
    assert writes_over(Operation("", "relu", relu, (x,), {}, relu(x)))
    assert not writes_over(CAT)
