"""The arithmetic of a unit, and whether it is PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from neocog.explainers.arithmetic.unit import Arithmetic, arithmetic
from neocog.graph.moments import Moment
from neocog.graph.structure import follow

__all__ = ["ROUNDING", "agree", "looked"]


ROUNDING = 2e-5
"""Relative to the numbers summed: PyTorch adds in float32 and in another order."""


def looked(net: nn.Module, x: Tensor, index, at: int = -1) -> Arithmetic:
    """The arithmetic of an element of a node; the last before the output by default."""
    found: list[tuple[str, Arithmetic]] = []

    def look(moment: Moment) -> None:
        if moment.pieces and len(index) == len(moment.shape):
            inside = all(i < n for i, n in zip(index, moment.shape, strict=True))
            if inside:
                found.append((moment.label, arithmetic(moment, index)))

    follow(net.eval(), x, on_node=look, pieces=True)
    return found[at][1]


def agree(net: nn.Module, x: Tensor, index) -> Arithmetic:
    """The number is PyTorch's, and is computed again from what is shown."""
    with torch.no_grad():
        truth = float(net.eval()(x.clone())[(0, *index)])
    found = looked(net, x, index)
    assert found.value == truth
    assert found.computed == pytest.approx(truth, rel=ROUNDING, abs=ROUNDING)
    return found
