"""A claim of the lectures, what is measured for it, and the verdict that follows from the numbers.

A claim is met when every comparison of its evidence holds. A comparison keeps the number that was
measured, the relation and the number that it is held against, so that whether it holds is computed
when it is read, and another number gives another verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from neocog.exhibits import Check, Checks, Exhibit
from neocog.jsonable import Jsonable, keys

if TYPE_CHECKING:
    from neocog.lectures.material import Material

__all__ = ["Comparison", "Evidence", "LectureClaim", "Number", "Outcome", "largest", "numbers"]

Number = float | tuple["Number", ...]
"""One number, or rows of them."""

Relation = Literal["=", "<", "<=", ">", ">="]

Outcome = Literal["met", "not met", "not shown"]
"""Of a claim; "not shown" where a part of it was not measured, and what was measured holds."""

ROUNDING = 1e-9
"""Relative difference of numbers that are written with all their decimals."""

FEW = 24
"""Numbers that are written out; of more, only their shape."""


def numbers(values: object) -> Number:
    """Tensors, arrays and sequences as plain numbers, to be compared and printed.

    Args:
        values: a number, or a tensor, array or sequence of them.

    Example:
        >>> numbers(np.array([[1, 2], [3, 4]]))
        ((1, 2), (3, 4))
    """
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, (list, tuple)):
        return tuple(numbers(v) for v in values)
    assert isinstance(values, (int, float))
    return values


def largest(values: Iterable[float]) -> float:
    """The largest number; nan where one of them is, or where there is none.

    Unlike `max`, which keeps or drops a nan by its position, so that a number that could not be
    computed would pass.

    Args:
        values: errors.

    Example:
        >>> largest([0.5, 2.0]), largest([0.5, math.nan])
        (2.0, nan)
    """
    numbers_ = np.asarray(list(values), np.float64)
    return float(numbers_.max()) if numbers_.size else math.nan


@dataclass(frozen=True, kw_only=True)
class Comparison(Jsonable):
    """One measured number, and what the claim says of it.

    Args:
        name: what was measured.
        value: the number, or an array of numbers as nested tuples.
        expected: what it is held against, of the same shape, or one number for all.
        relation: of the value to what is expected.
        tolerance: absolute difference up to which "=" holds; of rounding if left out.
        deck: whether `expected` is printed in the lectures.
        unit: of the value: "", "%" for fractions, or a symbol.
    """

    JSON = keys("name", "value", "relation", "expected", "tolerance", "deck", "holds")

    name: str
    value: Number
    expected: Number
    relation: Relation = "="
    tolerance: float = 0.0
    deck: bool = False
    unit: str = ""

    @property
    def holds(self) -> bool:
        """Whether the number is as the claim says; never where one is not finite."""
        value = np.asarray(self.value, np.float64)
        expected = np.asarray(self.expected, np.float64)
        if expected.ndim and value.shape != expected.shape:
            return False
        if not np.isfinite(value).all():
            return False
        match self.relation:
            case "=":
                room = self.tolerance + ROUNDING * np.abs(expected)
                return bool((np.abs(value - expected) <= room).all())
            case "<":
                return bool((value < expected).all())
            case "<=":
                return bool((value <= expected).all())
            case ">":
                return bool((value > expected).all())
            case _:
                return bool((value >= expected).all())

    @property
    def text(self) -> str:
        """Our number, and the deck's or the bound beside it.

        Example:
            >>> Comparison(name="maps", value=28, expected=28, deck=True).text
            '28 (deck: 28)'
            >>> Comparison(name="error", value=1e-7, expected=1e-5, relation="<").text
            '1e-07 (must be < 1e-05)'
        """
        own, other = (_written(v, self.unit) for v in (self.value, self.expected))
        sign = "" if self.relation == "=" else f"{self.relation} "
        if self.deck:
            return f"{own} (deck: {sign}{other})"
        near = f" ± {_written(self.tolerance, self.unit)}" if self.tolerance and not sign else ""
        return f"{own} (must be {sign}{other}{near})"

    @property
    def check(self) -> Check:
        """As an exhibit draws it."""
        return Check(name=self.name, passed=self.holds, text=self.text)


def _written(value: Number, unit: str) -> str:
    array = np.asarray(value, np.float64)
    if array.size > FEW:
        return f"{'×'.join(map(str, array.shape))} numbers"
    if isinstance(value, tuple):
        return f"[{', '.join(_written(v, unit) for v in value)}]"
    if unit == "%":
        return f"{100 * value:.4g} %"
    whole = math.isfinite(value) and float(value).is_integer() and abs(value) < 1e15
    text = f"{int(value):,}" if whole else f"{value:.4g}"
    return f"{text} {unit}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Evidence(Jsonable):
    """What is measured for a claim.

    Args:
        measured_on: what it was measured on.
        comparisons: all must hold for the claim to be met; the one that says most comes first.
        exhibits: curves, images and tables.
        slip: where the lectures print another number than their own formula gives; or empty.
        note: how it was measured, and what was made small for the sake of time; or empty.
        missing: the part of the claim that was not measured; or empty.
    """

    JSON = keys("input=measured_on", "comparisons", "slip", "note", "missing")

    measured_on: str
    comparisons: tuple[Comparison, ...] = ()
    exhibits: Sequence[Exhibit] = ()
    slip: str = ""
    note: str = ""
    missing: str = ""

    @property
    def outcome(self) -> Outcome:
        """What follows from the numbers.

        Example:
            >>> one = Comparison(name="sum", value=2, expected=2)
            >>> Evidence(measured_on="two numbers", comparisons=(one,)).outcome
            'met'
        """
        if not all(c.holds for c in self.comparisons):
            return "not met"
        return "not shown" if self.missing or not self.comparisons else "met"

    @property
    def checks(self) -> Checks:
        """Every comparison with its outcome."""
        return Checks(title="What must hold", checks=[c.check for c in self.comparisons])

    @property
    def text(self) -> str:
        """The number that says most: of a claim that is not met, the first that does not hold."""
        if self.outcome == "not shown":
            return f"missing: {self.missing}"
        worst = [c for c in self.comparisons if not c.holds]
        chosen = (worst or list(self.comparisons))[0]
        return f"{chosen.name}: {chosen.text}"


@dataclass(frozen=True, kw_only=True)
class LectureClaim:
    """A claim of the lectures, and the function that measures it.

    Args:
        id: chapter and number, as A1.
        text: the claim, a sentence.
        decks: which lectures state it, by number.
        measure: from images and networks to evidence.
        slow: whether it takes more than a few seconds.
    """

    id: str
    text: str
    decks: tuple[int, ...]
    measure: Callable[[Material], Evidence]
    slow: bool = False

    @property
    def chapter(self) -> str:
        """Its letter."""
        return self.id[0]
