"""The receptive field of a module that is understood."""

from __future__ import annotations

from torch import nn

from neocog.graph.receptive_field import receptive_field

__all__ = ["only"]


def only(module: nn.Module, size: tuple[int, ...]):
    f = receptive_field(module, size)
    assert f.status == "complete", f.unknown
    return f.of("")
