"""From the bytes of an image file to an array of pixels: the one decoder.

Training caches and prediction both come through here, so a file gives the same pixels in both.

The content of a file decides its format, not its extension; `neocog.data.pixel_format` says what
its numbers mean. More than `PIXEL_LIMIT` pixels (read from the header, before anything is decoded)
and sides below `SMALLEST` pixels are refused.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neocog.data import pixel_format
from neocog.data.flight import in_flight
from neocog.data.formats import open_image, read_file
from neocog.data.jpeg import Jpeg, decode_fast, decoded_pixels, parse
from neocog.data.plan import DecodePlan
from neocog.data.ranges import is_blank
from neocog.data.raster import plan, read
from neocog.data.scans import check_scans
from neocog.errors import DataError, UsageError, did_you_mean, printable
from neocog.types import RESIZE_MODES

if TYPE_CHECKING:
    from PIL import Image as PILImage

__all__ = [
    "PIXEL_LIMIT",
    "SMALLEST",
    "Head",
    "decode",
    "decode_file",
    "fit_all",
    "head",
    "quiet",
    "resize",
]

PIXEL_LIMIT = 89_478_485
"""Pixels of the largest image that is decoded: a third of a gigabyte as RGB (Pillow's limit)."""
SMALLEST = 4
"""Pixels of the shortest side that is taken for an image."""


class Head(NamedTuple):
    """The header of an image file, orientation applied."""

    height: int
    width: int
    channels: int
    bits: int
    frames: int
    alpha: bool
    kind: str
    """JPEG, PNG, …"""
    marks: tuple[str, ...] = ()
    """Notes on it, some of `neocog.data.pixel_format.MARKS`."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps Pillow from warning of what is reported as a fault or a note.

    Python's warning filters are shared by all threads: enter this once around a pool of threads
    that call `decode(..., guard=False)`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def head(data: bytes) -> Head:
    """Reads the header only.

    Args:
        data: the bytes of the file.

    Raises:
        DataError: this is not an image, or one that is refused; the message is the reason.
    """
    j = parse(data)
    decode_plan, rule = plan(data, j)
    _check_size(decode_plan.height, decode_plan.width)
    h, w = decode_plan.height, decode_plan.width
    marks = (*decode_plan.marks, *rule.marks)
    return Head(
        *((w, h) if decode_plan.orientation >= 5 else (h, w)),
        _channels(decode_plan),
        rule.depth,
        2 if pixel_format.SEVERAL in marks else 1,
        pixel_format.ALPHA in marks,
        decode_plan.form.kind,
        tuple(dict.fromkeys(marks)),
    )


def decode(
    data: bytes,
    *,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    resize_mode: str = "crop",
    guard: bool = True,
    room: np.ndarray | None = None,
) -> np.ndarray:
    """An image file as pixels.

    A JPEG at least twice as large as requested is decoded at a half, a quarter or an eighth.

    Args:
        data: the bytes of the file.
        size: requested (H, W); None keeps the image's own.
        channels: 1 for gray, 3 for color; None keeps the image's own.
        resize_mode: see `RESIZE_MODES`.
        guard: keep Pillow's warnings off; pass False inside `quiet()`.
        room: (H, W, C) uint8 that may be used for the result.

    Returns:
        (H, W, C), uint8, or uint16 for a gray image of 16 bits.

    Raises:
        DataError: the file is not an image, is damaged or is refused; the message is the reason.
        UsageError: `resize_mode` or `channels` is none of the known.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> out = io.BytesIO()
        >>> Image.new("RGB", (40, 20), "red").save(out, "PNG")
        >>> decode(out.getvalue(), size=(16, 16), channels=1).shape
        (16, 16, 1)
    """
    _check_options(channels, resize_mode)
    if guard:
        with quiet():
            return _decode(data, size, channels, resize_mode, room)
    return _decode(data, size, channels, resize_mode, room)


def decode_file(
    path: str | os.PathLike[str], *, size: tuple[int, int], channels: int, resize_mode: str
) -> np.ndarray:
    """An image file as pixels; warns where its transparency leaves nothing to see.

    Args:
        path: of the file.
        size: requested (H, W).
        channels: 1 or 3.
        resize_mode: see `RESIZE_MODES`.

    Returns:
        (H, W, C), as `decode` gives it.

    Raises:
        DataError: it cannot be read, or used; the message is the reason.
    """
    data = read_file(path)
    x = decode(data, size=size, channels=channels, resize_mode=resize_mode)
    if is_blank(x) and head(data).alpha:
        warnings.warn(
            f"{printable(path)} is transparent and blank over white, like a white drawing. Flatten "
            "it onto a dark color and save it without transparency.",
            stacklevel=2,
        )
    return x


def resize(x: np.ndarray, size: tuple[int, int], *, resize_mode: str = "crop") -> np.ndarray:
    """One image (H, W, C) brought to (size[0], size[1], C), antialiased, of any channels."""
    from PIL import Image

    if x.shape[:2] == size:
        return x
    if x.dtype != np.uint8 or x.shape[2] not in (1, 3):
        planes = [
            _scale(Image.fromarray(p.astype(np.float32)), size, resize_mode)
            for p in np.moveaxis(x, 2, 0)
        ]
        wide = np.stack([np.asarray(p) for p in planes], axis=2)
        if x.dtype == np.float32:  # raw values, which have no ends
            return wide
        clipped: np.ndarray = np.clip(np.rint(wide), 0, np.iinfo(x.dtype).max).astype(x.dtype)
        return clipped
    im = Image.fromarray(np.ascontiguousarray(x[:, :, 0] if x.shape[2] == 1 else x))
    return _three(np.asarray(_scale(im, size, resize_mode)))


def fit_all(x: np.ndarray, *, size: tuple[int, int], channels: int, resize_mode: str) -> np.ndarray:
    """Images (B, H, W, C) of one size brought to another size and number of channels."""
    if x.shape[3] == 3 and channels == 1:
        weight = np.array([19595, 38470, 7471], np.uint32)  # in 65536ths, as Pillow has them
        x = np.stack([((p @ weight + 0x8000) >> 16).astype(x.dtype) for p in x])[..., None]
    if x.shape[1:3] != size:
        x = np.stack([resize(one, size, resize_mode=resize_mode) for one in x])
    return x.repeat(3, axis=3) if x.shape[3] == 1 and channels == 3 else x


def _check_options(channels: int | None, resize_mode: str) -> None:
    if resize_mode not in RESIZE_MODES:
        raise UsageError(
            f"`resize_mode` is one of {RESIZE_MODES}; got {resize_mode!r}. "
            f"{did_you_mean(resize_mode, RESIZE_MODES)}"
        )
    if channels not in (None, 1, 3):
        raise UsageError(
            f"`channels` is 1 (gray) or 3 (color); got {channels!r}. "
            "Leave it out to keep what the images have."
        )


def _decode(
    data: bytes,
    size: tuple[int, int] | None,
    channels: int | None,
    resize_mode: str,
    room: np.ndarray | None,
) -> np.ndarray:
    j = parse(data)
    decode_plan = None
    if j is not None:
        _check_size(j.height, j.width)
        check_scans(data, j.height * j.width)
    else:
        decode_plan = plan(data)[0]
    with in_flight(_pixels(decode_plan, j, size)):
        x = None if j is None else decode_fast(data, j, size=size, room=room)
        if x is None or j is None:
            decode_plan = decode_plan or plan(data, j)[0]
            im = read(decode_plan, draft=_as_stored(size, decode_plan.orientation))
            if isinstance(im, np.ndarray):
                return _finish_deep(im, size, channels, resize_mode)
        else:
            want = channels or (1 if j.components == 1 else 3)
            if (size is None or x.shape[:2] == size) and x.shape[2] == want:
                return x
            im = _image(x)
        return _finish(im, size, channels or (1 if im.mode == "L" else 3), resize_mode)


def _finish_deep(
    x: np.ndarray, size: tuple[int, int] | None, channels: int | None, resize_mode: str
) -> np.ndarray:
    height, width = size or x.shape[:2]
    wanted = channels or x.shape[2]
    many = fit_all(x[None], size=(height, width), channels=wanted, resize_mode=resize_mode)
    return np.asarray(many[0])


def _pixels(decode_plan: DecodePlan | None, j: Jpeg | None, size: tuple[int, int] | None) -> int:
    """How many are in memory while a file is decoded."""
    if j is not None:
        return decoded_pixels(j, size)
    assert decode_plan
    _check_size(decode_plan.height, decode_plan.width)
    return decode_plan.height * decode_plan.width


def _as_stored(size: tuple[int, int] | None, orientation: int) -> tuple[int, int] | None:
    """What a decoder may shrink an image toward, before it is rotated upright."""
    return size if size is None or orientation < 5 else (max(size),) * 2


def _channels(decode_plan: DecodePlan) -> int:
    """1 for gray; of a palette the decoder knows whether it is one."""
    if decode_plan.form.kind in ("GIF", "BMP") and decode_plan.form.color == "palette":
        return 1 if open_image(decode_plan.payload, decode_plan.form.kind).mode in ("1", "L") else 3
    return 1 if decode_plan.form.color == "gray" else 3


def _finish(
    im: PILImage.Image, size: tuple[int, int] | None, channels: int, resize_mode: str
) -> np.ndarray:
    if channels == 1 and im.mode != "L":
        im = im.convert("L")
    if size is not None:
        im = _scale(im, size, resize_mode)
    if channels == 3 and im.mode != "RGB":
        im = im.convert("RGB")
    return _three(np.asarray(im))


def _three(x: np.ndarray) -> np.ndarray:
    return x[:, :, None] if x.ndim == 2 else x


def _image(x: np.ndarray) -> PILImage.Image:
    from PIL import Image

    return Image.fromarray(x[:, :, 0] if x.shape[2] == 1 else x)


def _scale(im: PILImage.Image, size: tuple[int, int], resize_mode: str) -> PILImage.Image:
    from PIL import Image

    height, width = size
    if im.size == (width, height):
        return im
    w, h = im.size
    resize_mode, _, name = resize_mode.partition("-")
    how = Image.Resampling.BICUBIC if name == "bicubic" else Image.Resampling.BILINEAR
    if resize_mode == "pad":
        k = min(width / w, height / h)
        inner = (min(width, max(1, round(w * k))), min(height, max(1, round(h * k))))
        frame = Image.new(im.mode, (width, height), 0)
        small = im.resize(inner, how)
        frame.paste(small, ((width - inner[0]) // 2, (height - inner[1]) // 2))
        return frame
    box = None
    if resize_mode == "crop":
        k = max(width / w, height / h)
        half_w, half_h = width / k / 2, height / k / 2
        box = (
            max(0.0, w / 2 - half_w),
            max(0.0, h / 2 - half_h),
            min(float(w), w / 2 + half_w),
            min(float(h), h / 2 + half_h),
        )
    return im.resize((width, height), how, box=box)


def _check_size(height: int, width: int) -> None:
    if height * width > PIXEL_LIMIT:
        raise DataError(
            f"too large: {width} × {height} pixels, at most {PIXEL_LIMIT:,} are decoded; "
            "scale it down"
        )
    if min(height, width) < SMALLEST:
        raise DataError(
            f"too small: {width} × {height} pixels, at least {SMALLEST} on each side are needed"
        )
