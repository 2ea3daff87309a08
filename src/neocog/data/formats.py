"""The format of a file, by its first bytes, and the only module that starts an image decoder.

Seven formats are read: JPEG (also the MPO of phones), PNG, GIF, BMP, TIFF, WebP, and the PNM family
(PBM, PGM, PPM, PFM). A decoder is only ever started for the format that the content has, by name,
so that no other reader of the library is tried on it: one of them (PostScript) starts a program.
Everything else is refused by its name where it has one, with what to do.
"""

from __future__ import annotations

import io
import os
import re
import stat
from typing import TYPE_CHECKING

from neocog.errors import DataError

if TYPE_CHECKING:
    from PIL import Image as PILImage

__all__ = ["BYTES_LIMIT", "FORMATS", "identify", "open_image", "read_file", "say"]

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
"""The formats that are read; PPM stands for its family."""

_MAGIC: tuple[tuple[str, re.Pattern[bytes]], ...] = tuple(
    (kind, re.compile(pattern, re.DOTALL))
    for kind, pattern in (
        ("JPEG", rb"\xff\xd8\xff"),
        ("PNG", rb"\x89PNG\r\n\x1a\n"),
        ("GIF", rb"GIF8[79]a"),
        ("WEBP", rb"RIFF....WEBP"),
        ("TIFF", rb"II\*\0(?!....CR)|MM\0\*|II\+\0\x08\0|MM\0\+\0\x08"),
        ("PPM", rb"P[1-6fF][\s#]"),
        ("BMP", rb"BM.{4}.{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0"),
    )
)

_CONVERT = "convert it to PNG or JPEG"
_RAW = ("camera raw, sensor values before development", "develop it and save it as PNG or TIFF")
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (rb"%!PS|\xc5\xd0\xd3\xc6", "PostScript (EPS), a program that draws an image", _CONVERT),
    (rb"%PDF", "a PDF document", "save its pages as PNG"),
    (rb"8BPS", "a Photoshop document (PSD)", _CONVERT),
    (rb"....ftyp(hei[cxms]|hev[cmsx]|mif1|msf1)", "HEIC, as phones save it", _CONVERT),
    (rb"....ftypavi[fs]", "AVIF", _CONVERT),
    (rb"....ftypcrx ", *_RAW),
    (rb"....ftyp", "a video or another MP4 file", "save its frames as PNG or JPEG"),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "JPEG 2000", _CONVERT),
    (rb"\0\0\0\x0cJXL |\xff\x0a", "JPEG XL", _CONVERT),
    (rb"II\xbc\x01", "JPEG XR", _CONVERT),
    (rb"II\*\0....CR|FUJIFILMCCD|IIR[OS]|IIU\0|\0MRM", *_RAW),
    (rb".{128}DICM", "DICOM", "save its pixels as PNG of 16 bits, through its window"),
    (rb"SIMPLE  =", "FITS", "save its pixels as PNG or TIFF of 16 bits"),
    (rb"\0\0[\x01\x02]\0", "an icon or cursor (ICO)", _CONVERT),
    (rb"v/1\x01", "OpenEXR, without a fixed white", "map its tones and save it as PNG"),
    (rb"#\?R", "Radiance HDR, without a fixed white", "map its tones and save it as PNG"),
    (rb"P7\n", "PAM", "save it as PNG, PPM or PGM"),
    (rb"qoif|DDS |farbfeld|\x8aMNG|FLIF", "an image in another format", _CONVERT),
    (rb"version https://git-lfs", "a Git LFS pointer, not the file",
     "fetch it with `git lfs pull`"),
    (rb"\x93NUMPY", "a NumPy array", "save it as PNG, or all of them in an .npz with labels"),
    (rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ", "an archive", "unpack it"),
    (rb"\x89HDF|CDF[\x01\x02]", "an HDF or NetCDF file", "save its arrays as PNG or .npz"),
    (rb"(?i:(\xef\xbb\xbf)?\s*<(\?xml[^>]*>\s*(<!--.{0,999}?-->\s*)*<)?svg[\s>])", "SVG, a drawing",
     "save it as PNG"),
    (rb"(?i:(\xef\xbb\xbf)?\s*<(!doctype\s+html|html|head|body|\?xml))",
     "a web page, not an image: the download failed", "download it again"),
)  # fmt: skip
_REFUSED = tuple((re.compile(pattern, re.DOTALL), what, todo) for pattern, what, todo in _OTHERS)
BYTES_LIMIT = 1 << 30
"""Bytes of the largest file that is read."""
_FIRST = 4096
"""Bytes at the beginning of a file that identify it."""


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of an image file; what is not a regular file is not opened, what is none not read.

    Args:
        path: of the file.

    Raises:
        DataError: it cannot be read, is too large, or of no format that is read; the message is the
            reason.
    """
    try:
        kind = os.stat(path).st_mode  # noqa: PTH116 (a zero byte is a ValueError)
        if stat.S_ISDIR(kind):
            raise DataError("is a folder without files")
        if not stat.S_ISREG(kind):  # a pipe, socket or device may be waited for, for ever
            raise DataError("not a regular file (a device, pipe or socket)")
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb", buffering=0) as file:
            size = os.fstat(handle).st_size
            start = file.read(_FIRST)
            identify(start)
            rest = file.read(max(size, _FIRST) - len(start)) if size <= BYTES_LIMIT else b""
    except OSError as e:
        raise DataError(f"cannot be read ({e.strerror or e})") from e
    except ValueError as e:  # a path with a zero byte, or that is not a text
        raise DataError("cannot be read (not a file path)") from e
    if size > BYTES_LIMIT:
        raise DataError(f"too large: {size:,} bytes, at most {BYTES_LIMIT:,} are read")
    return start + rest


def identify(data: bytes) -> str:
    """The format of a file, one of `FORMATS`.

    Args:
        data: the bytes of the file.

    Raises:
        DataError: it is of no format that is read; the message is the reason.

    Example:
        >>> identify(b"GIF89a" + bytes(20))
        'GIF'
        >>> identify(b"%!PS-Adobe-3.0 EPSF-3.0")
        Traceback (most recent call last):
        ...
        neocog.errors.DataError: PostScript (EPS), a program that draws an image, which is not read;
        convert it to PNG or JPEG
    """
    if not data:
        raise DataError("empty: the file holds no bytes")
    start = data[:_FIRST]
    for kind, pattern in _MAGIC:
        if pattern.match(start):
            return kind
    for pattern, what, todo in _REFUSED:
        if pattern.match(start):
            raise DataError(f"{what}, which is not read; {todo}")
    raise DataError("not an image: the content has no known image format")


def open_image(data: bytes, kind: str) -> PILImage.Image:
    """The decoder of one format, started on bytes; nothing is decoded yet.

    Args:
        data: the bytes of a file.
        kind: its format, one of `FORMATS`; no other reader is tried.

    Raises:
        DataError: the header is damaged.
    """
    from PIL import Image, TiffImagePlugin, WebPImagePlugin  # noqa: F401 (they register readers)

    try:
        return Image.open(io.BytesIO(data), formats=(kind,))
    except Exception as e:  # a decoder may raise anything at a damaged header
        raise DataError(f"damaged: the header cannot be read ({say(e)})") from e


def say(e: Exception) -> str:
    """What a decoder raised, on one line."""
    text = " ".join(str(e).split())[:120]
    return text if isinstance(e, OSError) and text else f"{type(e).__name__}: {text}"
