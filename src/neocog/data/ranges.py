"""The value range of sample arrays, for all arrays of a set together, with notes.

    uint8, uint16     255 or 65535 is white
    bool              True is white
    whole numbers     of any other type: up to 255 as 8 bits, up to 65535 as 16
    fractions         in [0, 1]: 1 is white; as 8 bits where all are multiples of 1/255, else as 16

Everything else is refused: numbers below zero, above 65535, fractions beyond 1, what is no number.
The arrays of one set have one meaning: a test part whose brightest pixel is 200 has the white of
the train part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from neocog.errors import DataError

__all__ = ["Ranged", "as_pixels", "dark", "is_blank", "nothing_to_see", "pale_notes"]

_PALE = "transparency that leaves one color over white: nothing is left to see"
_BLOCK = 1 << 22
_FAR = 8
"""Ratio of white to the brightest pixel above which a caution is given."""


class Ranged(NamedTuple):
    """Arrays of a set as pixels, what was done, and what should be looked at."""

    pixels: list[np.ndarray]
    remarks: tuple[str, ...]
    cautions: tuple[str, ...]


def as_pixels(parts: Sequence[np.ndarray], *, where: str) -> Ranged:
    """Arrays of a set as uint8 or uint16, with one meaning for those of one kind.

    Args:
        parts: numbers of any shape.
        where: the file, for messages.

    Raises:
        DataError: the numbers have no fixed white.

    Example:
        >>> as_pixels([np.array([0, 300]), np.array([7, 255])], where="set.npz").pixels[1].dtype
        dtype('uint16')
    """
    kinds = [_kind(p) for p in parts]
    done, sentences = list(parts), []
    for kind in dict.fromkeys(kinds):
        rows = [i for i, k in enumerate(kinds) if k == kind]
        made, sentence = _converted([parts[i] for i in rows], kind, where)
        for i, part in zip(rows, made, strict=True):
            done[i] = part
        sentences += [sentence] if sentence else []
    tops = [int(p.max(initial=0)) / int(np.iinfo(p.dtype).max) for p in done]
    reach = [t for t in tops if t]
    cautions: tuple[str, ...] = ()
    if reach and max(reach) >= _FAR * min(reach):
        sentence = (
            f"The brightest pixel of one part is {max(reach):.2%} of white, that of another "
            f"{min(reach):.2%}: one of them may be scaled otherwise. Save them alike."
        )
        cautions = (sentence,)
    return Ranged(done, tuple(sentences), cautions)


def dark(top: int, white: int) -> list[str]:
    """A sentence where the brightest pixel of all is far below white.

    Example:
        >>> dark(200, 255), len(dark(4095, 65535))
        ([], 1)
    """
    if not 0 < top * _FAR <= white:
        return []
    sentence = (
        f"The brightest pixel of all is {top:,} of {white:,}: the samples are taken as they are, "
        f"which is dark. If {top:,} or a little more is white, scale them up and save them again."
    )
    return [sentence]


def nothing_to_see(
    x: np.ndarray, rows: np.ndarray, clear: np.ndarray
) -> tuple[list[int], list[str]]:
    """Images that are blank over white, and cautions on them and on dark sets.

    Args:
        x: (N, H, W, C) pixels.
        rows: which of them are samples.
        clear: of each sample, whether its file has transparency.

    Returns:
        numbers of the samples that are of one color, and sentences.
    """
    sentences = dark(_brightest(x, rows), int(np.iinfo(x.dtype).max))
    blank = [j for j in np.flatnonzero(clear).tolist() if is_blank(x[rows[j]])]
    if blank:
        sentences.append(
            f"{len(blank)} of {int(clear.sum())} transparent images are of one color once they "
            "are laid over white, as white drawings are: lay them over a dark color, and save them "
            "without transparency."
        )
    return blank, sentences


def pale_notes(names: list[str]) -> dict[str, list[str]]:
    """What is noted of the images of which nothing is left over white: a reason, and their names.

    Example:
        >>> pale_notes([])
        {}
    """
    return {_PALE: names} if names else {}


def _brightest(x: np.ndarray, rows: np.ndarray) -> int:
    """The brightest pixel of some samples, or one that is bright enough for no caution."""
    top, white = 0, int(np.iinfo(x.dtype).max)
    for i in range(0, len(rows), 64):
        top = max(top, int(x[rows[i : i + 64]].max(initial=0)))
        if top * _FAR > white:
            break
    return top


def is_blank(x: np.ndarray) -> bool:
    """Whether an image is of one color, to the eye: 3 % of white apart at most.

    Example:
        >>> is_blank(np.full((4, 4, 3), 255, np.uint8))
        True
        >>> is_blank(np.eye(4, dtype=np.uint8)[..., None] * 99)
        False
    """
    apart = x.max(axis=(0, 1)).astype(int) - x.min(axis=(0, 1))
    return bool((apart * 32 <= np.iinfo(x.dtype).max).all())


def _kind(x: np.ndarray) -> str:
    if x.dtype in (np.uint8, np.uint16):
        return f"uint{8 * x.dtype.itemsize}"
    return {"b": "bool", "i": "whole", "u": "whole", "f": "float"}.get(x.dtype.kind, "none")


def _converted(
    parts: list[np.ndarray], kind: str, where: str
) -> tuple[list[np.ndarray], str | None]:
    if kind.startswith("uint"):
        return [p.astype(p.dtype.newbyteorder("="), copy=False) for p in parts], None
    if kind == "bool":
        return [p.astype(np.uint8) * 255 for p in parts], "Truth values, taken as black and white."
    types = ", ".join(sorted({str(p.dtype) for p in parts}))
    if kind == "none":
        raise DataError(f"Pixels are numbers; those of {where} are {types}. Save them as uint8.")
    ends = [(float(p.min()), float(p.max())) for p in parts if p.size] or [(0.0, 0.0)]
    low, high = float(np.min(ends)), float(np.max(ends))  # NaN stays NaN
    span = f"{types} from {low:g} to {high:g}"
    whole = kind == "whole" or all(_all_whole(p) for p in parts)
    if whole and low >= 0 and 1 < high <= 65535:
        dtype, bits = (np.uint8, 8) if high <= 255 else (np.uint16, 16)
        white = np.iinfo(dtype).max
        return [p.astype(dtype) for p in parts], f"{span}, taken as {bits} bits: {white} is white."
    if kind == "float" and low >= 0 and high <= 1:
        eight = all(_multiples(p) for p in parts)
        scale, narrow = (255, np.uint8) if eight else (65535, np.uint16)
        bits = 8 if eight else 16
        made = [_scaled(p, scale, narrow) for p in parts]
        return made, f"{span}, taken as {bits} bits: 1 is white."
    raise DataError(
        f"Pixels are whole numbers from 0 to 255 or 65535, or fractions from 0 to 1; those of "
        f"{where} are {span}. Save them as uint8, 255 for white."
    )


def _blocks(x: np.ndarray) -> Iterator[np.ndarray]:
    step = max(1, _BLOCK // max(1, x[:1].size))
    for i in range(0, len(x), step):
        yield x[i : i + step]


def _all_whole(x: np.ndarray) -> bool:
    return all(bool(np.all(b == np.rint(b))) for b in _blocks(x))


def _multiples(x: np.ndarray) -> bool:
    """Whether all are bytes divided by 255, as far as their dtype shows."""
    near = 255 * max(1e-4, float(np.finfo(x.dtype).eps) / 2)
    wide = (b.astype(np.float64) * 255 for b in _blocks(x))
    return all(bool((np.abs(b - np.rint(b)) <= near).all()) for b in wide)


def _scaled(x: np.ndarray, white: int, dtype: type) -> np.ndarray:
    out: np.ndarray = np.empty(x.shape, dtype)
    for some, block in zip(_blocks(out), _blocks(x), strict=True):
        some[...] = np.rint(block.astype(np.float64) * white)
    return out
