"""From the bytes of a picture file to an array of pixels: the one decoder.

Training caches and prediction both come through here, so a file gives the same pixels in both.

What is done with each kind of picture:
    - what a file is, its content says, not its extension;
    - the orientation that a camera noted (EXIF) is applied;
    - palette, CMYK, YCbCr, LAB and one-bit pictures become RGB or grey;
    - transparency is laid over white, as a page or a browser shows it;
    - grey pictures of 16 bits stay uint16; colour of 16 bits comes as 8 bits;
    - of several frames the first is taken;
    - refused: more than `PIXEL_LIMIT` pixels (read from the header, before anything is decoded),
      a side below `SMALLEST` pixels, floating-point and 32-bit integer pixels.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neocog.data.jpeg import ORIENTATION, decode_fast, parse
from neocog.errors import DataError, UsageError, did_you_mean
from neocog.types import RESIZE_MODES

if TYPE_CHECKING:
    from PIL import Image as PILImage

__all__ = [
    "PIXEL_LIMIT",
    "SMALLEST",
    "Head",
    "decode",
    "fit_all",
    "head",
    "quiet",
    "resize",
]

PIXEL_LIMIT = 89_478_485
"""Pixels of the largest picture that is decoded: a third of a gigabyte as RGB (Pillow's limit)."""
SMALLEST = 4
"""Pixels of the shortest side that is taken for a picture."""
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N")


class Head(NamedTuple):
    """What the header of a picture file says, orientation applied."""

    height: int
    width: int
    channels: int
    bits: int
    frames: int
    alpha: bool
    reduced: bool
    """Holds 16-bit colour, which comes as 8 bits."""
    kind: str
    """JPEG, PNG, …"""


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
        DataError: this is no picture, or one that is refused; the message is the reason.
    """
    if (j := parse(data)) is not None:
        _check_size(j.height, j.width)
        turned = j.orientation >= 5
        h, w = (j.width, j.height) if turned else (j.height, j.width)
        return Head(h, w, 1 if j.components == 1 else 3, 8, 1, False, False, "JPEG")
    im = _open(data)
    deep = im.mode in _DEEP or (im.mode == "I" and im.format == "PPM")
    w, h = im.size
    if im.format != "TIFF" and _lies(im):
        h, w = w, h  # the size of a TIFF comes with its orientation applied
    return Head(
        h,
        w,
        1 if deep or im.mode in ("1", "L", "LA", "La") else 3,
        16 if deep else 8,
        1 if im.format == "MPO" else _frames(im),
        _has_alpha(im),
        _reduced(im, data),
        str(im.format),
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
    """A picture file as pixels.

    A JPEG at least twice as large as asked for is decoded at a half, a quarter or an eighth.

    Args:
        data: the bytes of the file.
        size: (H, W) asked for; None keeps the picture's own.
        channels: 1 for grey, 3 for colour; None keeps the picture's own.
        resize_mode: see `RESIZE_MODES`.
        guard: keep Pillow's warnings off; pass False inside `quiet()`.
        room: (H, W, C) uint8 that may be used for the result.

    Returns:
        (H, W, C), uint8, or uint16 for a grey picture of 16 bits.

    Raises:
        DataError: the file is no picture, is damaged or is refused; the message is the reason.
        UsageError: `resize_mode` or `channels` is none of the known.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> out = io.BytesIO()
        >>> Image.new("RGB", (40, 20), "red").save(out, "PNG")
        >>> decode(out.getvalue(), size=(16, 16), channels=1).shape
        (16, 16, 1)
    """
    _check_wish(channels, resize_mode)
    if guard:
        with quiet():
            return _decode(data, size, channels, resize_mode, room)
    return _decode(data, size, channels, resize_mode, room)


def resize(x: np.ndarray, size: tuple[int, int], *, resize_mode: str = "crop") -> np.ndarray:
    """One picture (H, W, C) brought to (size[0], size[1], C), antialiased bilinear."""
    from PIL import Image

    if x.shape[:2] == size:
        return x
    if x.dtype == np.uint16:
        planes = [
            _scale(Image.fromarray(p.astype(np.float32)), size, resize_mode)
            for p in np.moveaxis(x, 2, 0)
        ]
        wide = np.stack([np.asarray(p) for p in planes], axis=2)
        clipped: np.ndarray = np.clip(np.rint(wide), 0, 65535).astype(np.uint16)
        return clipped
    im = Image.fromarray(np.ascontiguousarray(x[:, :, 0] if x.shape[2] == 1 else x))
    return _three(np.asarray(_scale(im, size, resize_mode)))


def fit_all(x: np.ndarray, *, size: tuple[int, int], channels: int, resize_mode: str) -> np.ndarray:
    """Pictures (B, H, W, C) of one size brought to another size and number of channels."""
    if x.shape[3] == 3 and channels == 1:
        weight = np.array([19595, 38470, 7471], np.uint32)  # in 65536ths, as Pillow has them
        x = np.stack([((p @ weight + 0x8000) >> 16).astype(x.dtype) for p in x])[..., None]
    if x.shape[1:3] != size:
        x = np.stack([resize(one, size, resize_mode=resize_mode) for one in x])
    return x.repeat(3, axis=3) if x.shape[3] == 1 and channels == 3 else x


def _check_wish(channels: int | None, resize_mode: str) -> None:
    if resize_mode not in RESIZE_MODES:
        raise UsageError(
            f"`resize_mode` is one of {RESIZE_MODES}; got {resize_mode!r}. "
            f"{did_you_mean(resize_mode, RESIZE_MODES)}"
        )
    if channels not in (None, 1, 3):
        raise UsageError(
            f"`channels` is 1 (grey) or 3 (colour); got {channels!r}. "
            "Leave it out to keep what the pictures have."
        )


def _decode(
    data: bytes,
    size: tuple[int, int] | None,
    channels: int | None,
    resize_mode: str,
    room: np.ndarray | None,
) -> np.ndarray:
    j = parse(data)
    x = None
    if j is not None:
        _check_size(j.height, j.width)
        x = decode_fast(data, j, size=size, room=room)
    im = None
    if x is None or j is None:
        im = _load(data, size)
        if im.mode in _DEEP or im.mode == "I":
            deep = _three(np.asarray(im).astype(np.uint16))
            deep = deep if size is None else resize(deep, size, resize_mode=resize_mode)
            return np.repeat(deep, 3, axis=2) if channels == 3 else deep
        grey = im.mode == "L"
    else:
        grey = j.components == 1
    want = channels or (1 if grey else 3)
    if x is not None and (size is None or x.shape[:2] == size) and x.shape[2] == want:
        return x
    return _finish(im if im is not None else _image(x), size, want, resize_mode)


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


def _image(x: np.ndarray | None) -> PILImage.Image:
    from PIL import Image

    assert x is not None
    return Image.fromarray(x[:, :, 0] if x.shape[2] == 1 else x)


def _scale(im: PILImage.Image, size: tuple[int, int], resize_mode: str) -> PILImage.Image:
    from PIL import Image

    height, width = size
    if im.size == (width, height):
        return im
    w, h = im.size
    if resize_mode == "pad":
        k = min(width / w, height / h)
        inner = (min(width, max(1, round(w * k))), min(height, max(1, round(h * k))))
        frame = Image.new(im.mode, (width, height), 0)
        small = im.resize(inner, Image.Resampling.BILINEAR)
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
    return im.resize((width, height), Image.Resampling.BILINEAR, box=box)


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


# ---- Pillow


def _open(data: bytes) -> PILImage.Image:
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise DataError("empty: the file holds no bytes")
    try:
        im = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise DataError("no picture: the content is of no known picture format") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(
            f"too large: at most {PIXEL_LIMIT:,} pixels are decoded; scale it down"
        ) from None
    except Exception as e:  # a decoder may raise anything at a damaged header
        raise DataError(f"damaged: the header cannot be read ({_say(e)})") from e
    _check_size(im.size[1], im.size[0])
    if im.mode == "F" or (im.mode == "I" and im.format != "PPM"):
        what = "floating-point" if im.mode == "F" else "32-bit integer"
        raise DataError(f"{what} pixels have no fixed white; save it with 8 or 16 bits")
    return im


def _load(data: bytes, size: tuple[int, int] | None) -> PILImage.Image:
    """A decoded picture of mode L, RGB or 16 bits, upright."""
    from PIL import ImageOps

    im = _open(data)
    try:
        if size is not None and im.format in ("JPEG", "MPO"):
            wish = max(size) if im.getexif().get(ORIENTATION, 1) >= 5 else None
            im.draft(im.mode, (wish, wish) if wish else (size[1], size[0]))
        alpha = _has_alpha(im)
        im.load()
        im = ImageOps.exif_transpose(im)
        if im.mode in _DEEP or im.mode == "I" or im.mode == "L":
            return im if not alpha else _over_white(im)
        if alpha:
            return _over_white(im)
        return im.convert("L" if im.mode == "1" else "RGB")
    except MemoryError:
        raise DataError("too large for the memory that is free; scale it down") from None
    except Exception as e:  # a decoder may raise anything at damaged data
        raise DataError(f"damaged or cut off: {_say(e)}") from e


def _say(e: Exception) -> str:
    text = " ".join(str(e).split())[:120]
    return text if isinstance(e, OSError) and text else f"{type(e).__name__}: {text}"


def _lies(im: PILImage.Image) -> bool:
    """The camera was held sideways; a PNG tells it behind its pixels, which may be damaged."""
    try:
        return im.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
    except Exception:  # decoding says what is wrong
        return False


def _has_alpha(im: PILImage.Image) -> bool:
    return im.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in im.info


def _over_white(im: PILImage.Image) -> PILImage.Image:
    from PIL import Image

    if im.mode in _DEEP:  # one of 65,536 greys is named transparent: too rare to be worth a pass
        return im
    grey = im.mode in ("L", "LA", "La", "1")
    im = im.convert("RGBA")
    white = Image.new("RGBA", im.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, im).convert("L" if grey else "RGB")


def _frames(im: PILImage.Image) -> int:
    try:
        return int(getattr(im, "n_frames", 1))
    except Exception:  # frames after the first may be damaged; the first decides
        return 2


def _reduced(im: PILImage.Image, data: bytes) -> bool:
    if im.format == "PNG":
        return len(data) > 25 and data[24] == 16 and im.mode not in _DEEP
    if im.format == "TIFF":
        bits: Any = getattr(im, "tag_v2", {}).get(258, (8,))
        return im.mode not in _DEEP and max(bits if isinstance(bits, tuple) else (bits,)) > 8
    return False
