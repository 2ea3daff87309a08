"""The table of self-supervised methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from neocog.errors import UsageError, did_you_mean, printable
from neocog.tasks.pretext.barlow_twins import BarlowTwins
from neocog.tasks.pretext.byol import BYOL
from neocog.tasks.pretext.emp_ssl import MultiCrop
from neocog.tasks.pretext.masked import Masked
from neocog.tasks.pretext.method import Encoder, PretextMethod
from neocog.tasks.pretext.rotation import RotationPrediction
from neocog.tasks.pretext.simclr import SimCLR
from neocog.tasks.pretext.simsiam import FastSiam
from neocog.tasks.pretext.vicreg import VICReg

__all__ = ["METHODS", "MethodLine", "build_method"]


@dataclass(frozen=True)
class MethodLine:
    """One method.

    Args:
        build: from an encoder and the number of channels of the images.
        about: what it learns from, half a sentence.
        views: of each image in a batch, as of the method itself.
        least: images in a batch, at least: 2 where the loss compares images with each other.
    """

    build: Callable[[Encoder, int], PretextMethod]
    about: str
    views: int = 2
    least: int = 1


def _byol(encoder: Encoder, channels: int) -> BYOL:
    method = BYOL(encoder.width)
    method.begin(encoder)
    return method


METHODS = {
    "simclr": MethodLine(
        lambda e, c: SimCLR(e.width),
        "two views against all other images (Chen et al. 2020)",
        least=2,
    ),
    "vicreg": MethodLine(
        lambda e, c: VICReg(e.width),
        "views agree, dimensions vary and differ (Bardes et al. 2022)",
        least=2,
    ),
    "barlow-twins": MethodLine(
        lambda e, c: BarlowTwins(e.width),
        "views correlate, dimensions do not (Zbontar 2021)",
        least=2,
    ),
    "byol": MethodLine(_byol, "a slow copy's embedding is predicted (Grill et al. 2020)"),
    "fastsiam": MethodLine(
        lambda e, c: FastSiam(e.width),
        "the mean embedding of three other views is predicted (Pototzky et al. 2022)",
        views=4,
    ),
    "emp-ssl": MethodLine(
        lambda e, c: MultiCrop(e.width),
        "eight crops agree and fill the space (Tong et al. 2023)",
        views=8,
        least=2,
    ),
    "rotation": MethodLine(
        lambda e, c: RotationPrediction(e.width),
        "by which multiple of 90° it was rotated (Gidaris et al. 2018)",
        views=1,
    ),
    "masked": MethodLine(Masked, "blanked squares are filled in (after Xie et al. 2022)", views=1),
}
"""Name to method."""


def build_method(name: str, encoder: Encoder, *, channels: int) -> PretextMethod:
    """A method with random layers, from PyTorch's global generator.

    Args:
        name: one of `METHODS`.
        encoder: that it trains.
        channels: of the images.

    Raises:
        UsageError: there is no such method, or the network does not suit it.
    """
    if name not in METHODS:
        raise UsageError(
            f"`{printable(name[:60])}` is not a self-supervised method. "
            f"{did_you_mean(name[:60], METHODS)}"
        )
    if name == "masked" and not encoder.stage:
        raise UsageError(
            "Masked reconstruction needs a network whose last feature map is known, as those of "
            "`neocog models` that have stages; this one has none. Take --method simclr."
        )
    return METHODS[name].build(encoder, channels)
