"""Find the downsamplers of a network."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from neocog.errors import ModelError
from neocog.keywords import known_keywords
from neocog.layers.downsample import Downsampling, downsampling_of
from neocog.surgery.graph import Untraceable, trace
from neocog.surgery.replace import Surgeon

__all__ = ["Downsampler", "find_downsamplers"]


@dataclass(frozen=True, kw_only=True)
class Downsampler:
    """A downsampler of a network.

    Args:
        name: of the module, or position and name of a function.
        what: operator, window, stride.
        group: name of the first downsampler that must keep the same phase.
        reason: why it cannot be replaced, or "".
    """

    name: str
    what: str
    group: str
    reason: str


@known_keywords
def find_downsamplers(
    module: nn.Module, example: Tensor, *, downsampling: str | Downsampling = "polyphase"
) -> tuple[Downsampler, ...]:
    """All downsamplers of a network, in the order of its graph.

    Args:
        module: takes one tensor (B, C, spatial axes); not changed.
        example: two samples or more of the intended size.
        downsampling: of the replacement.

    Raises:
        UsageError: unknown downsampling.
        ModelError: the network cannot be traced, or fails on the example.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv1d(1, 4, 3, stride=2), nn.MaxPool1d(2))
        >>> [(f.name, f.what) for f in find_downsamplers(net, torch.zeros(2, 1, 16))]
        [('0', 'convolution 3, stride 2'), ('1', 'max pool 2, stride 2')]
    """
    kind = downsampling_of(downsampling) if isinstance(downsampling, str) else downsampling
    try:
        traced = trace(module, example)
    except Untraceable as e:
        raise ModelError(
            f"Finding downsamplers needs a traced graph, and this network cannot be traced: {e}. "
            "Use `blur` or `ideal`, which need no graph, or rewrite the network."
        ) from e
    surgeon = Surgeon(traced, kind, "", circular=False)
    return tuple(
        Downsampler(
            name=s.name,
            what=s.what,
            group=surgeon.group(s),
            reason=surgeon.reasons.get(s.node, ""),
        )
        for s in surgeon.grids.samplers
    )
