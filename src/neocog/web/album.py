"""The images of the page: those of the data, those that a person brings, or some that are made.

An image has its own name on the wire, `test:17` or `own:3f2a…`, and looks to each model as
that model takes it: its size, its channels, values in [0, 1].
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neocog.data.image_decode import decode, head
from neocog.data.one_image import check_pixels
from neocog.data.samples import Samples
from neocog.errors import DataError, ShapeMismatch, UsageError, printable
from neocog.exhibits import png
from neocog.render.pixels import as_image, stretched
from neocog.web.network import Network
from neocog.web.refused import Missing

__all__ = ["KEPT", "PIXELS", "Album", "as_png", "displayed", "synthetic"]

PIXELS = 40_000_000
"""Of an image that a person brings, at most."""

KEPT = 64
"""Images of a person that are kept; the oldest are forgotten."""

_STATES = 4
"""Of a drawing that is being made: a step may still be on its way with one before the last."""

_DRAWINGS = 16
"""That are being made at a time, one a page."""


class Album:
    """What can be looked at.

    Args:
        splits: name of a split to its samples, as each model takes them.
        name: of the data.
        first: the split that is shown first.
    """

    def __init__(
        self, splits: Mapping[str, Sequence[Samples]], *, name: str | None, first: str
    ) -> None:
        self.splits, self.name, self.start = splits, name, first
        self._own: OrderedDict[str, tuple[Tensor, ...]] = OrderedDict()
        self._drawn: OrderedDict[str, OrderedDict[str, tuple[Tensor, ...]]] = OrderedDict()

    @property
    def first(self) -> str | None:
        """The image that is shown first."""
        return f"{self.start}:0" if self.start in self.splits else None

    def counts(self) -> dict[str, int]:
        """Samples of each split."""
        return {name: len(of[0]) for name, of in self.splits.items()}

    def samples(self, split: str, model: int) -> Samples:
        """The samples of a split as a model takes them.

        Raises:
            Missing: there is no such split.
        """
        if split not in self.splits:
            known = ", ".join(f"`{s}`" for s in self.splits) or "none"
            raise Missing(f"There is no such split; the data has {known}.")
        return self.splits[split][model]

    def values(self, id: str, model: int) -> Tensor:
        """An image as a model takes it, (1, C, *space) in [0, 1].

        Raises:
            Missing: there is no such image.
        """
        split, index = self._parts(id)
        if split == "own":
            return self._brought(index)[model]
        row = int(index)
        return self.samples(split, model).take(slice(row, row + 1)).contiguous()

    def label(self, id: str, model: int) -> int | None:
        """What an image is, by a model's numbers, where that is known and is a class."""
        split, index = self._parts(id)
        if split == "own":
            return None
        y = self.splits[split][model].truth(slice(int(index), int(index) + 1))
        if y is None or y.ndim != 1 or y.dtype.kind not in "iu" or y[0] < 0:
            return None
        return int(y[0])

    def called(self, id: str) -> str:
        """Where an image is from."""
        split, index = self._parts(id)
        if split == "own":
            return "your own"
        return printable(self.splits[split][0].name(int(index)))

    def _parts(self, id: str) -> tuple[str, str]:
        split, _, index = id.partition(":")
        if split == "own" and self._brought(index):
            return split, index
        plainly = index.isascii() and index.isdigit() and len(index) < 10
        if split in self.splits and plainly and int(index) < len(self.splits[split][0]):
            return split, str(int(index))
        raise Missing(
            "There is no such image. An image of the data is named SPLIT:NUMBER; your own images "
            f"are forgotten after {KEPT} others."
        )

    def _brought(self, name: str) -> tuple[Tensor, ...]:
        """An image of a person, one a model; nothing where it is forgotten."""
        passes = (kept.get(name) for kept in (self._own, *self._drawn.values()))
        return next(filter(None, passes), ())

    def bring(
        self, data: bytes, networks: Sequence[Network], *, page: str | None = None
    ) -> tuple[str, int, int]:
        """Keep an image file of a person.

        Args:
            data: the file.
            networks: that will see it.
            page: the page where it is being drawn, whose last states it replaces; None
                for an image that is brought as it is.

        Returns:
            Its name, and the width and height of the file.

        Raises:
            DataError: it is not an image, or one that is refused.
            UsageError: a model takes no images.
        """
        try:
            width, height = _size(data)
            values = tuple(_decoded(data, network) for network in networks)
        except DataError as e:
            raise DataError(f"An image file is required; this one is {e}.") from e
        return self._keep(data, values, page), width, height

    def write(self, series: object, networks: Sequence[Network]) -> str:
        """Keep a series of numbers that a person drew.

        Raises:
            UsageError: these are not numbers.
            ShapeMismatch: they do not fit a model.
        """
        try:
            x = np.asarray(series, dtype=np.float32)
        except (TypeError, ValueError):
            x = np.empty(0, np.float32)
        if x.ndim != 2 or not x.size or not np.isfinite(x).all():
            raise UsageError("A series is `values`, a list of numbers per channel.")
        for network in networks:
            expected = (network.channels, *network.size)
            if x.shape != expected:
                raise ShapeMismatch(
                    f"The model takes series of {expected[0]} channels of {expected[1:]} samples; "
                    f"got {x.shape}.",
                    expected=expected,
                    actual=x.shape,
                )
        whole = torch.from_numpy(x)[None]
        return self._keep(x.tobytes(), (whole,) * len(networks))

    def _keep(self, data: bytes, values: tuple[Tensor, ...], page: str | None = None) -> str:
        name = hashlib.blake2b(data, digest_size=8).hexdigest()
        if page is None:
            _last(self._own, name, values, KEPT)
        else:
            states = self._drawn.get(page, OrderedDict())
            _last(states, name, values, _STATES)
            _last(self._drawn, page, states, _DRAWINGS)
        return f"own:{name}"


