"""The same networks elsewhere: their names there, and the names of their tensors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from neocog.networks import efficientnet_lite

__all__ = ["EQUIVALENTS", "equivalent", "renamed"]

_RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
_VGGS = tuple(f"vgg{n}{end}" for n in (11, 13, 16, 19) for end in ("", "_bn"))
_CONVNEXTS = tuple(f"convnext_{m}" for m in ("atto", "femto", "pico", "nano", "tiny", "small"))
_STEM = {"stem": "published"}

EQUIVALENTS: dict[str, tuple[str, Mapping[str, object]]] = {
    **{f"{library}:{n}": (n, _STEM) for n in _RESNETS for library in ("timm", "torchvision")},
    **{f"torchvision:{n}": (n, {"head": "published"}) for n in _VGGS},
    "torchvision:alexnet": ("alexnet", {"stem": "published", "head": "published"}),
    "torchvision:mobilenet_v2": ("mobilenet_v2", _STEM),
    "timm:mobilenetv2_100": ("mobilenet_v2", _STEM),
    **{f"timm:{n}": (n, _STEM) for n in _CONVNEXTS},
    **{f"timm:tf_efficientnet_lite{m}": (f"efficientnet_lite{m}", {}) for m in range(5)},
}
"""LIBRARY:NAME to the network of the catalog that is the same, and the options that make it so."""


def equivalent(source: str) -> tuple[str, Mapping[str, object]] | None:
    """The network of the catalog that a library's is, with its options; None where it is none.

    Args:
        source: LIBRARY:NAME, of timm with or without a tag.

    Example:
        >>> equivalent("timm:resnet18.a1_in1k")
        ('resnet18', {'stem': 'published'})
    """
    return EQUIVALENTS.get(source.partition(".")[0])


def renamed(name: str, network: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under the names of a network, where they have those of the same network elsewhere.

    Those that have no counterpart there, such as a learned downsampling's, play no part.

    Args:
        name: of the network in the catalog.
        network: that was built.
        tensors: name to values.
    """
    own = network.state_dict()
    plain = {n.removeprefix("module."): value for n, value in tensors.items()}
    best, names = len(own.keys() & plain.keys()), dict[str, str]()
    for start, scheme in _SCHEMES:
        if name.startswith(start):
            there = scheme(own)
            if (count := len(there.keys() & plain.keys())) > best:
                best, names = count, there
    return {names.get(n, n): value for n, value in plain.items()} if names else dict(tensors)


def _convnext_of_timm(own: Mapping[str, object]) -> dict[str, str]:
    rules: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
        (r"stem\.conv", "stem.0."),
        (r"stem\.norm", "stem.1."),
        (r"stage(\d)\.downsample\.norm", lambda m: f"stages.{int(m[1]) - 1}.downsample.0."),
        (r"stage(\d)\.downsample\.conv", lambda m: f"stages.{int(m[1]) - 1}.downsample.1."),
        (r"stage(\d)\.blocks", lambda m: f"stages.{int(m[1]) - 1}.blocks."),
        (r"norm", "head.norm."),
        (r"classifier", "head.fc."),
    )
    names = {}
    for name in own:
        for pattern, there in rules:
            renamed, count = re.subn(rf"^{pattern}\.", there, name)
            if count:
                names[renamed] = name
    return names


def _mobilenet_of_torchvision(own: Mapping[str, object]) -> dict[str, str]:
    """Blocks are numbered through; their convolutions and norms are pairs, but for the last."""
    numbers: dict[tuple[str, str], int] = {}
    outer = {"conv_stem": "features.0.0", "bn1": "features.0.1", "classifier": "classifier.1"}
    outer |= {"conv_head": "features.18.0", "bn2": "features.18.1"}
    first = {"conv_dw": "0.0", "bn1": "0.1", "conv_pw": "1", "bn2": "2"}
    inner = {"conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1"}
    inner |= {"conv_pwl": "2", "bn3": "3"}
    names = {}
    for name in own:
        head, _, rest = name.partition(".")
        if head != "blocks":
            if head in outer:
                names[f"{outer[head]}.{rest}"] = name
            continue
        stage, block, part, last = rest.split(".", 3)
        number = numbers.setdefault((stage, block), len(numbers) + 1)
        parts = first if stage == "0" else inner
        if part in parts:
            names[f"features.{number}.conv.{parts[part]}.{last}"] = name
    return names


_SCHEMES: tuple[tuple[str, Callable[[Mapping[str, object]], dict[str, str]]], ...] = (
    ("efficientnet_lite", efficientnet_lite.released_names),
    ("mobilenet_v2", _mobilenet_of_torchvision),
    ("convnext", _convnext_of_timm),
)
"""Beginning of a network's name to (its state dict) → names elsewhere to names here."""
