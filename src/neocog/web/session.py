"""What one run of the explorer knows: one or two models, the pictures, and what was computed."""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from neocog.data.samples import Samples, batch_of
from neocog.errors import ModelError
from neocog.explainers.grad_cam import Cam, grad_cam
from neocog.explainers.maps.cells import Cells
from neocog.graph.output_kind import kind_of, probabilities
from neocog.verbs.explain_cells import cells_of
from neocog.web.album import Album
from neocog.web.asked import whole
from neocog.web.network import Network
from neocog.web.still import Still, Stills

__all__ = ["ANSWERED", "Answers", "Session"]

ANSWERED = 2000
"""Samples of a split whose answers are computed for sorting, at most."""

_KEPT = 64
"""Slow results that are kept."""

_STAY = ("audit", "answers")
"""Those that are never forgotten: one a model, or a split of it."""

T = TypeVar("T")


@dataclass(frozen=True)
class Answers:
    """What a classifier says of the first samples of a split.

    Args:
        predicted: class indices.
        p: of these.
        entropy: of the probabilities, in nats.
    """

    predicted: np.ndarray
    p: np.ndarray
    entropy: np.ndarray


class Session:
    """One explorer.

    Args:
        networks: the models, one or two.
        album: the pictures.
        stop: whether what the calling thread does is unwanted; slow work ends then.
    """

    def __init__(
        self, networks: list[Network], album: Album, *, stop: Callable[[], bool] | None = None
    ) -> None:
        self.networks, self.album = networks, album
        self.stop = stop or (lambda: False)
        self._stills = Stills()
        self._chosen: dict[tuple[int, str], tuple[str, str]] = {}
        self._cells: dict[tuple[int, str], Cells | None] = {}
        self._slow: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._stays: dict[tuple[Any, ...], Any] = {}
        self._copies: dict[tuple[int, str], nn.Module] = {}
        self._lock = threading.Lock()

    def network(self, asked: Mapping[str, Any]) -> Network:
        """The model that a question is about; the first if it does not say.

        Raises:
            UsageError: there is no such model.
        """
        return self.networks[whole(asked, "model", 0, low=0, high=len(self.networks) - 1)]

    def still(self, model: int, id: str) -> Still:
        """A picture as it is, seen by a model."""
        x = self.album.values(id, model)  # also for what is kept: a picture may be forgotten
        return self._stills.get((model, id), lambda: Still(self.networks[model], x))

    def truth(self, network: Network, id: str) -> dict[str, Any] | None:
        """What a picture is, with its name."""
        k = self.album.truth(id, self.networks.index(network))
        if k is None or network.task != "classify":
            return None
        name = network.classes[k] if k < len(network.classes) else str(k)
        return {"index": k, "name": name}

    def cam(
        self, model: int, x: Tensor, *, layer: str | None, target: int | None, method: str
    ) -> tuple[Cam, str]:
        """A Grad-CAM map, its cells where they lie, and why of this layer. It is chosen once."""
        network = self.networks[model]
        key = (model, method)
        named = (network.full(layer), "it was named") if layer is not None else None
        name, reason = named or self._chosen.get(key, ("", ""))
        if not name:
            cam = grad_cam(network.module, x, target=target, method=method)
            name, reason = self._chosen[key] = (cam.layer, cam.layer_reason)
        else:
            cam = grad_cam(network.module, x, layer=name, target=target, method=method)
        if (model, name) not in self._cells:
            size = (network.channels, *network.size)
            self._cells[model, name] = cells_of(network.module, size, name, cam.layout)
        return replace(cam, cells=self._cells[model, name]), reason

    def prepare(self) -> None:
        """Look into the models once."""
        for network in self.networks:
            network.graph, network.seen, network.cost  # noqa: B018 (looked at once)

    # ---- slow work: each kind on a copy of the model and in a thread of its own

    def copies(self, kind: str) -> None:
        """Copy the models for a kind of slow work, where steps are done: between two of them."""
        for model in range(len(self.networks)):
            self.copy(model, kind)

    def copy(self, model: int, kind: str) -> nn.Module:
        """A copy of a model, so that a kind of slow work meets no other work in one module.

        The weights lie in memory once. Each of its passes first asks whether the work is wanted.

        Raises:
            ModelError: it cannot be copied.
        """
        key = (model, kind)
        if key not in self._copies:
            try:
                made = _copied(self.networks[model].module)
            except Exception as e:  # whatever a stranger's module holds
                raise ModelError(
                    "What takes a while is done on a copy of the model, and this one cannot be "
                    f"copied ({type(e).__name__}). Its steps and its arithmetic can be shown."
                ) from e
            made.register_forward_pre_hook(lambda module, given: self.go_on())
            self._copies[key] = made
        return self._copies[key]

    def go_on(self) -> None:
        """Let slow work go on that somebody waits for.

        Raises:
            KeyboardInterrupt: nobody does.
        """
        if self.stop():
            raise KeyboardInterrupt

    def kept(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """A slow result; the oldest are forgotten."""
        with self._lock:
            if key in self._stays:
                stays: T = self._stays[key]
                return stays
            if key in self._slow:
                self._slow.move_to_end(key)
                known: T = self._slow[key]
                return known
        found = make()
        with self._lock:
            if key[0] in _STAY:
                self._stays[key] = found
                return found
            self._slow[key] = found
            while len(self._slow) > _KEPT:
                self._slow.popitem(last=False)
        return found

    def has(self, key: tuple[Any, ...]) -> bool:
        """Whether a slow result is kept."""
        return key in self._slow or key in self._stays

    def few(self, split: str, model: int) -> Samples:
        """The first samples of a split, as many as are answered."""
        samples = self.album.samples(split, model)
        n = min(len(samples), ANSWERED)
        return Samples(samples.x, samples.y, samples.names, np.arange(n))

    def answers(self, split: str, model: int) -> Answers:
        """What a classifier says of the first samples of a split."""
        return self.kept(("answers", split, model), lambda: self._answers(split, model))

    def _answers(self, split: str, model: int) -> Answers:
        network, samples = self.networks[model], self.few(split, model)
        module = self.copy(model, "pictures")
        step = batch_of(samples, None)
        rows: list[Tensor] = []
        for start in range(0, len(samples), step):
            x = samples.take(slice(start, min(len(samples), start + step)))
            logits = network.logits(x, module=module).double()
            rows.append(probabilities(logits, kind_of(network.module)))
        p = torch.cat(rows)
        best = p.max(1)
        entropy = -(p * p.clamp(min=1e-300).log()).sum(1)
        return Answers(best.indices.numpy(), best.values.numpy(), entropy.numpy())


def _copied(module: nn.Module) -> nn.Module:
    """A module of its own, with gradients of its own, that shares the numbers of the parameters."""
    shared: dict[int, Any] = {
        id(p): nn.Parameter(p.detach(), requires_grad=p.requires_grad)
        for p in module.parameters()
        if type(p) is nn.Parameter
    }
    return copy.deepcopy(module, shared).eval()
