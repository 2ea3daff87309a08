"""Features of a frozen network, computed once and kept.

The features of a sample are what the last linear layer of a classifier is given; of a network that
is averaged over poses, their mean over the poses. They are kept in
the cache, keyed by the content of the data, the weights, the architecture (its modules, and what it
outputs for two images of noise), the spec and the version of PyTorch: a second training on the same
images with the same backbone takes seconds. Nothing in the cache is ever changed after it has its
name (see `neocog.data.cache`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neocog.data.array_writer import ArrayWriter
from neocog.data.batches import pixels
from neocog.data.cache import Cache
from neocog.data.kept import read_arrays
from neocog.data.split import Split
from neocog.errors import DataError, Diverged, ModelError
from neocog.layers.symmetrized import GroupAverage, upright
from neocog.networks.model import SpecifiedNetwork
from neocog.tasks.inference import evaluating

__all__ = ["Backbone", "backbone_of", "digest_of", "features_of", "kept_features", "over_poses"]

AT_ONCE = 2**21
"""Values of one batch, at most: larger ones fall out of the caches of a processor."""

VERSION = 2
"""Of what is kept; raised when the same key would give other numbers."""

PROJECTIONS = 4
"""Directions in which the features of two images of noise are kept in a key, beside their norm."""

Progress = Callable[[int, int], None] | None


@dataclass(frozen=True, eq=False)
class Backbone:
    """A classifier whose last linear layer may be taken off.

    Args:
        module: with its spec, in evaluation mode.
        head: name of the last linear layer in `module.network`.
        width: D, values of a feature vector.
    """

    module: SpecifiedNetwork
    head: str
    width: int

    @property
    def linear(self) -> nn.Linear:
        """The last linear layer."""
        layer = self.module.network.get_submodule(self.head)
        assert isinstance(layer, nn.Linear)
        return layer


def backbone_of(module: SpecifiedNetwork, name: str) -> Backbone:
    """Find the linear layer whose output is the network's.

    Args:
        module: an image classifier.
        name: of it, for messages.

    Raises:
        ModelError: its logits are not those of a linear layer of features (B, D).

    Example:
        >>> from neocog.networks.catalog import build
        >>> from neocog.types import InputSpec, ModelSpec
        >>> network = build("resnet20", num_classes=2, in_channels=1, size=(28, 28))
        >>> signal = InputSpec(channels=1, size=(28, 28), mean=(0.1,), std=(0.3,))
        >>> spec = ModelSpec(task="classify", classes=("no", "yes"), input=signal)
        >>> found = backbone_of(SpecifiedNetwork(network, spec), "resnet20")
        >>> found.head, found.width
        ('linear', 64)
    """
    network, last = module.network, dict[str, Tensor]()

    def keep(which: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_: nn.Module, __: Any, out: Tensor) -> None:
            last.pop(which, None)
            last[which] = out

        return hook

    linear = {n: m for n, m in network.named_modules() if isinstance(m, nn.Linear)}
    handles = [m.register_forward_hook(keep(n)) for n, m in linear.items()]
    parameter = next(network.parameters(), torch.zeros(()))
    x = torch.zeros(2, *module.spec.input.shape, device=parameter.device)
    x[1] = 1.0
    try:
        with evaluating(module), upright():  # of a symmetrized network, the one inside
            out = network(x)
    finally:
        for handle in handles:
            handle.remove()
    for which in reversed(last):
        same = isinstance(out, Tensor) and out.shape == last[which].shape
        if same and out.ndim == 2 and torch.equal(out, last[which]):
            return Backbone(module, which, linear[which].in_features)
    raise ModelError(
        f"A linear classifier replaces the last linear layer, and `{name}` does "
        "not end in one. Use another model, or train all layers with --freeze none."
    )


def digest_of(module: nn.Module, *, without: str) -> str:
    """Of the content of a module's tensors, whatever file they are from.

    Args:
        module: any.
        without: names that begin so are left out.
    """
    seen = blake2b(digest_size=16)
    for name, tensor in module.state_dict().items():
        if name.startswith(without):
            continue
        plain = tensor.detach().cpu().contiguous()
        seen.update(f"{name} {plain.dtype} {tuple(plain.shape)}".encode())
        seen.update(plain.view(-1).view(torch.uint8).numpy().data)
    return seen.hexdigest()


def features_of(
    backbone: Backbone,
    split: Split,
    rows: np.ndarray | None = None,
    *,
    device: str = "cpu",
    progress: Progress = None,
) -> Iterator[Tensor]:
    """Features of some samples, a batch at a time, (B, D), float32, on the CPU.

    Args:
        backbone: is left as it was.
        split: the images, at the size of its spec.
        rows: which of them, in their order; all if left out.
        device: where to compute.
        progress: called with (images done, images in all).

    Raises:
        Diverged: a feature is not a finite number.
    """
    rows = np.arange(len(split)) if rows is None else rows
    batch = max(1, min(64, AT_ONCE // max(1, int(np.prod(split.x.shape[1:])))))
    for start in range(0, len(rows), batch):
        out = _features(backbone, pixels(split, rows[start : start + batch]).to(device))
        if not out.isfinite().all():
            raise Diverged(
                "Features must be finite numbers, and some are not: the weights of this backbone "
                "do not suit these images. Choose others with --init."
            )
        yield out
        if progress is not None:
            progress(min(start + batch, len(rows)), len(rows))


def _features(backbone: Backbone, x: Tensor) -> Tensor:
    """Of one batch of pixels (B, C, H, W) in [0, 1]: (B, D), float32, on the CPU."""
    taken: list[Tensor] = []
    handle = backbone.linear.register_forward_pre_hook(lambda _, args: taken.append(args[0]))
    try:
        with evaluating(backbone.module):
            backbone.module(x)
    finally:
        handle.remove()
    return over_poses(backbone.module.network, taken).float().cpu()


def over_poses(network: nn.Module, taken: Sequence[Tensor]) -> Tensor:
    """Features of one pass: the last, or the mean over the poses of a network averaged over them.

    Args:
        network: any network.
        taken: what its last linear layer was given, call by call, each (B, D).

    Example:
        >>> from neocog.symmetry.groups import Group
        >>> both, average = [torch.zeros(1, 1), torch.ones(1, 1)], GroupAverage(nn.ReLU(), Group(2))
        >>> over_poses(average, both), over_poses(average.inner, both)
        (tensor([[0.5000]]), tensor([[1.]]))
    """
    if not isinstance(network, GroupAverage):
        return taken[-1]
    calls = max(1, len(taken) // network.group.order)  # of a pose; the last one counts
    return torch.stack(list(taken[calls - 1 :: calls])).sort(0).values.mean(0)


def kept_features(
    backbone: Backbone,
    split: Split,
    rows: np.ndarray | None = None,
    *,
    data: str,
    device: str = "cpu",
    progress: Progress = None,
) -> Tensor:
    """Features of some samples, (B, D), from the cache where they were computed before.

    Args:
        backbone: is left as it was.
        split: the images, at the size of its spec.
        rows: which of them; all if left out.
        data: fingerprint of the source of `split`: of content, split and decoding.
        device: where to compute.
        progress: called with (images done, images in all) where they are computed.
    """
    rows = np.arange(len(split)) if rows is None else rows
    key = _key(backbone, data, rows, device)
    cache = Cache(read=_read)
    loaded = cache.load(key)
    if loaded is None or loaded[1]["features"].shape != (len(rows), backbone.width):

        def fill(writer: ArrayWriter) -> None:
            feed = features_of(backbone, split, rows, device=device, progress=progress)
            shape = (len(rows), backbone.width)
            blocks = (f.numpy() for f in feed)
            writer.write("features", blocks, shape=shape, dtype=np.dtype(np.float32))
            writer.meta = {"kind": "features", "made": time.strftime("%Y-%m-%d")}

        loaded = cache.make(key, fill)
    return torch.from_numpy(loaded[1]["features"])


def _key(backbone: Backbone, data: str, rows: np.ndarray, device: str) -> str:
    """Everything that a feature depends on."""
    spec = backbone.module.spec.input
    weights = digest_of(backbone.module.network, without=f"{backbone.head}.")
    kind = device.partition(":")[0]
    network = (weights, backbone.head, *_behavior(backbone, device))
    parts = (VERSION, data, network, spec, torch.__version__, kind)
    seen = blake2b(repr(parts).encode(), digest_size=20)
    seen.update(np.ascontiguousarray(rows, "<i8").data)
    return f"f{seen.hexdigest()}"


def _behavior(backbone: Backbone, device: str) -> tuple[str, ...]:
    """What the tensors of a network do not say of its features: modules, options, forward code.

    The features of two images of noise are rounded to a thousandth of their norm, far above what
    the number of threads changes.
    """
    noise = torch.Generator().manual_seed(0)
    x = torch.rand(2, *backbone.module.spec.input.shape, generator=noise)
    features = _features(backbone, x.to(device)).double()
    norm = features.norm(dim=1, keepdim=True)
    directions = torch.randn(features.shape[1], PROJECTIONS, generator=noise, dtype=torch.float64)
    projected = features / norm.clamp(min=1e-30) @ directions
    numbers = [f"{v:.2e}" for v in norm.flatten().tolist()]
    numbers += [f"{v:.3f}" for v in projected.flatten().tolist()]
    return (re.sub(r" at 0x[0-9a-f]+", "", repr(backbone.module.network)), *numbers)


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A kept set of features.

    Raises:
        DataError: it is damaged.
        OSError: a file is missing.
        ValueError: a file is too short.
    """
    meta, arrays = read_arrays(folder)
    features = arrays.get("features")
    if features is None or features.ndim != 2 or features.dtype != np.float32:
        raise DataError("Cached features must be a table of float32, and are not.")
    if not np.isfinite(features).all():
        raise DataError("Cached features must be finite numbers, and are not.")
    return dict(meta.values), arrays
