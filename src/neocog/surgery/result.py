"""The result of replacing downsamplers."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

__all__ = ["Replaced", "Skipped", "Surgery"]


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """A downsampler that was replaced.

    Args:
        name: of the module, or position and name of a function.
        was: operator, window, stride.
        now: the same, with the downsampling before or after it.
        group: name of the first downsampler with the same phase.
    """

    name: str
    was: str
    now: str
    group: str


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A downsampler or padding that was not replaced.

    Args:
        name: of the module, or position and name of a function.
        what: operator, window, stride.
        reason: why it was skipped.
    """

    name: str
    what: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Surgery:
    """A converted network.

    Args:
        module: the converted network, in evaluation mode; the original is unchanged.
        replaced: in the order of the graph.
        skipped: downsamplers and padding that were not replaced.
        remarks: remaining limitations, in sentences.
    """

    module: nn.Module
    replaced: tuple[Replaced, ...]
    skipped: tuple[Skipped, ...]
    remarks: tuple[str, ...] = ()
