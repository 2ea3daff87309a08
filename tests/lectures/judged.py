"""What the tests of all chapters share: each claim once, the slow ones marked."""

from dataclasses import replace

import pytest

from neocog.lectures.evidence import Comparison, Evidence, LectureClaim

__all__ = ["broken", "each"]


def each(claims: tuple[LectureClaim, ...]) -> list:
    """Parameters of a test."""
    return [pytest.param(c, id=c.id, marks=[pytest.mark.slow] if c.slow else []) for c in claims]


def broken(evidence: Evidence) -> list[Evidence]:
    """The same with one number changed, for each comparison."""
    out = []
    for i, c in enumerate(evidence.comparisons):
        wrong: Comparison = replace(c, value=float("nan"))
        if c.relation in ("<", "<=", ">", ">="):
            sign = 1 if c.relation[0] == "<" else -1
            wrong = replace(c, value=float(c.expected) + sign * (abs(float(c.expected)) + 1))
        some = list(evidence.comparisons)
        some[i] = wrong
        out.append(replace(evidence, comparisons=tuple(some)))
    return out
