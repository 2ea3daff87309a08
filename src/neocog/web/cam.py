"""Grad-CAM of a step, from the very pass that gives the feature maps.

A gradient at a layer needs the run from there on and no more. So where a layer is known, the pass
that is made for the feature maps anyway records gradients from that layer, and one short backward
pass is all that Grad-CAM adds. What cannot be had so is computed by a separate pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from neocog.errors import UsageError
from neocog.explainers.grad_cam import Cam, grad_cam
from neocog.explainers.maps.cells import Cells
from neocog.explainers.maps.channel_weights import method_of
from neocog.explainers.maps.objective import value
from neocog.graph.activations import exchanging, first_tensor
from neocog.graph.hooks import hooked
from neocog.graph.replay import Keep
from neocog.verbs.explain_cells import cells_of
from neocog.web.network import Network
from neocog.web.query import whole, words

__all__ = ["Cams", "Explained", "Wanted"]

Explained = tuple[Cam, str]
"""A map, and why it is of its layer."""


@dataclass(frozen=True)
class Wanted:
    """Which map.

    Args:
        layer: by the name that a user knows; chosen if left out.
        target: class; the predicted one if left out.
        method: one of `neocog.explainers.grad_cam.METHODS`.
    """

    layer: str | None = None
    target: int | None = None
    method: str = "grad_cam"

    @classmethod
    def of(cls, plain: object) -> Wanted | None:
        """From what a page sends.

        Raises:
            UsageError: it is neither an object nor null.
        """
        if plain is None:
            return None
        if not isinstance(plain, Mapping):
            raise UsageError("`cam` is an object with target, layer and method, or null.")
        target = plain.get("target")
        if target is not None:
            target = whole(plain, "target", None, low=0, high=10**6)
        layer = words(plain, "layer", "") or None
        return cls(layer, target, words(plain, "method", "") or "grad_cam")


class Cams:
    """Grad-CAM maps of one model.

    Args:
        network: whose.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._known: dict[tuple[str | None, str], Explained] = {}
        self._cells: dict[str, Cells | None] = {}
        self._apart: set[str] = set()

    def of(self, x: Tensor, wanted: Wanted) -> Explained:
        """A map by a separate pass; a layer is chosen once for each method.

        Raises:
            NeocogError: there is no such layer, class or method.
        """
        network, key = self.network, (wanted.layer, wanted.method)
        known = self._known.get(key)
        layer = None if wanted.layer is None else network.full(wanted.layer)
        with torch.enable_grad():
            cam = grad_cam(
                network.module,
                x,
                layer=layer if known is None else known[0].layer,
                target=wanted.target,
                method=wanted.method,
            )
        if known is not None:
            reason = known[1]
        else:
            reason = cam.layer_reason if layer is None else "it was named"
        self._known[key] = replace(cam, cells=self._cells_of(cam)), reason
        return self._known[key]

    def along(
        self, x: Tensor, wanted: Wanted, keep: Keep | None = None
    ) -> tuple[list[Tensor | None], Explained]:
        """What every node gives out, or what is kept of it, and the map.

        Raises:
            NeocogError: there is no such layer, class or method.
        """
        known = self._known.get((wanted.layer, wanted.method))
        if known is None or known[0].layer in self._apart or method_of(wanted.method).class_free:
            return self.network.run(x, keep), self.of(x, wanted)
        values, leaves, output = self._recorded(x, known[0].layer, keep)
        if len(leaves) != 1 or output is None or not output.requires_grad:
            self._apart.add(known[0].layer)
            return values, self.of(x, wanted)
        with torch.enable_grad():
            numbers, targets = value(output, wanted.target)
        gradients = torch.autograd.grad(numbers.sum(), leaves, allow_unused=True)
        gradient: Tensor | None = gradients[0]
        if gradient is None:
            self._apart.add(known[0].layer)
            return values, self.of(x, wanted)
        layout, weigh = known[0].layout, method_of(wanted.method).weigh
        with torch.no_grad():
            maps = weigh(layout.maps(leaves[0].detach()), layout.maps(gradient))
        cam = replace(
            known[0],
            maps=maps,
            targets=targets,
            values=numbers.detach().float(),
            outputs=output.detach(),
        )
        return values, (cam, known[1])

    def _recorded(
        self, x: Tensor, layer: str, keep: Keep | None
    ) -> tuple[list[Tensor | None], list[Tensor], Tensor | None]:
        """A run that records gradients behind a layer: all outputs, its own as a leaf, the last."""
        leaves: list[Tensor] = []
        outputs: list[Tensor | None] = []

        def exchange(t: Tensor) -> Tensor:
            torch.set_grad_enabled(True)  # up to the end of the run, which sets it back
            leaves.append(t.detach().requires_grad_())
            with _disable_current_modes():
                return leaves[-1].clone()  # what comes next may work on it in place

        def last(name: str, module: Any, given: Any, out: Any) -> None:
            outputs.append(first_tensor(out))

        module = self.network.module
        keeping = hooked([("", module)], after=last)
        with torch.no_grad(), keeping, exchanging(module, layer, exchange):
            values = self.network.run(x, keep)
        plain = [None if v is None else v.detach() for v in values]
        return plain, leaves, outputs[-1] if outputs else None

    def _cells_of(self, cam: Cam) -> Cells | None:
        if cam.layer not in self._cells:
            network = self.network
            size = (network.channels, *network.size)
            self._cells[cam.layer] = cells_of(network.module, size, cam.layer, cam.layout)
        return self._cells[cam.layer]
