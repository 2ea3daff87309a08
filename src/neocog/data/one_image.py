"""One image or series as a Python program has it: a tensor, an array, a PIL image, a file."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

import numpy as np
from torch import Tensor

from neocog.data.formats import read_file
from neocog.data.image_decode import decode, decode_file, fit_all
from neocog.errors import DataError
from neocog.types import InputSpec

__all__ = ["array_of", "check_pixels", "check_range", "is_image_object", "plain_array"]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in gray, as image files are converted."""

SLACK = 1e-3
"""How far beyond [0, 1] a float may be by rounding."""

RULE = (
    "Images are tensors (C, H, W) or arrays (H, W, C) of floats in [0, 1] or of uint8, PIL images, "
    "or paths of image files"
)


def array_of(item: object, takes: InputSpec | None, *, axes: int = 2) -> np.ndarray:
    """An image as (H, W, C), uint8, uint16 or float32 in [0, 1]; a series as (C, N), float32.

    Files, PIL images and arrays of integers are brought to the size that a model takes, as
    every image file is; floats are taken as they are. Gray becomes color, and color gray.

    Args:
        item: tensor, array, PIL image or path.
        takes: what the model takes; None where that is unknown: everything keeps its size.
        axes: of space: 2 of images, 1 of series.

    Raises:
        DataError: it is none of these, or its values are not in their range.

    Example:
        >>> array_of(np.zeros((5, 7), np.uint8), None).shape
        (5, 7, 1)
    """
    if isinstance(item, (str, os.PathLike)):
        if takes is None:
            return decode(read_file(item))
        check_pixels(takes)
        return decode_file(
            item, size=takes.image_size, channels=takes.channels, resize_mode=takes.resize_mode
        )
    if is_image_object(item):
        check_pixels(takes)
        x = _of_pil(item)
    elif not isinstance(item, (Tensor, np.ndarray)):
        raise DataError(f"{RULE}; got {type(item).__name__}. Give one of these.")
    elif axes == 1:
        return _series(item)
    else:
        x = _channels_last(item, takes)
    return _fitted(check_range(x, takes), takes)