def _last(held: OrderedDict[str, Any], name: str, value: Any, most: int) -> None:
    """Put something in as the newest, and take the oldest out."""
    held[name] = value
    held.move_to_end(name)
    while len(held) > most:
        held.popitem(last=False)


def _size(data: bytes) -> tuple[int, int]:
    """Width and height from the header, before anything is decoded.

    Raises:
        DataError: it is not an image, or a larger one than a page needs.
    """
    header = head(data)
    width, height = header.width, header.height
    if width * height > PIXELS:
        raise DataError(
            f"too large: {width} × {height} pixels, at most {PIXELS:,} are taken; scale it down"
        )
    return width, height


def _decoded(data: bytes, network: Network) -> Tensor:
    check_pixels(network.model.spec.input)
    if len(network.size) != 2 or network.channels not in (1, 3):
        raise UsageError(
            f"Images need a model with 1 or 3 channels, rows and columns; this one takes "
            f"{' × '.join(map(str, (network.channels, *network.size)))}."
        )
    resize_mode = network.model.spec.input.resize_mode
    size = (network.size[0], network.size[1])
    pixels = decode(data, size=size, channels=network.channels, resize_mode=resize_mode)
    white = 255.0 if pixels.dtype == np.uint8 else 65535.0
    values = torch.from_numpy(pixels.astype(np.float32) / np.float32(white))
    return values.permute(2, 0, 1)[None].contiguous()


def as_png(x: Tensor, network: Network) -> bytes:
    """An image (1, C, H, W) as a PNG file; gray, the mean of the channels, if not of 3.

    Args:
        x: the image.
        network: that takes it: raw values are drawn from their smallest to their largest.
    """
    return png(as_image(x[0], values=network.model.spec.input.values))


def displayed(x: Tensor, network: Network) -> Tensor:
    """Values of an image as shades from 0 to 1; raw ones from their smallest to their largest.

    Args:
        x: the image, (C, H, W).
        network: that takes it.
    """
    raw = network.model.spec.input.values == "raw"
    shades = torch.from_numpy(stretched(x.numpy())).to(x.dtype) if raw else x
    return shades.clamp(0, 1)


def synthetic(network: Network, *, seed: int = 0) -> Samples:
    """A few images or series without data: edges, waves, noise."""
    noise = np.random.default_rng(seed).random((network.channels, *network.size))
    shapes = _series(network.size[0]) if len(network.size) == 1 else _images(network.size)
    gray = [np.broadcast_to(s, (network.channels, *network.size)) for s in shapes.values()]
    x = np.stack([*gray, noise]).astype(np.float32)
    return Samples(torch.from_numpy(x), None, (*shapes, "noise"))


def _images(size: Sequence[int]) -> dict[str, np.ndarray]:
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, n) for n in size), indexing="ij")
    far = np.hypot(rows, columns)
    return {
        "disc": np.clip((0.5 - far) * min(size) / 2 + 0.5, 0, 1),
        "edge": (columns > 0).astype(float),
        "waves": 0.5 + 0.5 * np.sin(columns * 4 * math.pi),
        "rings": 0.5 + 0.5 * np.cos(far * 6 * math.pi),
        "squares": ((np.floor(rows * 4) + np.floor(columns * 4)) % 2).astype(float),
    }


def _series(n: int) -> dict[str, np.ndarray]:
    t = np.linspace(0, 1, n, endpoint=False)
    return {
        "pulse": np.exp(-(((t - 0.5) / 0.05) ** 2)),
        "step": (t > 0.5).astype(float),
        "wave": 0.5 + 0.5 * np.sin(8 * math.pi * t),
        "chirp": 0.5 + 0.5 * np.sin(2 * math.pi * (2 * t + 10 * t**2)),
    }
