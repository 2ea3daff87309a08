"""Results as JSON: the one way from a dataclass of numbers, arrays and names to plain values.

A result is `Jsonable`. Its keys are its fields, unless `JSON` says otherwise:

    JSON = keys("n", "errors=each", "macs=cost.macs", "*extras", "baseline?=other")

is field `n`; `each` under another name; what an attribute of an attribute holds; a mapping whose
keys are taken in beside the others; and `other`, left out where it is None. `"..."` is all fields.
"""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from enum import Enum
from numbers import Rational
from typing import Any, ClassVar

__all__ = ["Jsonable", "jsonable", "keys"]


class Jsonable:
    """A dataclass that JSON can hold.

    Example:
        >>> import numpy as np
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Errors(Jsonable):
        ...     JSON = keys("n", "errors=each", "note?")
        ...     n: int
        ...     each: np.ndarray
        ...     images: np.ndarray
        ...     note: str | None = None
        >>> Errors(2, np.array([0.5, np.nan]), np.zeros((9, 9))).to_json()
        {'n': 2, 'errors': [0.5, None]}
    """

    JSON: ClassVar[Mapping[str, str]] = {}

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, by the keys in `JSON`."""
        return _members(self)


def keys(*names: str) -> Mapping[str, str]:
    """Keys of JSON, each with the attribute that it holds; see the head of this module.

    Example:
        >>> keys("n", "macs=cost.macs", "*extras", "baseline?=other")
        {'n': 'n', 'macs': 'cost.macs', '*extras': 'extras', 'baseline?': 'other'}
    """
    pairs = (name.partition("=") for name in names)
    return {key: path or key.strip("*?") for key, _, path in pairs}


def jsonable(value: Any) -> Any:
    """Lists, numbers and strings of nested values; None for a number that JSON has no sign for.

    Args:
        value: numbers, fractions, strings, paths, enums, arrays and tensors, dataclasses, and
            mappings and sequences of such. What is none of these is returned as it is.

    Example:
        >>> from fractions import Fraction
        >>> jsonable({"loss": float("nan"), "rows": (1, Fraction(3, 2), Fraction(4, 2))})
        {'loss': None, 'rows': [1, 1.5, 2]}
    """
    if hasattr(value, "tolist"):  # arrays, their numbers and tensors, without importing either
        value = value.tolist()
    if isinstance(value, Enum):
        return jsonable(value.value)
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Rational):
        return value.numerator if value.denominator == 1 else float(value)
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    own = getattr(value, "to_json", None)
    if callable(own) and not isinstance(value, type):
        return jsonable(own())
    if is_dataclass(value) and not isinstance(value, type):
        return _members(value)
    if isinstance(value, (Sequence, AbstractSet)) and not isinstance(value, bytes):
        return [jsonable(v) for v in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _members(result: Any) -> dict[str, Any]:
    """Key to plain value, for each key of a dataclass."""
    all_fields = {f.name: f.name for f in fields(result)}
    own: dict[str, str] = {}
    for key, path in (getattr(result, "JSON", None) or keys("...")).items():
        own |= all_fields if key == "..." else {key: path}
    out: dict[str, Any] = {}
    for key, path in own.items():
        value = jsonable(_attribute(result, path))
        if key.startswith("*"):
            out |= value or {}
        elif value is not None or not key.endswith("?"):
            out[key.rstrip("?")] = value
    return out


def _attribute(value: Any, path: str) -> Any:
    """What a dotted path leads to: None behind None; a method is called."""
    for name in path.split("."):
        value = None if value is None else getattr(value, name)
        value = value() if inspect.ismethod(value) else value
    return value
