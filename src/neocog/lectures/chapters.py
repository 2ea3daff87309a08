"""The table of chapters: which claims there are, and how a user names some of them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from neocog.errors import UsageError, did_you_mean
from neocog.lectures.evidence import LectureClaim

__all__ = ["CHAPTERS", "Chapter", "all_claims", "chosen_claims"]


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """One chapter of the lectures.

    Args:
        letter: A to H.
        title: its subject.
        module: below `neocog.lectures`, with a table `CLAIMS`.
    """

    letter: str
    title: str
    module: str

    def claims(self) -> tuple[LectureClaim, ...]:
        """Its claims, in their order."""
        claims = importlib.import_module(f"neocog.lectures.{self.module}").CLAIMS
        assert isinstance(claims, tuple)
        return claims


CHAPTERS = (
    Chapter(letter="A", title="The operation", module="operation"),
    Chapter(letter="B", title="Geometry and cost", module="geometry"),
    Chapter(letter="C", title="Building blocks", module="building_blocks"),
    Chapter(letter="D", title="Networks", module="architectures"),
    Chapter(letter="E", title="Symmetry, measured", module="symmetries"),
    Chapter(letter="F", title="Learning in practice", module="learning"),
    Chapter(letter="G", title="Seeing inside", module="seeing"),
    Chapter(letter="H", title="Why priors", module="high_dimensions"),
)
"""In reading order; a chapter that is added is a line here, and a module."""


def all_claims() -> dict[str, LectureClaim]:
    """Identifier to claim, in reading order."""
    return {claim.id: claim for chapter in CHAPTERS for claim in chapter.claims()}


def chosen_claims(only: str | Sequence[str] = ()) -> list[LectureClaim]:
    """The claims that a user names, in reading order; all where nothing is named.

    Args:
        only: identifiers and letters of chapters: `"A,E3"` or `["A", "E3"]`.

    Raises:
        UsageError: there is no such claim or chapter.

    Example:
        >>> [claim.id for claim in chosen_claims("B2, a1")]
        ['A1', 'B2']
    """
    words = [only] if isinstance(only, str) else list(only)
    names = [name.upper() for word in words for name in re.split(r"[,\s]+", word) if name]
    known = all_claims()
    letters = [chapter.letter for chapter in CHAPTERS]
    for name in names:
        if name not in known and name not in letters:
            raise UsageError(
                f"`--only` takes chapters and claims, as A,E3; got `{name[:60]}`. "
                f"{did_you_mean(name, [*letters, *known])}"
            )
    return [c for c in known.values() if not names or c.id in names or c.chapter in names]
