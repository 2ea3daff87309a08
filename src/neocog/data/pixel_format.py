"""What the numbers of an image file mean: one table, and nothing that is not in it is guessed.

The header of a file defines how its numbers are read: how many bits, with a sign or not, whether
0 is black or white, what stands for transparent. A reader that passes over one of these gives an
image that looks plausible and is wrong. Here every combination that is understood has a row, and
every other is refused by name. Conversions are reported, see `MARKS`.

Whatever the row: the orientation of EXIF is applied; gamma and color profiles are not (which is
reported where they would change the numbers); transparency is laid over white; of several frames or
pages the first is taken. `docs/reference/images.md` shows the table; a test compares both.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from neocog.errors import DataError

__all__ = ["MARKS", "RULES", "PixelFormat", "Rule", "rule_for", "table"]

MARKS = (
    "several frames; the first is used",
    "transparency, flattened onto white",
    "16-bit color, taken as 8 bits",
    "extra bands, ignored",
    "12 bits, taken as 16 (4095 is white)",
    "floating-point pixels in [0, 1], taken as 16 bits",
    "white is 0 in the file; inverted",
    "CMYK, converted to RGB without its color profile",
    "a color profile other than sRGB, ignored",
    "a gamma other than that of sRGB, ignored",
    "brightness beyond white (HDR), ignored",
)
"""Notes on images that were converted; a record keeps the index."""

SEVERAL, ALPHA, REDUCED, BANDS, TWELVE, FLOAT, INVERTED, CMYK, PROFILE, GAMMA, HDR = MARKS


class PixelFormat(NamedTuple):
    """The pixel format of a header."""

    kind: str
    """JPEG, PNG, GIF, BMP, TIFF, WEBP or PPM (the PNM family)."""
    color: str
    """gray, palette, rgb, cmyk, ycbcr, lab, or a word for what has no row."""
    bits: int
    """Of a value, in the file."""
    sample: str = "unsigned"
    """unsigned, signed or float."""
    alpha: str = "none"
    """none; key: one color stands for transparent; palette: entries have an opacity; straight;
    associated: colors are multiplied by their opacity already."""
    zero: str = "black"
    """What 0 is: black, or white."""
    layout: str = "pixels"
    """Values of a pixel lie together, or each band for itself: planes."""


class Rule(NamedTuple):
    """A row of the table: the combinations it holds for, and what becomes of their numbers."""

    kind: str
    colors: tuple[str, ...]
    bits: tuple[int, ...]
    samples: tuple[str, ...]
    alphas: tuple[str, ...]
    zeros: tuple[str, ...]
    layouts: tuple[str, ...]
    numbers: str
    """What becomes of them, in words."""
    marks: tuple[str, ...] = ()
    """The notes."""

    @property
    def depth(self) -> int:
        """Bits of a value that comes out: 8 or 16."""
        deep = self.colors != ("palette",) and self.kind != "BMP" and self.colors != ("cmyk",)
        return 16 if deep and max(self.bits) > 8 else 8

    def holds(self, form: PixelFormat) -> bool:
        """Whether this row is about such a file."""
        pairs = zip(
            (self.colors, self.bits, self.samples, self.alphas, self.zeros, self.layouts),
            form[1:],
            strict=True,
        )
        return self.kind == form.kind and all(value in known for known, value in pairs)


_PLAIN = (("unsigned",), ("none",), ("black",), ("pixels",))
_EIGHT = "value / 255"
_SMALL = "value / (2^bits - 1), as 8 bits"
_DEEP = "value / 65535, as 16 bits"
_TABLE = "the color of the palette's entry, as 8 bits"
_OVER = "; over white"
_ANY = ("straight", "associated")
_U, _N, _B, _P = _PLAIN
_W = ("black", "white")
_PL = ("pixels", "planes")

RULES = (
    Rule("JPEG", ("gray",), (8,), *_PLAIN, _EIGHT),
    Rule("JPEG", ("ycbcr",), (8,), *_PLAIN, "RGB by JFIF (BT.601, full range), " + _EIGHT),
    Rule("JPEG", ("rgb",), (8,), *_PLAIN, _EIGHT),
    Rule("JPEG", ("cmyk",), (8,), _U, _N, ("white",), ("pixels",),
         "inverted ink, as Adobe's marker says: R = C K / 255, and so on", (CMYK,)),
    Rule("PNG", ("gray",), (1, 2, 4, 8), _U, ("none", "key"), _B, ("pixels",),
         _SMALL + "; the key is white"),
    Rule("PNG", ("gray",), (16,), _U, ("none", "key", "straight"), _B, ("pixels",), _DEEP + _OVER),
    Rule("PNG", ("gray",), (8,), _U, ("straight",), _B, ("pixels",), _EIGHT + _OVER),
    Rule("PNG", ("palette",), (1, 2, 4, 8), _U, ("none", "palette"), _B, ("pixels",),
         _TABLE + _OVER),
    Rule("PNG", ("rgb",), (8,), _U, ("none", "key", "straight"), _B, ("pixels",), _EIGHT + _OVER),
    Rule("PNG", ("rgb",), (16,), _U, ("none", "key", "straight"), _B, ("pixels",), _DEEP + _OVER),
    Rule("GIF", ("palette",), (8,), _U, ("none", "palette"), _B, ("pixels",), _TABLE + _OVER),
    Rule("BMP", ("palette",), (1, 4, 8), *_PLAIN, _TABLE),
    Rule("BMP", ("rgb",), (16,), *_PLAIN, "5 or 6 bits per color, value / (2^bits - 1), as 8 bits"),
    Rule("BMP", ("rgb",), (24,), *_PLAIN, _EIGHT),
    Rule("BMP", ("rgb",), (32,), _U, ("none", "straight"), _B, ("pixels",),
         _EIGHT + "; the fourth byte counts only where a mask names it" + _OVER),
    Rule("WEBP", ("rgb",), (8,), _U, ("none", "straight"), _B, ("pixels",), _EIGHT + _OVER),
    Rule("PPM", ("gray",), (1,), _U, _N, ("white",), ("pixels",), "1 is black, 0 is white"),
    Rule("PPM", ("gray", "rgb"), (8,), *_PLAIN, "value / maximum value, as 8 bits"),
    Rule("PPM", ("gray", "rgb"), (16,), *_PLAIN, "value / maximum value, as 16 bits"),
    Rule("PPM", ("gray", "rgb"), (32,), ("float",), _N, _B, ("pixels",),
         "value, where all are in [0, 1]; else refused", (FLOAT,)),
    Rule("TIFF", ("gray",), (1, 2, 4), _U, _N, _W, _PL, _SMALL),
    Rule("TIFF", ("gray",), (8,), _U, ("none", *_ANY), _W, ("pixels",), _EIGHT + _OVER),
    Rule("TIFF", ("gray",), (12,), *_PLAIN, "value / 4095, as 16 bits", (TWELVE,)),
    Rule("TIFF", ("gray",), (16,), _U, _N, _W, _PL, _DEEP),
    Rule("TIFF", ("gray",), (32,), ("float",), _N, _W, _PL,
         "value, where all are in [0, 1]; else refused", (FLOAT,)),
    Rule("TIFF", ("palette",), (1, 2, 4, 8), *_PLAIN, _TABLE),
    Rule("TIFF", ("rgb",), (8,), _U, ("none", *_ANY), _B, _PL, _EIGHT + _OVER),
    Rule("TIFF", ("rgb",), (16,), _U, ("none", *_ANY), _B, ("pixels",), _DEEP + _OVER),
    Rule("TIFF", ("cmyk",), (8,), *_PLAIN, "(1 - C)(1 - K), and so on", (CMYK,)),
    Rule("TIFF", ("cmyk",), (16,), *_PLAIN, "the same, of the upper 8 bits", (CMYK, REDUCED)),
    Rule("TIFF", ("ycbcr",), (8,), *_PLAIN, "RGB by the file's coefficients, " + _EIGHT),
    Rule("TIFF", ("lab",), (8,), *_PLAIN, "sRGB of the color, " + _EIGHT),
)  # fmt: skip
"""Every combination whose numbers are understood."""


@functools.lru_cache(256)
def rule_for(form: PixelFormat) -> Rule:
    """The row for a file.

    Raises:
        DataError: there is none; the message names the pixel format of the file.

    Example:
        >>> rule_for(PixelFormat("PNG", "gray", 16)).numbers
        'value / 65535, as 16 bits; over white'
        >>> rule_for(PixelFormat("TIFF", "gray", 16, "signed"))
        Traceback (most recent call last):
        ...
        neocog.errors.DataError: signed 16-bit pixels have no fixed black and white; save it
        with 8 or 16 bits without a sign
    """
    for rule in RULES:
        if rule.holds(form):
            return rule
    raise DataError(_why_not(form))


def _why_not(form: PixelFormat) -> str:
    if form.bits == 32 and form.kind == "TIFF" and form.sample in ("unsigned", "signed"):
        return "32-bit integer pixels have no fixed white; save it with 8 or 16 bits"
    if form.sample == "signed":
        return (
            f"signed {form.bits}-bit pixels have no fixed black and white; "
            "save it with 8 or 16 bits without a sign"
        )
    if form.sample == "float":
        return (
            f"floating-point pixels of {form.bits} bits have no fixed white; "
            "save it with 8 or 16 bits"
        )
    if form.kind == "JPEG" and form.color == "cmyk" and form.bits == 8:
        return "a JPEG of CMYK that does not say whether 0 means no ink or full ink; save it as RGB"
    parts = [f"{form.bits}-bit {form.color}"]
    parts += [f"{form.alpha} transparency"] if form.alpha != "none" else []
    parts += ["0 as white"] if form.zero == "white" else []
    parts += ["each band for itself"] if form.layout == "planes" else []
    name = "PNM" if form.kind == "PPM" else form.kind
    return (
        f"a {name} of {', '.join(parts)}, whose values are not supported; save it as 8- or 16-bit "
        "gray or RGB"
    )


def table() -> str:
    """The table in Markdown, as the documentation shows it."""
    lines = [
        "| format | color | bits | sample | transparency | 0 is | how values are scaled |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in RULES:
        name = "PBM, PGM, PPM, PFM" if r.kind == "PPM" else r.kind
        bits = ", ".join(map(str, r.bits))
        cells = [", ".join(c) for c in (r.colors, r.samples, r.alphas, r.zeros)]
        lines.append(f"| {name} | {cells[0]} | {bits} | {' | '.join(cells[1:])} | {r.numbers} |")
    return "\n".join(lines)
