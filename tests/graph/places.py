"""Modules that tell positions apart, and those that do not."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from neocog.graph.alignment import Alignment

__all__ = ["N", "Of", "symmetric", "turn_error", "ways"]


N = 24


def ways(found: Alignment, rule: str) -> set[str]:
    return {r.reason for r in found.rows if r.rule == rule}


class Of(nn.Module):
    """A function as a module."""

    def __init__(self, f: object, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        object.__setattr__(self, "f", f)  # no part of it, should it be a module

    def forward(self, x: Tensor) -> Tensor:
        return self.f(x, *self.parts)


def symmetric(net: nn.Module) -> nn.Module:
    """Kernels that look alike from all sides."""
    with torch.no_grad():
        for m in net.modules():
            if isinstance(m, nn.Conv2d):
                p = m.weight
                p.copy_(sum(p.rot90(k, (2, 3)) for k in range(4)) / 4)
                p.copy_((p + p.flip(3)) / 2)
    return net


def turn_error(net: nn.Module, n: int) -> float:
    x = torch.rand(1, 2, n, n, dtype=torch.float64)
    with torch.no_grad():
        still, turned, mirrored = net(x), net(x.rot90(1, (2, 3))), net(x.flip(3))
    return float(max((still - turned).abs().max(), (still - mirrored).abs().max()))
