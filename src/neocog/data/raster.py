"""From the bytes of an image file to upright pixels on white, by the table of pixel formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neocog.data.bitmaps import plan_bmp, plan_gif, plan_webp
from neocog.data.formats import identify, open_image, say
from neocog.data.jpeg import Jpeg, only_pixels, plan_jpeg, upright
from neocog.data.pixel_format import Rule, rule_for
from neocog.data.plan import DecodePlan
from neocog.data.png import plan_png
from neocog.data.pnm import plan_pnm, read_pnm
from neocog.data.tiff import plan_tiff
from neocog.errors import DataError

if TYPE_CHECKING:
    from PIL import Image as PILImage

__all__ = ["plan", "read"]

_ROWS = 64
_NOT_NATIVE = "B" if np.little_endian else "L"
_PLANS = {
    "PNG": plan_png, "GIF": plan_gif, "BMP": plan_bmp, "TIFF": plan_tiff, "WEBP": plan_webp,
    "PPM": plan_pnm,
}  # fmt: skip


def plan(data: bytes, j: Jpeg | None = None) -> tuple[DecodePlan, Rule]:
    """How a file is to be read, before any decoder is started.

    Args:
        data: the bytes of the file.
        j: its frame header, where it is a JPEG.

    Raises:
        DataError: it is of no format that is read, damaged, or its numbers are not understood.
    """
    kind = identify(data)
    decode_plan = plan_jpeg(data, j) if kind == "JPEG" else _PLANS[kind](data)
    return decode_plan, rule_for(decode_plan.form)


def read(
    decode_plan: DecodePlan, *, draft: tuple[int, int] | None = None
) -> PILImage.Image | np.ndarray:
    """The pixels of a file: an image of mode L or RGB, or (H, W, 1 or 3) uint16.

    Args:
        decode_plan: how it is to be read.
        draft: (H, W) as stored that a JPEG may be shrunk toward while it is decoded.

    Raises:
        DataError: it is damaged or too large for the memory; the message is the reason.
    """
    try:
        form = decode_plan.form
        if form.kind == "PPM":
            return _array(read_pnm(decode_plan), decode_plan)
        if form.color == "rgb" and form.bits == 16 and form.kind in ("PNG", "TIFF"):
            return _array(_deep_color(decode_plan), decode_plan)
        if form.kind == "PNG" and form.bits == 16 and form.alpha == "straight":
            return _array(_deep_gray_alpha(decode_plan), decode_plan)
        im = _opened(decode_plan, draft)
        im.load()
        if form.bits in (12, 16, 32) and form.color == "gray":
            return _array(np.asarray(im)[:, :, None], decode_plan)
        return _turned(_plain(im, decode_plan), decode_plan.orientation)
    except DataError:
        raise
    except MemoryError:
        raise DataError("too large for the memory that is free; scale it down") from None
    except Exception as e:  # a decoder may raise anything at damaged data
        raise DataError(f"damaged or truncated: {say(e)}") from e


def _opened(decode_plan: DecodePlan, draft: tuple[int, int] | None = None) -> PILImage.Image:
    kind = decode_plan.form.kind
    payload = only_pixels(decode_plan.payload) if kind == "JPEG" else decode_plan.payload
    im = open_image(payload, kind)
    if sorted(im.size) != sorted((decode_plan.width, decode_plan.height)):
        raise DataError(
            f"damaged: its header says {decode_plan.width} x {decode_plan.height} pixels and its "
            f"content {im.size[0]} x {im.size[1]}"
        )
    if draft is not None and kind == "JPEG":
        im.draft(im.mode, (draft[1], draft[0]))
    return im


# ---- eight bits: by the decoder's own image


def _plain(im: PILImage.Image, decode_plan: DecodePlan) -> PILImage.Image:
    """A decoded image as mode L or RGB, on white."""
    from PIL import ImageOps

    if decode_plan.form.alpha == "key":
        return _keyed(im, decode_plan)
    if im.mode in ("La", "PA"):
        im = im.convert("LA" if im.mode == "La" else "RGBA")
    elif decode_plan.form.alpha == "palette":
        im = im.convert("LA" if im.mode in ("1", "L") else "RGBA")
    if decode_plan.form.alpha != "none" and im.mode in ("LA", "RGBA", "RGBa"):
        return _on_white(im)
    gray = im.mode in ("1", "L", "LA")
    im = im if im.mode in ("L", "RGB") else im.convert("L" if gray else "RGB")
    if decode_plan.form.zero == "white" and decode_plan.form.color == "gray":
        return ImageOps.invert(im)
    return im


def _on_white(im: PILImage.Image) -> PILImage.Image:
    from PIL import Image

    mode = "L" if im.mode == "LA" else "RGB"
    im = im.convert("RGBA") if im.mode == "RGBa" else im
    ground = Image.new(mode, im.size, 255 if mode == "L" else (255, 255, 255))
    ground.paste(im if mode == "RGB" else im.convert("L"), mask=im)
    return ground


def _keyed(im: PILImage.Image, decode_plan: DecodePlan) -> PILImage.Image:
    """White where a pixel has the color that stands for transparent; the key is of the file."""
    from PIL import Image

    im.info.pop("transparency", None)
    gray = decode_plan.form.color == "gray"
    x = np.array(im.convert("L" if gray else "RGB"))
    top = (1 << decode_plan.form.bits) - 1
    key = [k * 255 // top for k in decode_plan.key]
    if all(k <= top for k in decode_plan.key):
        x[(x == key[0]) if gray else (x == key).all(2)] = 255
    return Image.fromarray(x)


def _turned(im: PILImage.Image, orientation: int) -> PILImage.Image:
    from PIL import Image

    how = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
           6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90"}  # fmt: skip
    return im.transpose(Image.Transpose[how[orientation]]) if orientation in how else im


# ---- more than eight bits: by numbers


def _array(x: np.ndarray, decode_plan: DecodePlan) -> PILImage.Image | np.ndarray:
    """Numbers of a file (H, W, bands) as uint16 on white, or as an image of 8 bits; upright."""
    from PIL import Image

    form = decode_plan.form
    if form.sample == "float":
        x = _unit(x, form.zero)
    elif form.bits == 12:
        x = (x.astype(np.uint32) * 65535 + 2047) // 4095
    elif form.zero == "white" and form.bits == 16:
        x = 65535 - x
    if form.alpha == "key":
        x = np.where((x == np.array(decode_plan.key)).all(2, keepdims=True), 65535, x)
    elif x.shape[2] in (2, 4):
        x = _deep_on_white(x, form.alpha)
    if x.dtype == np.uint8:
        return _turned(
            Image.fromarray(x[:, :, 0] if x.shape[2] == 1 else x), decode_plan.orientation
        )
    return upright(np.ascontiguousarray(x.astype(np.uint16, copy=False)), decode_plan.orientation)


def _unit(x: np.ndarray, zero: str) -> np.ndarray:
    low, high = float(x.min()), float(x.max())
    if not (low >= 0 and high <= 1):  # also where one is not a number
        raise DataError(
            f"floating-point pixels from {low:g} to {high:g} have no fixed white; "
            "save it with 8 or 16 bits, or scale it to [0, 1]"
        )
    wide: np.ndarray = np.rint((1 - x if zero == "white" else x) * np.float32(65535))
    return wide


def _deep_on_white(x: np.ndarray, alpha: str) -> np.ndarray:
    """Colors and opacity of 16 bits over white, some rows at a time."""
    if alpha == "none":  # a further band, left out
        return x[:, :, :-1]
    out = np.empty((*x.shape[:2], x.shape[2] - 1), np.uint16)
    for i in range(0, len(x), _ROWS):
        some = x[i : i + _ROWS].astype(np.uint64)
        color, opacity = some[:, :, :-1], some[:, :, -1:]
        share = color * 65535 if alpha == "associated" else color * opacity
        whole = (share + (65535 - opacity) * 65535 + 32767) // 65535
        out[i : i + _ROWS] = np.minimum(whole, 65535)
    return out


def _deep_color(decode_plan: DecodePlan) -> np.ndarray:
    """RGB or RGBA of 16 bits: the decoder gives 8 of them at a time, the upper or the lower."""
    halves: list[np.ndarray] = []
    for which in ("upper", "lower"):
        im: Any = _opened(decode_plan)
        (tile, *more) = im.tile
        args = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        raw = str(args[0])
        stem, order = raw[:-1].replace("RGBa", "RGBA"), raw[-1]
        other = {"B": "L", "L": "B", "N": _NOT_NATIVE}[order]
        name = stem + (order if which == "upper" else other)
        im.tile = [
            t._replace(args=(name, *t.args[1:]) if isinstance(t.args, tuple) else name)
            for t in (tile, *more)
        ]
        im.load()
        halves.append(np.asarray(im))
    return np.asarray(halves[0].astype(np.uint16) << 8 | halves[1])


def _deep_gray_alpha(decode_plan: DecodePlan) -> np.ndarray:
    """Gray and opacity of 16 bits: four bytes a pixel, read as if they were four colors."""
    import struct
    import zlib

    head = bytearray(decode_plan.payload[:33])
    head[24:26] = b"\x08\x06"
    head[29:33] = struct.pack(">I", zlib.crc32(head[12:29]))
    im = open_image(bytes(head) + decode_plan.payload[33:], "PNG")
    im.load()
    x = np.asarray(im).astype(np.uint16)
    return np.asarray(x[:, :, 0::2] << 8 | x[:, :, 1::2])
