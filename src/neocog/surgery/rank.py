"""Rank downsamplers: flips saved per extra MAC, each replaced alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from neocog.jsonable import Jsonable, keys
from neocog.layers.downsample import Downsampling
from neocog.surgery.replace import replace
from neocog.surgery.result import Surgery

__all__ = ["GroupRank", "rank_groups"]


@dataclass(frozen=True, kw_only=True)
class GroupRank(Jsonable):
    """Effect of replacing one group of downsamplers, without training.

    Args:
        group: name of its first downsampler.
        members: names of all that share its phase, or a module with one that does.
        flips: kind of shift to the decrease of the flip rate.
        macs: extra MACs per sample.
    """

    JSON = keys("...", "gain")

    group: str
    members: tuple[str, ...]
    flips: Mapping[str, float]
    macs: int

    @property
    def gain(self) -> float:
        """The mean over the kinds of shift."""
        return sum(self.flips.values()) / len(self.flips)

    @property
    def efficiency(self) -> float:
        """Gain per million extra MACs; infinite without extra MACs."""
        if self.macs > 0:
            return self.gain / self.macs * 1e6
        return math.copysign(math.inf, self.gain) if self.gain else 0.0


def rank_groups(
    module: nn.Module,
    example: Tensor,
    *,
    downsampling: str | Downsampling,
    padding: str,
    flips: Callable[[nn.Module], Mapping[str, float]],
    macs: Callable[[nn.Module], int],
    seed: int = 0,
) -> tuple[GroupRank, ...]:
    """Replace each group alone, and measure.

    Args:
        module: takes one tensor; not changed.
        example: two samples or more.
        downsampling: of the replacements.
        padding: as for `replace`; each group is compared with the same padding and nothing
            replaced.
        flips: network to flip rate, for each kind of shift.
        macs: network to MACs per sample.
        seed: of the weights of new layers.

    Returns:
        The groups, the most efficient first.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> found = rank_groups(
        ...     net, torch.zeros(2, 1, 8, 8), downsampling="blur", padding="keep",
        ...     flips=lambda m: {"circular": 0.0}, macs=lambda m: len(list(m.modules())))
        >>> [a.group for a in found]
        ['0']
    """

    def converted(only: Collection[str] | None) -> Surgery:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return replace(module, example, downsampling=downsampling, padding=padding, only=only)

    whole = converted(None)
    groups = dict.fromkeys(r.group for r in whole.replaced)
    if not groups:
        return ()
    start = converted(()).module
    before, baseline_macs = flips(start), macs(start)
    out = []
    done: set[str] = set()
    for group in groups:
        if group in done:  # with an earlier group that shares its module
            continue
        attempt = converted([group])
        done |= {r.group for r in attempt.replaced}
        after = flips(attempt.module)
        out.append(
            GroupRank(
                group=group,
                members=tuple(r.name for r in attempt.replaced),
                flips={mode: before[mode] - after[mode] for mode in before},
                macs=macs(attempt.module) - baseline_macs,
            )
        )
    return tuple(sorted(out, key=lambda a: (-a.efficiency, -a.gain, a.group)))
