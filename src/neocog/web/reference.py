"""An image as it is, seen by one model: kept, so that a motion costs one pass alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from neocog.graph.output_kind import kind_of, probabilities
from neocog.web.equivariance import Grids
from neocog.web.network import Network

__all__ = ["Reference", "References", "prediction_of"]


class Reference:
    """What every node gives out for an unshifted image.

    Args:
        network: the model.
        x: the image, (1, C, *space).
    """

    def __init__(self, network: Network, x: Tensor) -> None:
        self.network, self.x = network, x
        self.values = network.run(x)
        self._grids: dict[tuple[int, ...] | None, Grids] = {}
        self._reach: dict[int, tuple[Tensor, Tensor]] = {}

    def grids(self, nodes: tuple[int, ...] | None = None) -> Grids:
        """The maps of some nodes, or of all, by grid, to compare those of the moved image with."""
        if nodes not in self._grids:
            self._grids = {nodes: Grids(self.network, self.values, nodes)}  # the last one is kept
        return self._grids[nodes]

    @property
    def output(self) -> Tensor | None:
        """The model's output."""
        return self.values[-1]

    @property
    def bytes(self) -> int:
        """Memory that it takes, about."""
        return sum(8 * v.numel() for v in self.values if v is not None)

    def reach(self, node: int) -> tuple[Tensor, Tensor]:
        """The largest and smallest number of each channel of a node: the scale of its maps."""
        if node not in self._reach:
            value = self.values[node]
            maps = None if value is None else self.network.maps(self.network.node(node), value)
            if maps is None:
                zero = torch.zeros(1)
                flat = zero if value is None else value.flatten().float()
                self._reach[node] = flat.max()[None], flat.min()[None]
            else:
                flat = maps[0].flatten(1).float()
                self._reach[node] = flat.amax(1), flat.amin(1)
        return self._reach[node]

    def strongest(self, node: int, count: int) -> list[int]:
        """The channels of a node that say most of this image, in their own order."""
        value = self.values[node]
        maps = None if value is None else self.network.maps(self.network.node(node), value)
        if maps is None:
            return [0]
        strength = maps[0].flatten(1).float().abs().mean(1)
        best = strength.topk(min(count, len(strength))).indices
        return sorted(int(c) for c in best)


class References:
    """The last few, within a bound of memory.

    Args:
        limit: bytes that they may take together; the newest of each model is always kept.
    """

    def __init__(self, limit: int = 2**28) -> None:
        self.limit = limit
        self._kept: OrderedDict[tuple[int, str], Reference] = OrderedDict()

    def get(self, key: tuple[int, str], make: Callable[[], Reference]) -> Reference:
        """One that is kept, or a new one."""
        if key not in self._kept:
            self._kept[key] = make()
        self._kept.move_to_end(key)
        newest = {model: k for k in self._kept for model in (k[0],)}
        for old in list(self._kept):
            if sum(s.bytes for s in self._kept.values()) <= self.limit:
                break
            if old != newest[old[0]]:
                del self._kept[old]
        return self._kept[key]


def prediction_of(
    network: Network, output: Tensor | None, *, top: int, also: Sequence[int] = ()
) -> dict[str, Any]:
    """The prediction of a model, for JSON.

    A classifier's probabilities are those of a softmax, or its own; a segmenter's the
    fraction of pixels at which a class is the most probable one; a regressor has numbers.

    Args:
        network: the model.
        output: its output, (1, …).
        top: number of classes, the most probable first.
        also: classes that follow, if they are not among them.
    """
    if output is None or output.dim() < 2:
        return {"probabilities": [], "entropy": None}
    out = output[0].detach().float().cpu()
    if network.task == "regress":
        numbers = [float(v) for v in out.flatten()[:64]]
        return {"probabilities": [], "entropy": None, "values": numbers}
    if out.dim() == 1:
        p = probabilities(out.double(), kind_of(network.module), dim=0)
    else:
        first = out.argmax(0).flatten()
        p = torch.bincount(first, minlength=len(out)).double() / first.numel()
    best = p.topk(min(top, len(p))).indices.tolist()
    rows = [
        {"class": k, "name": _name(network, k), "p": float(p[k])}
        for k in dict.fromkeys((*best, *also))
    ]
    entropy = float(-(p * p.clamp(min=1e-300).log()).sum())
    return {"probabilities": rows, "entropy": entropy}


def _name(network: Network, k: int) -> str:
    return network.classes[k] if k < len(network.classes) else str(k)
