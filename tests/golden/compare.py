"""Figures that were recorded against the figures of today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.golden.names import CHANGED, KEYS, WORDS
from tests.golden.paths import ANY, Leaf, Path, flat, matches, renamed

__all__ = [
    "FLOAT32",
    "FLOAT64",
    "TRAINED",
    "Close",
    "Comparison",
    "Difference",
    "compare",
    "unused",
]


@dataclass(frozen=True, kw_only=True)
class Close:
    """How far figures of another machine may be off. On the same machine: not at all.

    Args:
        relative: of the larger of the two.
        absolute: beside that.
        few: share of the figures that may differ by more, as a prediction near a tie falls to the
            other side and takes its interval and its line in a list with it.
    """

    relative: float
    absolute: float
    few: float = 0.02


FLOAT64 = Close(relative=1e-7, absolute=1e-9, few=0.002)
"""Sums in another order: 2⁻⁵² a sum, through twenty layers and a difference quotient or two."""

FLOAT32 = Close(relative=2e-3, absolute=1e-5)
"""The same of float32, 2⁻²⁴ a sum; errors of layers are small differences of large maps."""

TRAINED = Close(relative=5e-2, absolute=2e-2, few=0.05)
"""Some ten steps of training amplify that."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A figure that is not what it was.

    Args:
        path: as recorded.
        now_at: its path now.
        was: the figure as recorded.
        now: as it is; None where it is gone.
        gone: its key is not there any more.
    """

    path: Path
    now_at: Path
    was: Leaf
    now: Leaf
    gone: bool = False

    def line(self) -> str:
        """For a person."""
        where = "/".join(self.path)
        if self.now_at != self.path:
            where += f" (now {'/'.join(self.now_at)})"
        if self.gone:
            return f"{where}: {self.was!r} is gone"
        off = ""
        if _number(self.was) and _number(self.now):
            off = f"   ({float(self.now) - float(self.was):+.3g})"  # type: ignore[arg-type]
        return f"{where}: {self.was!r} → {self.now!r}{off}"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What came of comparing one case.

    Args:
        name: of the case.
        n: figures that were compared.
        exact: to the bit; else by `close`.
        differences: what is not as it was.
        kept: nothing is gone, and no more differs than may.
    """

    name: str
    n: int
    exact: bool
    differences: tuple[Difference, ...]
    kept: bool

    def text(self, most: int = 40) -> str:
        """A table that a person can read, with what to do."""
        how = "to the bit" if self.exact else "within the tolerance for another machine"
        if not self.differences:
            return f"{self.name}: all {self.n:,} figures are as recorded, {how}"
        few = len(self.differences)
        lines = [f"{self.name}: {few:,} of {self.n:,} figures are not as recorded, {how}"]
        lines += [f"    {d.line()}" for d in self.differences[:most]]
        if few > most:
            lines.append(f"    … and {few - most:,} more")
        if not self.kept:
            lines.append(
                "A name that changed or went is a line in tests/golden/names.py. Figures that were "
                f"meant to change: scripts/golden.py --accept {self.name}, and the commit says why."
            )
        return "\n".join(lines)


def compare(name: str, recorded: Any, today: Any, close: Close | None) -> Comparison:
    """Compare figures path by path; figures that came in since then are not looked at.

    Args:
        name: of the case.
        recorded: as in the file, with the names of that day.
        today: with the names of today.
        close: for figures of another machine; None where they have to be the same to the bit.
    """
    was, now = flat(recorded), flat(today)
    there_is = {path[:i] for path in now for i in range(len(path) + 1)}
    found: list[Difference] = []
    n = 0
    for path, leaf in was.items():
        if any(matches(p, path) or matches(f"{p}/**", path) for p in CHANGED):
            continue
        if close is not None and path[-1:] == ("digest",):
            continue
        n += 1
        there = renamed(path, KEYS)
        expected = WORDS.get(leaf, leaf) if isinstance(leaf, str) else leaf
        if leaf == ANY and there in there_is:
            continue
        if there not in now:
            found.append(Difference(path=path, now_at=there, was=leaf, now=None, gone=True))
        elif not _same(expected, now[there], close):
            found.append(Difference(path=path, now_at=there, was=leaf, now=now[there]))
    allowed = 0 if close is None else int(close.few * n)
    # A list may be shorter elsewhere; a key that is gone is gone everywhere.
    lost = any(d.gone and not _shorter(d.now_at, there_is) for d in found)
    kept = bool(recorded) and n > 0 and not lost and len(found) <= allowed
    return Comparison(name=name, n=n, exact=close is None, differences=tuple(found), kept=kept)


def _same(was: Leaf, now: Leaf, close: Close | None) -> bool:
    if not (_number(was) and _number(now)):
        return type(was) is type(now) and was == now
    one, two = float(was), float(now)  # type: ignore[arg-type]
    if close is None or one == two:
        return one == two
    return abs(one - two) <= close.absolute + close.relative * max(abs(one), abs(two))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shorter(path: Path, there_is: set[Path]) -> bool:
    """Whether a path is gone because a list is shorter, or a single figure a list."""
    missing = [i for i in range(1, len(path) + 1) if path[:i] not in there_is]
    return not missing or path[missing[0] - 1].isdigit()


def unused(recorded: Mapping[str, Any]) -> list[str]:
    """Lines of the table that stand for no figure of any file.

    Args:
        recorded: case to its figures.
    """
    paths = {
        path[:i]
        for figures in recorded.values()
        for path in flat(figures)
        for i in range(len(path) + 1)
    }
    return [k for k in (*KEYS, *CHANGED) if not any(matches(k, p) for p in paths)]
