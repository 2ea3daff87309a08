"""The value range of sample arrays, for all arrays of a set together, with notes.

    uint8, uint16     255 or 65535 is white
    bool              True is white
    integers          of any other type: up to 255 as 8 bits, up to 65535 as 16
    fractions         in [0, 1]: 1 is white; as 8 bits where all are multiples of 1/255, else as 16
    other numbers     below zero, above 65535, fractions beyond 1: float32, as they are, with no
                      white: a raw set, neither scaled nor clipped

What is no number, or not finite, is refused. The arrays of one set have one meaning: a test part
whose brightest pixel is 200 has the white of the train part, and where one part is raw all are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from neocog.errors import DataError, printable

__all__ = ["Ranged", "as_pixels", "dark", "is_blank", "nothing_to_see", "pale_notes"]

_PALE = "transparency that is blank over white"
_BLOCK = 1 << 22
_FAR = 8
"""Ratio of white to the brightest pixel above which a caution is given."""


class Ranged(NamedTuple):
    """Arrays of a set as pixels, what was done, and what should be looked at."""

    pixels: list[np.ndarray]
    remarks: tuple[str, ...]
    cautions: tuple[str, ...]


def as_pixels(
    parts: Sequence[np.ndarray], *, where: str, names: Sequence[str] = (), values: str = ""
) -> Ranged:
    """Arrays of a set as uint8 or uint16 with one white, or as float32 without.

    Args:
        parts: numbers of any shape.
        where: the file, for messages.
        names: of the arrays, for messages.
        values: `pixels` refuses what has no white, `raw` takes every number as it is; "" decides
            by the numbers.

    Raises:
        DataError: there are no numbers, or not finite ones; or no fixed white where pixels are
            needed.

    Example:
        >>> as_pixels([np.array([0, 300]), np.array([7, 255])], where="set.npz").pixels[1].dtype
        dtype('uint16')
        >>> as_pixels([np.array([-1000.0, 400.5])], where="set.npz").pixels[0].tolist()
        [-1000.0, 400.5]
    """
    called = list(names) or [where] * len(parts)
    for part, name in zip(parts, called, strict=True):
        _check_numbers(part, name, where)
    raw = values == "raw" or (not values and not all(_whites(parts)))
    if raw:
        return _raw(parts, called, where)
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
            f"The brightest pixel of one split is {max(reach):.2%} of white, that of another "
            f"{min(reach):.2%}: one of them may be scaled differently. Save them alike."
        )
        cautions = (sentence,)
    return Ranged(done, tuple(sentences), cautions)


def _check_numbers(x: np.ndarray, name: str, where: str) -> None:
    """Whether an array holds finite numbers; the first sample that does not is named.

    Raises:
        DataError: it does not.
    """
    if _kind(x) == "none":
        raise DataError(f"Pixels are numbers; those of {where} are {x.dtype}. Save them as uint8.")
    if x.dtype.kind != "f":
        return
    at = 0
    for block in _blocks(x):
        good = np.isfinite(block).reshape(len(block), -1)
        if not good.all():
            row = int(np.flatnonzero(~good.all(1))[0])
            kind = "NaN" if np.isnan(block[row]).any() else "infinity"
            rows = int(sum((~np.isfinite(b).reshape(len(b), -1).all(1)).sum() for b in _blocks(x)))
            raise DataError(
                f"Values of images are finite; `{printable(name)}` of {where} has {kind} in sample "
                f"{at + row}, the first of {rows:,} such samples. Fill the gaps, or leave those "
                "samples out."
            )
        at += len(block)


def _whites(parts: Sequence[np.ndarray]) -> Iterator[bool]:
    """Whether the numbers of one kind, those of all parts together, have a white."""
    kinds: dict[str, list[np.ndarray]] = {}
    for part in parts:
        kinds.setdefault(_kind(part), []).append(part)
    for kind, some in kinds.items():
        low, high = _ends(some)
        fractions = kind == "float" and high <= 1
        whole = kind == "whole" or (not fractions and all(map(_all_whole, some)))
        bounded = kind == "bool" or kind.startswith("uint")
        yield bounded or (low >= 0 and (fractions or (whole and 1 < high <= 65535)))


def _raw(parts: Sequence[np.ndarray], names: Sequence[str], where: str) -> Ranged:
    """All numbers as float32, as they are."""
    made = []
    for part, name in zip(parts, names, strict=True):
        with np.errstate(over="ignore"):  # found below
            x = part.astype(np.float32)
        if not all(bool(np.isfinite(b).all()) for b in _blocks(x)):
            raise DataError(
                f"Values are kept as float32, up to 3.4e38; `{printable(name)}` of {where} has "
                "larger ones. Divide them first."
            )
        made.append(x)
    low, high = _ends(made)
    types = ", ".join(sorted({str(p.dtype) for p in parts}))
    remark = (
        f"{types} from {low:g} to {high:g}: raw values, taken as float32 as they are, neither "
        "scaled nor clipped; a model normalizes them with mean and std of its training samples."
    )
    spreads = [float(x.std(dtype=np.float64)) for x in made if x.size]
    wide, narrow = max(spreads, default=0), min((s for s in spreads if s), default=0)
    cautions: tuple[str, ...] = ()
    if narrow and wide >= _FAR * narrow:
        sentence = (
            f"The standard deviation of one part is {wide:.3g}, that of another {narrow:.3g}: one "
            "of them may be scaled otherwise. Save them alike."
        )
        cautions = (sentence,)
    return Ranged(made, (remark,), cautions)


def _ends(parts: Sequence[np.ndarray]) -> tuple[float, float]:
    """The smallest and the largest value."""
    ends = [(float(p.min()), float(p.max())) for p in parts if p.size] or [(0.0, 0.0)]
    return min(low for low, _ in ends), max(high for _, high in ends)


def dark(top: int, white: int) -> list[str]:
    """A sentence where the brightest pixel of all is far below white.

    Example:
        >>> dark(200, 255), len(dark(4095, 65535))
        ([], 1)
    """
    if not 0 < top * _FAR <= white:
        return []
    sentence = (
        f"The brightest pixel of all is {top:,} of {white:,}: the samples are used as they are, "
        f"which is dark. If {top:,} or a little more is white, rescale and save them again."
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
    if x.dtype == np.float32:  # raw values, which have no white
        return [], []
    sentences = dark(_brightest(x, rows), int(np.iinfo(x.dtype).max))
    blank = [j for j in np.flatnonzero(clear).tolist() if is_blank(x[rows[j]])]
    if blank:
        sentences.append(
            f"{len(blank)} of {int(clear.sum())} transparent images are blank over white, like "
            "white drawings: flatten them onto a dark color and save them without transparency."
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
        return [p.astype(np.uint8) * 255 for p in parts], "Booleans, taken as black and white."
    types = ", ".join(sorted({str(p.dtype) for p in parts}))
    low, high = _ends(parts)
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
        f"Pixels are integers from 0 to 255 or 65535, or fractions from 0 to 1, and the model "
        f"takes pixels; those of {where} are {span}. Save them as uint8, 255 for white, or open an "
        "external model with --values raw."
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
