"""Bounds that an audit must keep: `shift.circular.consistency>=0.99`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neocog.errors import UsageError, did_you_mean

__all__ = ["Bound", "parse_bound"]

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}


@dataclass(frozen=True)
class Bound:
    """One figure and what it must be.

    Args:
        key: names on the way to the figure in the result, and positions in lists.
        sign: how it is compared.
        number: with what.
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
                f"A bound is on a number; `{'.'.join(self.key)}` is "
                f"{'not measured' if value is None else 'several'}. Name one figure of it."
            )
        return float(value), _OPERATORS[self.sign](float(value), self.number)


def parse_bound(text: str) -> Bound:
    """A bound as it is written: KEY OP NUMBER.

    Raises:
        UsageError: it is written in another way.

    Example:
        >>> str(parse_bound("shift.circular.consistency >= 0.99"))
        'shift.circular.consistency >= 0.99'
    """
    match = re.fullmatch(r"\s*([\w.]+)\s*(>=|<=|==|>|<)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*", text)
    try:
        if match is None:
            raise ValueError
        return Bound(tuple(match[1].split(".")), match[2], float(match[3]))
    except ValueError:
        raise UsageError(
            f"A bound is KEY OP NUMBER, with one of {', '.join(_OPERATORS)}; `{text}` came. "
            'Write "shift.circular.consistency>=0.99".'
        ) from None


def _step(value: Any, name: str, where: str) -> Any:
    if isinstance(value, Mapping):
        if name in value:
            return value[name]
        raise UsageError(f"The audit has no figure `{where}`. {did_you_mean(name, list(value))}")
    if isinstance(value, Sequence) and not isinstance(value, str):
        if name.isdigit() and int(name) < len(value):
            return value[int(name)]
        raise UsageError(
            f"`{where}` is a place in a list of {len(value)}, counted from 0. Name one of these."
        )
    raise UsageError(f"The audit has no figure `{where}`. It ends before the last name.")
