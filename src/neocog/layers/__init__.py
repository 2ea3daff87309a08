"""Building blocks of networks: pure functions and the thin modules that hold their parameters.

    from neocog.layers import BlurPool2d, MaxBlurPool2d, PolyphaseDown2d

Names that end in 1d and 2d are for readers: a class with both takes series (B, C, N) and images
(B, C, H, W) alike. Each is opened when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neocog.layers.aligned import aligned_window
    from neocog.layers.blocks import CircularConv2d
    from neocog.layers.blur import BlurPool as BlurPool1d
    from neocog.layers.blur import BlurPool as BlurPool2d
    from neocog.layers.blur import MaxBlurPool as MaxBlurPool1d
    from neocog.layers.blur import MaxBlurPool as MaxBlurPool2d
    from neocog.layers.fieldwise import (
        FieldActivation,
        FieldDropout,
        FieldNorm2d,
        FourierActivation,
        GatedActivation,
        InvariantPool,
        NormReLU,
        Restriction,
    )
    from neocog.layers.harmonic import ComplexReLU, HarmonicConv2d, MagnitudeNorm2d
    from neocog.layers.local import LocallyConnected2d
    from neocog.layers.lowpass import AliasFreeActivation
    from neocog.layers.lowpass import IdealDown as IdealDown1d
    from neocog.layers.lowpass import IdealDown as IdealDown2d
    from neocog.layers.normalize import LocalResponseNorm
    from neocog.layers.partial import PartialConv2d
    from neocog.layers.plain import to_plain
    from neocog.layers.pnorm import PNormPool as PNormPool1d
    from neocog.layers.pnorm import PNormPool as PNormPool2d
    from neocog.layers.polyphase import ChoosePhase, LearnedChoice
    from neocog.layers.polyphase import PolyphaseDown as PolyphaseDown1d
    from neocog.layers.polyphase import PolyphaseDown as PolyphaseDown2d
    from neocog.layers.polyphase import PolyphaseUp as PolyphaseUp1d
    from neocog.layers.polyphase import PolyphaseUp as PolyphaseUp2d
    from neocog.layers.steerable import SteerableConv2d
    from neocog.layers.symmetrized import CanonicalPose, GroupAverage

__all__ = [
    "AliasFreeActivation",
    "BlurPool1d",
    "BlurPool2d",
    "CanonicalPose",
    "ChoosePhase",
    "CircularConv2d",
    "ComplexReLU",
    "FieldActivation",
    "FieldDropout",
    "FieldNorm2d",
    "FourierActivation",
    "GatedActivation",
    "GroupAverage",
    "HarmonicConv2d",
    "IdealDown1d",
    "IdealDown2d",
    "InvariantPool",
    "LearnedChoice",
    "LocalResponseNorm",
    "LocallyConnected2d",
    "MagnitudeNorm2d",
    "MaxBlurPool1d",
    "MaxBlurPool2d",
    "NormReLU",
    "PNormPool1d",
    "PNormPool2d",
    "PartialConv2d",
    "PolyphaseDown1d",
    "PolyphaseDown2d",
    "PolyphaseUp1d",
    "PolyphaseUp2d",
    "Restriction",
    "SteerableConv2d",
    "aligned_window",
    "to_plain",
]

_MODULES = {
    "aligned": ("aligned_window",),
    "blocks": ("CircularConv2d",),
    "blur": ("BlurPool", "MaxBlurPool"),
    "fieldwise": (
        *("FieldActivation", "FieldDropout", "FieldNorm2d", "FourierActivation"),
        *("GatedActivation", "InvariantPool", "NormReLU", "Restriction"),
    ),
    "harmonic": ("ComplexReLU", "HarmonicConv2d", "MagnitudeNorm2d"),
    "local": ("LocallyConnected2d",),
    "lowpass": ("AliasFreeActivation", "IdealDown"),
    "normalize": ("LocalResponseNorm",),
    "partial": ("PartialConv2d",),
    "plain": ("to_plain",),
    "pnorm": ("PNormPool",),
    "polyphase": ("ChoosePhase", "LearnedChoice", "PolyphaseDown", "PolyphaseUp"),
    "steerable": ("SteerableConv2d",),
    "symmetrized": ("CanonicalPose", "GroupAverage"),
}


def __getattr__(name: str) -> Any:
    for module, classes in _MODULES.items():
        for held in (name, name.removesuffix("1d").removesuffix("2d")):
            if held in classes and name in __all__:
                return getattr(importlib.import_module(f"neocog.layers.{module}"), held)
    raise AttributeError(f"module `neocog.layers` has no attribute `{name}`")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
