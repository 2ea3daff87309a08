"""What a name that is no model may have been meant for."""

from __future__ import annotations

import os
import re
from pathlib import Path

from neocog.errors import did_you_mean, printable
from neocog.networks.catalog import NETWORKS

__all__ = ["suggestion"]

_FAMILY = re.compile(
    r"(alexnet|beit|caformer|cait|coat|convformer|convit|convmixer|convnext|crossvit|csp|darknet"
    r"|davit|deeplab|deit|densenet|dla|dm_nfnet|dpn|eca|edgenext|efficient|eva|fastvit|fcn_|fbnet"
    r"|focalnet|gc|gernet|ghostnet|googlenet|halonet|hgnet|hiera|hrnet|inception|lcnet|levit|lraspp"
    r"|ma?xx?vit|mixer|mixnet|mnasnet|mobile|mvit|nasnet|nest|nf_|nfnet|pit_|pnasnet|poolformer|pvt"
    r"|rdnet|regnet|rep|res2ne|resmlp|resne|rexnet|samvit|se_resne|semnasnet|sequencer|seresne"
    r"|shufflenet|skresne|squeezenet|swin|tf_|tiny|tnt|tresnet|twins|vgg|visformer|vit|volo|wide_"
    r"|xception|xcit)\w*\d|mobile|efficientnet|squeezenet|googlenet|densenet|alexnet|swin_|vit_"
    r"|convnext|shufflenet|regnet|mnasnet|inception|xception|resnet"
)
"""How names of networks begin in torchvision and timm."""


def suggestion(text: str) -> str:
    """What to do, in a sentence or two, where MODEL is none.

    Args:
        text: what was given for MODEL.

    Example:
        >>> suggestion("mobilenetv3_small")  # doctest: +ELLIPSIS
        'A library model is named `timm:mobilenetv3_small` or ...'
    """
    network, _, tag = text.partition(".")
    named = re.fullmatch(r"\w+", network) and re.fullmatch(r"[\w.-]*", tag) and tag != "py"
    hints = []
    if named and text in NETWORKS:
        hints.append(
            f"`{text}` is a built-in network, which is trained first: "
            f"`neocog train DATA --model {text}`."
        )
    if named and _FAMILY.match(network.lower()):
        hints.append(
            f"A library model is named `timm:{text}` or `torchvision:{network}`, "
            "with its trained weights."
        )
    if hints:
        return " ".join(hints)
    if not text.endswith(".py") and os.path.isfile(text):  # noqa: PTH113 (names too long are none)
        return "It is a file of another kind; MODEL comes first, then DATA."
    module = text.removesuffix(".py").strip("./").replace("/", ".")
    written = text.endswith(".py") or ("." in text and "/" not in text)
    if written and re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", module):
        return f"Name a function in it, as `{module}:FUNCTION`."
    return _near(text)


def _near(text: str) -> str:
    """A run in the named folder with a similar name, where there is one."""
    folder = Path(text).parent
    try:
        near = [p.name for p in folder.iterdir() if p.is_dir()]
    except (OSError, ValueError):  # names too long, or with zero bytes
        near = []
    hint = did_you_mean(Path(text).name, near) if near else ""
    return printable(hint) if hint.startswith("Did") else "Check the path, or train one."
