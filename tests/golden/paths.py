"""A result as JSON, as a flat table of figures by their paths, and paths under other names."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["ANY", "Leaf", "Path", "condensed", "flat", "kept", "matches", "renamed"]

Path = tuple[str, ...]
Leaf = float | int | bool | str | None

MANY = 80
"""Numbers in a list, or a list of lists, from which on it is recorded as a digest."""

_WORD = re.compile(r"[\w.:#\[\]()×+-]{1,80}")
"""A name. Sentences are free to change; what they say is in the figures."""


def matches(pattern: str, path: Path) -> bool:
    """Whether a pattern of `names` stands for a path.

    Example:
        >>> matches("shift/*/flip", ("shift", "crop", "flip")), matches("flip", ("a", "flip"))
        (True, True)
        >>> matches("flip", ("flip", "a")), matches("**/b/**", ("a", "b", "c"))
        (False, True)
    """
    if "/" not in pattern:
        return path[-1:] == (pattern,)
    return _fits(tuple(pattern.split("/")), path)


def _fits(parts: Path, path: Path) -> bool:
    if not parts:
        return not path
    if parts[0] == "**":
        return any(_fits(parts[1:], path[i:]) for i in range(len(path) + 1))
    return bool(path) and parts[0] in ("*", path[0]) and _fits(parts[1:], path[1:])


def renamed(path: Path, keys: Mapping[str, str]) -> Path:
    """A path under the names of today; of several patterns the last one counts.

    Example:
        >>> renamed(("shift", "zero", "flip"), {"flip": "flip_rate", "shift/zero": "zeros"})
        ('shift', 'zeros', 'flip_rate')
        >>> renamed(("cost", "ms"), {"cost": "", "ms": "time/ms"})
        ('time', 'ms')
    """
    out: list[str] = []
    for i, part in enumerate(path, 1):
        new = [name for pattern, name in keys.items() if matches(pattern, path[:i])]
        out += [p for p in (new[-1] if new else part).split("/") if p]
    return tuple(out)


def flat(value: Any, at: Path = ()) -> dict[Path, Leaf]:
    """Every figure by its path; an empty list or table is one too, of no value.

    Example:
        >>> flat({"a": [1, {"b": None}], "c": {}})
        {('a', '0'): 1, ('a', '1', 'b'): None, ('c',): '(empty)'}
    """
    if isinstance(value, Mapping | list) and not value:
        return {at: "(empty)"}
    if isinstance(value, Mapping):
        parts: Iterable[tuple[str, Any]] = value.items()
    elif isinstance(value, list):
        parts = ((str(i), v) for i, v in enumerate(value))
    else:
        return {at: value}
    return {p: leaf for key, v in parts for p, leaf in flat(v, (*at, key)).items()}


ANY = "(any)"
"""Stands for a figure of a clock, or for a sentence: only that it is there counts."""


def kept(value: Any, clock: Iterable[str], without: Iterable[str] = (), at: Path = ()) -> Any:
    """A result as it is recorded.

    Args:
        value: keys, lists and figures.
        clock: patterns of figures that a clock or a machine decides.
        without: patterns of what another case records.
        at: where it stands.

    Example:
        >>> kept({"n": 3, "ms": 1.5, "note": "Three of them.", "kind": "crop"}, ["ms"], ["n"])
        {'ms': '(any)', 'note': '(any)', 'kind': 'crop'}
    """
    if _sentences(value) or any(matches(p, at) for p in clock):
        return ANY
    if isinstance(value, Mapping):
        return {
            k: kept(v, clock, without, (*at, k))
            for k, v in value.items()
            if not any(matches(p, (*at, k)) for p in without)
        }
    if isinstance(value, list):
        return [kept(v, clock, without, (*at, str(i))) for i, v in enumerate(value)]
    return value


def _sentences(value: Any) -> bool:
    if isinstance(value, list):
        return any(isinstance(v, str) for v in value) and any(map(_sentences, value))
    return isinstance(value, str) and not _WORD.fullmatch(value)


def condensed(value: Any) -> Any:
    """A result with long lists of numbers as their shape, mean, spread, a few values, a digest.

    Example:
        >>> short = condensed({"map": [[0.0] * 20] * 20})["map"]
        >>> short["shape"], short["mean"], len(short["some"])
        ([20, 20], 0.0, 9)
    """
    if isinstance(value, Mapping):
        return {k: condensed(v) for k, v in value.items()}
    if not isinstance(value, list):
        return value
    numbers = _numbers(value)
    if numbers is None or len(numbers) < MANY:
        return [condensed(v) for v in value]
    real = [0.0 if n is None else float(n) for n in numbers]
    mean = math.fsum(real) / len(real)
    step = (len(real) - 1) // 8
    text = json.dumps(value, separators=(",", ":"))
    return {
        "shape": _shape(value),
        "mean": mean,
        "std": math.sqrt(math.fsum((v - mean) ** 2 for v in real) / len(real)),
        "some": numbers[:: max(step, 1)][:9],
        "digest": hashlib.blake2b(text.encode(), digest_size=12).hexdigest(),
    }


def _numbers(value: Any) -> list[Any] | None:
    """All numbers of nested lists, in order; None where there is anything else."""
    if not isinstance(value, list):
        number = value is None or isinstance(value, int | float)
        return [value] if number and not isinstance(value, bool) else None
    out: list[Any] = []
    for v in value:
        part = _numbers(v)
        if part is None:
            return None
        out += part
    return out


def _shape(value: Any) -> list[int]:
    return [len(value), *_shape(value[0])] if isinstance(value, list) and value else []
