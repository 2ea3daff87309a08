"""Bounds that an audit must keep: `shift.circular.consistency>=0.99`."""

from __future__ import annotations

import contextlib
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neocog.errors import UsageError, did_you_mean
from neocog.fields import short_repr

__all__ = ["Bound", "parse_bound"]

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}


_MEANT = {"=>": ">=", "=<": "<=", "=": "==", "≥": ">=", "≤": "<=", "=>=": ">=", ">>": ">"}
"""Other ways of writing them."""

_BOUND = re.compile(r"\s*([\w.]+)\s*([<>=!≥≤]+)\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*", re.DOTALL)

KEY = 80
"""Letters of a key that are looked at and shown."""


@dataclass(frozen=True)
class Bound:
    """One figure and what it must be.

    Args:
        key: names on the path to the figure in the result, and indices of lists.
        sign: the comparison.
        number: the bound.
    """

    key: tuple[str, ...]
    sign: str
    number: float

    def __str__(self) -> str:
        return f"{'.'.join(self.key)} {self.sign} {self.number:g}"

    def kept(self, result: Mapping[str, Any]) -> tuple[float, bool]:
        """The figure, and whether it keeps the bound.

        Args:
            result: plain numbers, lists and names, as an audit's `to_json` gives them.

        Raises:
            UsageError: there is no such figure.
        """
        value: Any = result
        for depth, name in enumerate(self.key):
            value = _step(value, name, ".".join(self.key[: depth + 1]))
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise UsageError(
                f"A bound is on a single number; `{'.'.join(self.key)}` is "
                f"{'not measured' if value is None else 'several'}. Name one figure of it."
            )
        return float(value), _OPERATORS[self.sign](float(value), self.number)

    def check(self, sample: Mapping[str, Any]) -> None:
        """Refuse a key that no audit with these options has, before anything is measured.

        Args:
            sample: the result of another audit that measured the same; of a list the members may
                be others.

        Raises:
            UsageError: there is no such figure.
        """
        value: Any = sample
        for depth, name in enumerate(self.key):
            where = ".".join(self.key[: depth + 1])
            if isinstance(value, Sequence) and not isinstance(value, str):
                if not name.isdigit():
                    _step(value, name, where)  # says what a list takes
                if not value:
                    return
                value = value[0]
            elif value is None:
                raise UsageError(
                    f"The audit has no figure `{where}`: with these options "
                    f"`{'.'.join(self.key[:depth])}` is not measured. Request it, or bound another "
                    "figure."
                )
            else:
                value = _step(value, name, where)
        if isinstance(value, (str, bool, Mapping)):
            what = f"several: {_names(value)}" if isinstance(value, Mapping) else "none"
            raise UsageError(
                f"A bound is on a single number; `{'.'.join(self.key)}` is {what}. Name one figure "
                "of it."
            )


def parse_bound(text: str) -> Bound:
    """A bound as it is written: KEY OP NUMBER.

    Raises:
        UsageError: it is written in another way.

    Example:
        >>> str(parse_bound("shift.circular.consistency >= 0.99"))
        'shift.circular.consistency >= 0.99'
    """
    match = _BOUND.fullmatch(text)
    number = math.nan
    if match is not None:
        with contextlib.suppress(ValueError):
            number = float(match[3])
    if match is None or match[2] not in _OPERATORS or not math.isfinite(number):
        intended = _MEANT.get(match[2]) if match is not None else None
        hint = (
            f"Did you mean `{intended}`?"
            if intended
            else 'Write "shift.circular.consistency>=0.99".'
        )
        raise UsageError(
            f"A bound is KEY OP NUMBER, with one of {', '.join(_OPERATORS)} and a finite number; "
            f"got {short_repr(text)}. {hint}"
        )
    return Bound(tuple(match[1].split(".")), match[2], number)


def _step(value: Any, name: str, where: str) -> Any:
    if isinstance(value, Mapping):
        if name in value:
            return value[name]
        raise UsageError(
            f"The audit has no figure `{where[:KEY]}`. {did_you_mean(name[:KEY], list(value))}"
        )
    if isinstance(value, Sequence) and not isinstance(value, str):
        if name.isdigit() and int(name) < len(value):
            return value[int(name)]
        raise UsageError(
            f"`{where[:KEY]}` is an index into a list of {len(value)}, counted from 0. Give one of "
            "those."
        )
    raise UsageError(f"The audit has no figure `{where[:KEY]}`. The path goes one name too far.")


def _names(value: Mapping[str, Any]) -> str:
    """The figures below a key, some of them."""
    names = [f"`{name}`" for name in value]
    return ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
