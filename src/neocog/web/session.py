"""What one run of the explorer knows: one or two models, the images, and what was computed."""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from neocog.data.samples import Samples, batch_of
from neocog.errors import ModelError
from neocog.graph.output_kind import kind_of, probabilities
from neocog.web.album import Album
from neocog.web.cam import Cams
from neocog.web.network import Network
from neocog.web.query import whole
from neocog.web.reference import Reference, References

__all__ = ["PREDICTED", "Predictions", "Session"]

PREDICTED = 2000
"""Samples of a split that are predicted for sorting, at most."""

_KEPT = 64
"""Slow results that are kept."""

_STAY = ("audit", "neighbors", "predictions")
"""Those that are never forgotten: one a model, or a split of it."""

T = TypeVar("T")


@dataclass(frozen=True)
class Predictions:
    """Predictions of a classifier for the first samples of a split.

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
        album: the images.
        stop: whether what the calling thread does is unwanted; slow work ends then.
    """

    def __init__(
        self, networks: list[Network], album: Album, *, stop: Callable[[], bool] | None = None
    ) -> None:
        self.networks, self.album = networks, album
        self.stop = stop or (lambda: False)
        self._references = References()
        self.cams = [Cams(network) for network in networks]
        self._slow: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._stays: dict[tuple[Any, ...], Any] = {}
        self._copies: dict[tuple[int, str], nn.Module] = {}
        self._lock = threading.Lock()

    def network(self, query: Mapping[str, Any]) -> Network:
        """The model that a question is about; the first if it does not say.

        Raises:
            UsageError: there is no such model.
        """
        return self.networks[whole(query, "model", 0, low=0, high=len(self.networks) - 1)]

    def reference(self, model: int, id: str) -> Reference:
        """An image as it is, seen by a model."""
        x = self.album.values(id, model)  # also for what is kept: an image may be forgotten
        return self._references.get((model, id), lambda: Reference(self.networks[model], x))

    def label(self, network: Network, id: str) -> dict[str, Any] | None:
        """What an image is, with its name."""
        k = self.album.label(id, self.networks.index(network))
        if k is None or network.task != "classify":
            return None
        name = network.classes[k] if k < len(network.classes) else str(k)
        return {"index": k, "name": name}

    def prepare(self) -> None:
        """Look into the models once."""
        for network in self.networks:
            network.graph, network.seen, network.cost  # noqa: B018 (looked at once)

    # ---- slow work: each kind on a copy of the model and in its own thread

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
            except Exception as e:  # whatever an external module holds
                raise ModelError(
                    "Longer computations run on a copy of the model, and this one cannot be copied "
                    f"({type(e).__name__}). Its feature maps and arithmetic still work."
                ) from e
            made.register_forward_pre_hook(lambda module, given: self.go_on())
            self._copies[key] = made
        return self._copies[key]

    def go_on(self) -> None:
        """Let slow work go on that a client waits for.

        Raises:
            KeyboardInterrupt: no client does.
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
        made = make()
        with self._lock:
            if key[0] in _STAY:
                self._stays[key] = made
                return made
            self._slow[key] = made
            while len(self._slow) > _KEPT:
                self._slow.popitem(last=False)
        return made

    def has(self, key: tuple[Any, ...]) -> bool:
        """Whether a slow result is kept."""
        return key in self._slow or key in self._stays

    def few(self, split: str, model: int) -> Samples:
        """The first samples of a split, as many as are predicted."""
        samples = self.album.samples(split, model)
        n = min(len(samples), PREDICTED)
        return Samples(samples.x, samples.y, samples.names, np.arange(n))

    def predictions(self, split: str, model: int) -> Predictions:
        """Predictions of a classifier for the first samples of a split."""
        return self.kept(("predictions", split, model), lambda: self._predict(split, model))

    def _predict(self, split: str, model: int) -> Predictions:
        network, samples = self.networks[model], self.few(split, model)
        module = self.copy(model, "images")
        step = batch_of(samples, None)
        rows: list[Tensor] = []
        for start in range(0, len(samples), step):
            x = samples.take(slice(start, min(len(samples), start + step)))
            logits = network.logits(x, module=module).double()
            rows.append(probabilities(logits, kind_of(network.module)))
        p = torch.cat(rows)
        best = p.max(1)
        entropy = -(p * p.clamp(min=1e-300).log()).sum(1)
        return Predictions(best.indices.numpy(), best.values.numpy(), entropy.numpy())


def _copied(module: nn.Module) -> nn.Module:
    """A copy of a module with separate gradients, whose parameters share memory."""
    shared: dict[int, Any] = {
        id(p): nn.Parameter(p.detach(), requires_grad=p.requires_grad)
        for p in module.parameters()
        if type(p) is nn.Parameter
    }
    return copy.deepcopy(module, shared).eval()
