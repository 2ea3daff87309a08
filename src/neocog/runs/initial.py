"""Weights that a training starts from, from anywhere, with what their network takes.

imagenet              the ImageNet weights of the network that is trained
efficientnet_lite1    a network of ours with its ImageNet weights
timm:NAME             a network of a library, with its weights
torchvision:NAME
hf://ORG/NAME         one of the Hugging Face Hub, or a folder that holds one
a run                 any run folder
a file                safetensors, or a state dict of `torch.save`
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from torch import Tensor

from neocog.errors import ModelError, NeocogError, UsageError, printable
from neocog.files import opened
from neocog.models.hub import hub_model, is_hub
from neocog.networks.catalog import NETWORKS, is_of_library
from neocog.networks.naming import equivalent
from neocog.networks.pretrained import PRETRAINED, Pretrained, pretrained_of, released
from neocog.runs.folder import RunFolder
from neocog.runs.recipe import ModelConfig
from neocog.store.foreign import make
from neocog.store.libraries import INSTEAD
from neocog.store.weights import read_weights
from neocog.types import InputSpec, ModelSpec

__all__ = [
    "BACKBONE",
    "IMAGENET",
    "InitialWeights",
    "initial_weights",
    "is_pretrained",
    "network_of",
]

IMAGENET = "imagenet"
"""The pretrained weights of whatever network is trained."""

BACKBONE = "efficientnet_lite1"
"""The network of `IMAGENET` where none is named."""


@dataclass(frozen=True, kw_only=True)
class InitialWeights:
    """Weights to start from.

    Args:
        title: what they are, for messages.
        digest: of their values, BLAKE2b of 128 bits.
        read: the tensors by name, and notes on how they were read.
        input: what their network takes, where it is known.
        external: of somebody else, who trained them on other images.
    """

    title: str
    digest: str
    read: Callable[[], tuple[dict[str, Tensor], tuple[str, ...]]]
    input: InputSpec | None = None
    external: bool = False


def initial_weights(init: str, model: str) -> InitialWeights:
    """The weights that a text names.

    Args:
        init: as above.
        model: the network that is trained.

    Raises:
        UsageError: the network that is trained has no pretrained weights.
        ModelError: they cannot be read, or are not installed.
    """
    folder = os.path.isdir(init)  # noqa: PTH112 (names too long, or with a null byte, are none)
    if init == IMAGENET and not folder:
        return _pretrained(_of(model))
    if init in PRETRAINED and not folder:
        return _pretrained(pretrained_of(init))
    if is_of_library(init):
        return _of_library(init)
    if is_hub(init):
        return _of_hub(init)
    path = Path(init)
    file = path / "model.safetensors" if folder else path
    return InitialWeights(
        title=f"`{printable(init)}`",
        digest=_digest(file),
        read=lambda: read_weights(file),
        input=_run_input(path) if folder else None,
    )


def network_of(init: str) -> ModelConfig | None:
    """The network that weights are of, to train it; None where that cannot be told.

    One of a library is the same network of ours where there is one.

    Args:
        init: as for `initial_weights`.

    Raises:
        ModelError: it is one of the Hub, which cannot be read.

    Example:
        >>> network_of("timm:mobilenetv2_100").name, network_of("imagenet").name
        ('mobilenet_v2', 'efficientnet_lite1')
    """
    if os.path.isdir(init) and not is_hub(init):  # noqa: PTH112 (names too long are none)
        with contextlib.suppress(NeocogError, KeyError, TypeError):
            network = RunFolder.open(Path(init)).card()["network"]
            if network["name"] in NETWORKS or is_of_library(network["name"]):
                options = {
                    k: tuple(v) if isinstance(v, list) else v for k, v in network["options"].items()
                }
                return ModelConfig(name=network["name"], init=init, options=options)
        return None
    if init == IMAGENET or init in PRETRAINED:
        return ModelConfig(name=BACKBONE if init == IMAGENET else init, init=init)
    source = hub_model(init).source if is_hub(init) else init
    if not is_of_library(source):
        return None
    ours = equivalent(source)
    if ours is None:
        return ModelConfig(name=source, init=init)
    return ModelConfig(name=ours[0], init=init, options=dict(ours[1]))


def is_pretrained(init: str) -> bool:
    """Whether weights are of a run without labels, whose head is random."""
    with contextlib.suppress(NeocogError, OSError):
        return os.path.isdir(init) and "pretrained" in RunFolder(Path(init)).card()  # noqa: PTH112
    return False


def _of(model: str) -> Pretrained:
    if model not in PRETRAINED:
        raise UsageError(
            f"`imagenet` means the ImageNet weights of the network being trained, and "
            f"`{printable(model)}` has none. Take --model {BACKBONE} ({', '.join(PRETRAINED)} have "
            "them), or name other weights."
        )
    return PRETRAINED[model]


def _pretrained(known: Pretrained) -> InitialWeights:
    tensors, digest = released(known)
    return InitialWeights(
        title=f"the {known.trained_on} weights of {known.name}",
        digest=digest,
        read=lambda: (tensors, ()),
        input=known.input,
        external=True,
    )


def _of_library(source: str) -> InitialWeights:
    try:
        made = make(source)
    except ModelError as e:
        instead = "Name a file of its weights, with --model for its network, or other weights."
        raise ModelError(str(e).replace(INSTEAD, instead)) from e
    tensors = made.network.state_dict()
    return InitialWeights(
        title=f"`{printable(source)}`",
        digest=_digest_of(tensors),
        read=lambda: (tensors, (made.weights,) if made.weights else ()),
        input=made.input,
        external=True,
    )


def _of_hub(text: str) -> InitialWeights:
    known = hub_model(text)
    return InitialWeights(
        title=f"`{printable(text)}`",
        digest=_digest(known.weights),
        read=lambda: read_weights(known.weights),
        input=known.input,
        external=True,
    )


def _run_input(folder: Path) -> InputSpec | None:
    """What a run says of its input."""
    with contextlib.suppress(NeocogError, KeyError, TypeError):
        return ModelSpec.from_json(RunFolder(folder).card()["spec"]).input
    return None


def _digest(file: Path) -> str:
    seen = blake2b(digest_size=16)
    with opened(file, what="What a training starts from", error=ModelError) as f:
        while part := f.read(1 << 20):
            seen.update(part)
    return seen.hexdigest()


def _digest_of(tensors: Mapping[str, Tensor]) -> str:
    seen = blake2b(digest_size=16)
    for name, value in tensors.items():
        seen.update(name.encode() + str(tuple(value.shape)).encode())
        seen.update(value.detach().cpu().contiguous().flatten().numpy().tobytes())
    return seen.hexdigest()
