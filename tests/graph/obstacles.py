"""Obstacles to equivariance of a module, and its error under a rotation."""

from __future__ import annotations

import torch
from torch import nn

from neocog.graph.alignment import alignment

__all__ = ["rows_of", "said", "symmetric", "turn_error"]


def rows_of(module: nn.Module, size: tuple[int, ...], rule: str) -> list:
    found = alignment(module, size)
    assert found.status == "complete", found.unknown
    return [r for r in found.rows if r.rule == rule]


def said(module: nn.Module, size: tuple[int, ...], rule: str) -> set[str]:
    return {r.reason for r in rows_of(module, size, rule)}


def symmetric(module: nn.Module) -> nn.Module:
    """Every kernel is the same from all four sides."""
    module = module.double().eval()
    with torch.no_grad():
        for p in module.parameters():
            if p.dim() == 4:
                p.copy_(sum(p.rot90(k, (2, 3)) for k in range(4)) / 4)
    return module


def turn_error(module: nn.Module, n: int) -> float:
    x = torch.rand(1, 1, n, n, dtype=torch.float64)
    with torch.no_grad():
        y, turned = module(x), module(x.rot90(1, (2, 3)))
    return float((y.rot90(1, (2, 3)) - turned).norm() / y.norm())
