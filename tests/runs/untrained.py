"""A run of a network that nobody trained."""

from __future__ import annotations

from pathlib import Path

from neocog.models.model import Model
from neocog.networks.catalog import build
from neocog.networks.model import SpecifiedNetwork
from neocog.types import InputSpec, ModelSpec

__all__ = ["CONTRACT", "OPTIONS", "SIGNAL", "trained"]


SIGNAL = InputSpec(channels=1, size=(32, 32), mean=(0.5,), std=(0.25,), resize_mode="crop")


CONTRACT = ModelSpec(task="classify", classes=("a", "b"), input=SIGNAL)


OPTIONS = {"widths": (4, 8), "depths": (1, 1)}


def trained(downsampling: str) -> Model:
    """A small network of ours, as if it had been trained."""
    options = {**OPTIONS, "downsampling": downsampling}
    network = build("convnet", num_classes=2, in_channels=1, size=(32, 32), options=options)
    card = {"network": {"name": "convnet", "options": options}}
    return Model(SpecifiedNetwork(network, CONTRACT).eval(), card, Path("runs/small"))
