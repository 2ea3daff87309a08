"""What came of an operation on a network."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

__all__ = ["Replaced", "Skipped", "Surgery"]


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """A downsampler that was replaced.

    Args:
        name: the module's, or the place and name of a function.
        was: operator, window, stride.
        now: the same, and what follows or precedes it.
        group: the name of the first of those that keep the same samples.
    """

    name: str
    was: str
    now: str
    group: str


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A downsampler, or a border, that stays as it was.

    Args:
        name: the module's, or the place and name of a function.
        what: it is.
        reason: why it stays.
    """

    name: str
    what: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Surgery:
    """A network that was changed.

    Args:
        module: the new one, in evaluation mode; the old one is as it was.
        replaced: in the order of the graph.
        skipped: what could not be replaced.
        remarks: sentences on what the new one still cannot do.
    """

    module: nn.Module
    replaced: tuple[Replaced, ...]
    skipped: tuple[Skipped, ...]
    remarks: tuple[str, ...] = ()