def is_image_object(item: object) -> bool:
    """Whether it is a PIL image; PIL is not imported to find that out."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(item, module.Image)


def plain_array(x: Tensor | np.ndarray) -> np.ndarray:
    """The same values, on the processor, in the byte order of this machine, rows forwards."""
    if isinstance(x, Tensor):
        x = x.detach().cpu()
        return np.asarray(x if x.dtype.itemsize != 2 or not x.is_floating_point() else x.float())
    backwards = any(step < 0 for step in x.strides)  # as of `x[..., ::-1]`, which torch has not
    return x.astype(x.dtype.newbyteorder("="), copy=backwards)


def check_range(x: np.ndarray, takes: InputSpec | None) -> np.ndarray:
    """Values of images as uint8, uint16 or float32, whose white is 255, 65535 or 1.

    Args:
        x: of any kind and shape.
        takes: what the model takes; where it is known, it normalizes values in [0, 1] itself, and
            a network of which nothing is known may take values that are normalized already.

    Raises:
        DataError: the value of white is unknown.

    Example:
        >>> check_range(np.array([True, False]), None)
        array([255,   0], dtype=uint8)
    """
    if takes is not None and takes.values == "raw" and len(takes.size) == 2:
        return _raw(x)
    if x.dtype in (np.uint8, np.uint16) or not x.size:
        return x
    if x.dtype == bool:
        return x.astype(np.uint8) * np.uint8(255)
    if x.dtype.kind not in "fiu":
        raise DataError(f"{RULE}; got an array of {x.dtype}. Give one of these.")
    low, high = float(x.min()), float(x.max())
    if low >= -SLACK and high <= 1 + SLACK:
        inside = x if low >= 0 and high <= 1 else np.clip(x, 0, 1)
        return inside.astype(np.float32, copy=False)
    given = f"got {x.dtype} from {low:.4g} to {high:.4g}"
    if not np.isfinite([low, high]).all():
        raise DataError(
            f"Values of images are finite, in [0, 1]; {given}. Fix the code that makes them."
        )
    if low >= 0 and high > 1:
        white = 255 if high <= 255 else 65535
        raise DataError(
            f"Values of images are in [0, 1], or uint8 with 255 for white; {given}. Divide by the "
            f"largest that there can be, such as x / {white}."
        )
    if takes is None and x.dtype.kind == "f" and max(-low, high) <= NORMALIZED:
        return x.astype(np.float32, copy=False)
    raise DataError(
        f"Values of images are in [0, 1], and the model normalizes them itself; {given}, "
        "normalized already, it seems. Give images from before Normalize, and open the network as "
        "neocog.load(network, size=…, mean=…, std=…)."
    )


def check_pixels(takes: InputSpec | None) -> None:
    """Whether a model takes what image files hold.

    Raises:
        DataError: it takes raw values.
    """
    if takes is not None and takes.values == "raw":
        raise DataError(
            "The model takes raw values of float arrays, and an image holds pixels. Give arrays, "
            "or an .npy, .npz or HDF5 file."
        )


def _raw(x: np.ndarray) -> np.ndarray:
    """Numbers of any range as float32, as they are.

    Raises:
        DataError: they are no finite numbers.
    """
    if x.dtype.kind not in "fiub":
        raise DataError(f"{RULE}; got an array of {x.dtype}. Give one of these.")
    with np.errstate(over="ignore"):  # found below
        values = x.astype(np.float32, copy=False)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(1))[0])
        where = f" (the first in sample {row})" if values.ndim == 4 else ""
        raise DataError(
            f"Values of images are finite; got NaN or infinity{where}. Fill the gaps, or leave "
            "those samples out."
        )
    return values


NORMALIZED = 30.0
"""Largest magnitude of values that a usual normalization makes of those in [0, 1]."""


def _of_pil(im: Any) -> np.ndarray:
    """A PIL image upright and on white, by the decoder that files go through."""
    from PIL import ImageOps

    im = ImageOps.exif_transpose(im)
    if im.mode in ("L", "RGB"):
        x = np.asarray(im)
        return x[:, :, None] if x.ndim == 2 else x
    if im.mode not in ("1", "LA", "P", "RGBA", "I", "I;16"):
        im = im.convert("RGB")
    out = io.BytesIO()
    im.save(out, "PNG", compress_level=0)
    return decode(out.getvalue())


def _series(item: Tensor | np.ndarray) -> np.ndarray:
    x = plain_array(item)
    if x.ndim != 2 or x.dtype.kind not in "fiub":
        raise DataError(
            f"A series is (C, N), channels and samples; got {x.dtype} of {x.shape}. Add the "
            "missing axis, as x[None]."
        )
    return x.astype(np.float32)


def _channels_last(item: Tensor | np.ndarray, takes: InputSpec | None) -> np.ndarray:
    """(H, W, C) of a tensor (C, H, W) or an array in either order; what has alpha is on white."""
    x = plain_array(item)
    known = {1, 3} | ({takes.channels} if takes is not None else set())
    if x.ndim == 2:
        return x[:, :, None]
    first = x.ndim == 3 and x.shape[0] in known
    last = x.ndim == 3 and x.shape[2] in known and not isinstance(item, Tensor)
    if first and not (last and x.shape[0] > x.shape[2] < 4):
        return np.moveaxis(x, 0, 2)
    if last:
        return x
    if x.ndim == 3 and x.shape[2] in (2, 4) and x.dtype == np.uint8:
        from PIL import Image

        return _of_pil(Image.fromarray(x))
    given = f"{type(item).__name__} of {tuple(x.shape)}"
    hint = (
        "Move its channels to the front, x.permute(2, 0, 1)"
        if isinstance(item, Tensor)
        else ("Reorder its axes")
    )
    raise DataError(f"{RULE}; got a {given}. {hint}, or give one of these.")


def _fitted(x: np.ndarray, takes: InputSpec | None) -> np.ndarray:
    """With the channels that a model takes; integers in its size too."""
    if takes is None or len(takes.size) != 2:
        return x
    if x.shape[2] != takes.channels and {x.shape[2], takes.channels} != {1, 3}:
        raise DataError(
            f"The model takes images of {takes.channels} channels; got one of {x.shape[2]}. "
            "Use matching images."
        )
    if x.dtype != np.float32:
        size = (int(takes.size[0]), int(takes.size[1]))
        if x.shape[:2] == size and x.shape[2] == takes.channels:
            return x
        mode = takes.resize_mode
        many = fit_all(x[None], size=size, channels=takes.channels, resize_mode=mode)
        return np.asarray(many[0])
    if x.shape[2] < takes.channels:
        return np.repeat(x, takes.channels, axis=2)
    return x if x.shape[2] == takes.channels else np.asarray((x @ _LUMA)[:, :, None])
