"""The PNM family (PBM, PGM, PPM) and PFM, read here: their decoder elsewhere is slow or inexact.

    P1, P4   one bit per pixel, 1 is black        P2, P5   gray up to a maximum value of 1 to 65535
    P3, P6   the same in red, green, blue       Pf, PF   floating point, the lowest row first

Sources: the manual pages pbm(5), pgm(5), ppm(5) of Netpbm; PFM as Debevec defined it.
"""

from __future__ import annotations

import math
import re

import numpy as np

from neocog.data.pixel_format import PixelFormat
from neocog.data.plan import DecodePlan
from neocog.errors import DataError

__all__ = ["plan_pnm", "read_pnm"]

_NOTE = rb"(?:\s|#[^\r\n]*[\r\n])"
_WORD = _NOTE + rb"+([-+.\deE]{1,20})"
_BITMAP = re.compile(rb"P([14])" + _WORD * 2 + rb"\s")
_OTHER = re.compile(rb"P([2356fF])" + _WORD * 3 + rb"\s")
_HEAD = 1 << 16
_TEXT = 1 << 28
"""Bytes of the largest file whose numbers are written as text."""


def plan_pnm(data: bytes) -> DecodePlan:
    """How a file of the PNM family is to be read.

    Args:
        data: the bytes of the file.

    Raises:
        DataError: it is damaged, or its numbers are not understood.
    """
    match = _BITMAP.match(data[:_HEAD]) or _OTHER.match(data[:_HEAD])
    if match is None:
        raise DataError("damaged: the header of a PNM is two or three numbers")
    kind, *words = match.groups()
    try:
        width, height = int(words[0]), int(words[1])
        white = float(words[2]) if len(words) > 2 else 1.0
    except ValueError as e:
        raise DataError("damaged: the header of a PNM is two or three numbers") from e
    color = "rgb" if kind in b"36F" else "gray"
    if kind in b"fF":
        if not white or not math.isfinite(white):
            raise DataError("damaged: the scale of a PFM is a number other than 0")
        form = PixelFormat("PPM", color, 32, "float")
    elif kind in b"14":
        form = PixelFormat("PPM", color, 1, zero="white")
    else:
        if not (1 <= white <= 65535 and white == int(white)):
            raise DataError(f"damaged: the maximum value of a PNM is 1 to 65535, not {white:g}")
        form = PixelFormat("PPM", color, 8 if white < 256 else 16)
    if width < 1 or height < 1:
        raise DataError("damaged: the header of a PNM has no size")
    if kind in b"123" and len(data) > _TEXT:
        raise DataError(f"too large: numbers as text, at most {_TEXT:,} bytes; save it as PNG")
    return DecodePlan(
        form=form,
        height=height,
        width=width,
        orientation=1,
        payload=data,
        white=white,
        start=match.end(),
    )


def read_pnm(plan: DecodePlan) -> np.ndarray:
    """The pixels, (H, W, 1 or 3): uint8, uint16, or float32 of a PFM as they are in the file.

    Raises:
        DataError: there are too few of them, or one is above the maximum.
    """
    bands = 3 if plan.form.color == "rgb" else 1
    shape = (plan.height, plan.width, bands)
    if plan.form.sample == "float":
        order = "<" if plan.white < 0 else ">"
        return np.asarray(_raw(plan, np.dtype(order + "f4"), shape)[::-1], np.float32)
    if plan.form.bits == 1:
        return _bits(plan) * np.uint8(255)
    if plan.payload[1:2] in b"23":
        x = _numbers(plan, shape)
    else:
        x = _raw(plan, np.dtype("u1" if plan.form.bits == 8 else ">u2"), shape)
    top = int(x.max())
    if top > plan.white:
        raise DataError(f"damaged: a pixel is {top}, above its maximum of {plan.white:.0f}")
    full, dtype = (255, np.uint8) if plan.form.bits == 8 else (65535, np.uint16)
    if plan.white == full:
        return x.astype(dtype)
    white = int(plan.white)
    levels = (np.arange(white + 1) * 2 * full + white) // (2 * white)
    scaled: np.ndarray = levels.astype(dtype)[x]
    return scaled


def _raw(plan: DecodePlan, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    need = math.prod(shape) * dtype.itemsize
    _enough(len(plan.payload) - plan.start, need, "bytes")
    return np.frombuffer(plan.payload, dtype, math.prod(shape), plan.start).reshape(shape)


def _bits(plan: DecodePlan) -> np.ndarray:
    """One byte a pixel, 1 is white."""
    height, width = plan.height, plan.width
    if plan.payload[1:2] == b"1":
        text = re.sub(rb"#[^\r\n]*", b"", plan.payload[plan.start :])
        digits = np.frombuffer(text, np.uint8)
        digits = digits[(digits == 0x30) | (digits == 0x31)] == 0x30
        _enough(digits.size, height * width, "pixels")
        return np.asarray(digits[: height * width].reshape(height, width, 1), np.uint8)
    rows = _raw(plan, np.dtype(np.uint8), (height, -(-width // 8)))
    return np.asarray(1 - np.unpackbits(rows, axis=1, count=width)[:, :, None])


def _numbers(plan: DecodePlan, shape: tuple[int, ...]) -> np.ndarray:
    text = re.sub(rb"#[^\r\n]*", b"", plan.payload[plan.start :])
    need = math.prod(shape)
    if re.fullmatch(rb"[\d\s]*", text) is None:
        raise DataError("damaged: a pixel of a PNM is not an integer")
    values = np.fromstring(text, np.int64, count=-1, sep=" ")[:need]
    _enough(values.size, need, "values")
    return values.reshape(shape)


def _enough(have: int, need: int, what: str) -> None:
    if have < need:
        raise DataError(f"damaged or truncated: {have:,} of {need:,} {what}")
