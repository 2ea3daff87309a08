"""Reading what a page asks: plain JSON, every value checked before it is used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from neocog.errors import UsageError, did_you_mean

__all__ = ["choice", "flag", "number", "whole", "words"]


def number(
    plain: Mapping[str, Any], name: str, default: float | None, *, low: float, high: float
) -> float:
    """A finite number within bounds.

    Raises:
        UsageError: it is none, or missing without a default.

    Example:
        >>> number({"dx": 2}, "dx", 0.0, low=-5, high=5)
        2.0
    """
    value = plain.get(name)
    if value is None and default is not None:
        return default
    plainly = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not plainly or not math.isfinite(value) or not low <= value <= high:  # type: ignore[arg-type, operator]
        raise UsageError(f"`{name}` is a number from {low:g} to {high:g}; got another value.")
    return float(value)  # type: ignore[arg-type]


def whole(plain: Mapping[str, Any], name: str, default: int | None, *, low: int, high: int) -> int:
    """An integer within bounds, also written as a text, as queries have it.

    Raises:
        UsageError: it is none, or missing without a default.

    Example:
        >>> whole({"node": "7"}, "node", None, low=0, high=9)
        7
    """
    value = plain.get(name)
    if value is None and default is not None:
        return default
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise UsageError(f"`{name}` is an integer from {low} to {high}; got another value.")
    return value


def words(plain: Mapping[str, Any], name: str, default: str | None) -> str:
    """A short text.

    Raises:
        UsageError: it is none, or missing without a default.
    """
    value = plain.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or len(value) > 500:
        raise UsageError(f"`{name}` is a string of at most 500 characters; got another value.")
    return value


def choice(plain: Mapping[str, Any], name: str, default: str, known: Sequence[str]) -> str:
    """One of some words.

    Raises:
        UsageError: it is none of them.
    """
    value = words(plain, name, default)
    if value not in known:
        raise UsageError(f"`{name}` is not one of the known words. {did_you_mean(value, known)}")
    return value


def flag(plain: Mapping[str, Any], name: str, default: bool) -> bool:
    """True or false.

    Raises:
        UsageError: it is neither.
    """
    value = plain.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise UsageError(f"`{name}` is true or false; got another value.")
    return value
