"""Models and data of one axis, from files: what the door for images does not open."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from neocog.data.packed import open_npz
from neocog.errors import DataError, UsageError, printable
from neocog.store.foreign import is_factory, make
from neocog.store.sound import check_network
from neocog.store.weights import load_weights

__all__ = ["Normalized", "open_series", "series_of"]


class Normalized(nn.Module):
    """(x - mean) / std per channel, then a network.

    Args:
        network: takes (B, C, N).
        mean: one number a channel.
        std: one number a channel.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """The network's answer."""
        out: Tensor = self.network((x - self.mean) / self.std)
        return out


def open_series(
    place: str,
    *,
    weights: str | None = None,
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
    channels: int | None = None,
) -> nn.Module:
    """A network of series from a function, ready to be asked.

    Args:
        place: `package.module:factory`.
        weights: a file of its weights; those that the factory made if left out.
        mean: subtracted from the values, one number a channel or one for all.
        std: what the difference is divided by.
        channels: of a series, where that is known.

    Raises:
        UsageError: the place is no function.
        ModelError: the network or its weights cannot be opened.
    """
    if not is_factory(place):
        raise UsageError(
            f"A model of series is named as package.module:function; `{printable(place)}` is not. "
            "Leave --series out for a model of images."
        )
    if not all(math.isfinite(m) for m in mean) or not all(0 < v < math.inf for v in std):
        raise UsageError(
            f"Means are numbers and deviations positive ones; mean {list(mean)} and std "
            f"{list(std)} came. Leave them out for values that are taken as they are."
        )
    for name, numbers in {"mean": mean, "std": std}.items():
        if channels is not None and len(numbers) not in (1, channels):
            raise UsageError(
                f"`{name}` is one number, or one a channel; {len(numbers)} came for {channels} "
                "channels. Give as many as there are."
            )
    network = make(place).network
    if weights is not None:
        load_weights(network, Path(weights))
    check_network(network, place)
    network.eval()
    if any(mean) or any(s != 1 for s in std):
        return Normalized(network, mean, std).eval()
    return network


def series_of(place: str | os.PathLike[str]) -> tuple[Tensor, np.ndarray | None]:
    """Series from an .npz file: `x`, (B, C, N) or (B, N), and class indices `y` where it has them.

    Raises:
        DataError: the file cannot be read so.
    """
    with open_npz(place) as held:
        if "x" not in held.names:
            raise DataError(
                f"Series are in an .npz file with an array `x`, (B, C, N), and class indices `y`; "
                f"`{printable(place)}` has no `x`. Save it with np.savez."
            )
        found = held.read("x")
        y = held.read("y") if "y" in held.names else None
    if found.dtype.kind not in "biuf":
        raise DataError(
            f"Series are numbers; `{printable(place)}` holds {found.dtype}. Save them as float32."
        )
    with np.errstate(over="ignore"):  # what is too large is no finite number below
        x = found.astype(np.float32, copy=False)
    x = x[:, None] if x.ndim == 2 else x
    if x.ndim != 3 or not x.size or (y is not None and y.shape[:1] != x.shape[:1]):
        raise DataError(
            f"Series are an array `x` of shape (B, C, N) with a class index each; "
            f"`{printable(place)}` holds {x.shape}{'' if y is None else f' and {y.shape}'}."
        )
    if not np.isfinite(x).all():
        raise DataError(
            f"Series are made of finite numbers; `{printable(place)}` holds others. Fill the gaps "
            "or leave those series out."
        )
    if y is not None and (y.ndim != 1 or y.dtype.kind not in "iu" or y.min() < 0):
        raise DataError(
            f"Class numbers `y` are whole numbers from 0, one a series; `{printable(place)}` holds "
            f"{y.dtype} of shape {y.shape}. Number the classes, or leave `y` out."
        )
    return torch.from_numpy(x), None if y is None else y.astype(np.int64)
