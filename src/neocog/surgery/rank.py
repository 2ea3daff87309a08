"""Which downsampler to replace first: gain against cost, each tried alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from neocog.layers.downsample import Downsampling
from neocog.surgery.replace import replace
from neocog.surgery.result import Surgery

__all__ = ["Advice", "advise"]


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What comes of replacing one group of downsamplers, weights as they are.

    Args:
        group: name of its first.
        members: names of all that share its samples, or a module with one that does.
        flips: way of shifting to how much smaller the share of answers that change becomes.
        macs: products that are summed for one sample, more than before.
    """

    group: str
    members: tuple[str, ...]
    flips: Mapping[str, float]
    macs: int

    @property
    def gain(self) -> float:
        """The mean over the ways of shifting."""
        return sum(self.flips.values()) / len(self.flips)

    @property
    def worth(self) -> float:
        """Gain for each million products added; what costs nothing is worth most."""
        if self.macs > 0:
            return self.gain / self.macs * 1e6
        return math.copysign(math.inf, self.gain) if self.gain else 0.0


def advise(
    module: nn.Module,
    example: Tensor,
    *,
    downsampling: str | Downsampling,
    padding: str,
    flips: Callable[[nn.Module], Mapping[str, float]],
    macs: Callable[[nn.Module], int],
    seed: int = 0,
) -> tuple[Advice, ...]:
    """Replace each group alone, and measure.

    Args:
        module: takes one tensor; is left as it is.
        example: two samples or more.
        downsampling: of the samplers that come in.
        padding: as for `replace`; each group is compared with the same borders and no sampler.
        flips: a network to the share of answers that change, for each way of shifting.
        macs: a network to the products that one sample costs.
        seed: of the weights that a sampler may have.

    Returns:
        The groups, what is worth most first.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> found = advise(net, torch.zeros(2, 1, 8, 8), downsampling="blur", padding="keep",
        ...     flips=lambda m: {"circular": 0.0}, macs=lambda m: len(list(m.modules())))
        >>> [a.group for a in found]
        ['0']
    """

    def mended(only: Collection[str] | None) -> Surgery:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return replace(module, example, downsampling=downsampling, padding=padding, only=only)

    whole = mended(None)
    groups = dict.fromkeys(r.group for r in whole.replaced)
    if not groups:
        return ()
    start = mended(()).module
    before, spent = flips(start), macs(start)
    out = []
    seen: set[str] = set()
    for group in groups:
        if group in seen:  # with one before, whose module it shares
            continue
        tried = mended([group])
        seen |= {r.group for r in tried.replaced}
        after = flips(tried.module)
        out.append(
            Advice(
                group=group,
                members=tuple(r.name for r in tried.replaced),
                flips={mode: before[mode] - after[mode] for mode in before},
                macs=macs(tried.module) - spent,
            )
        )
    return tuple(sorted(out, key=lambda a: (-a.worth, -a.gain, a.group)))
