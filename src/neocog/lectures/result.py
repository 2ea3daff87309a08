"""What a run of the lectures returns: every claim with its verdict, for terminal, page and JSON."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from neocog.errors import printable
from neocog.exhibits import Bars, Cell, Exhibit, Scalar, Section, Table
from neocog.first_screen import WIDTH, Command, FirstScreen, Level, path_word
from neocog.jsonable import Jsonable, keys
from neocog.lectures.chapters import CHAPTERS
from neocog.lectures.evidence import Evidence, LectureClaim, Outcome
from neocog.render.notebook import Result

__all__ = ["JudgedClaim", "LectureReport"]

OUTCOMES: tuple[Outcome, ...] = ("met", "not met", "not shown")

MOST_LINES = 24
"""Of a first screen on a terminal."""


@dataclass(frozen=True, kw_only=True)
class JudgedClaim(Jsonable):
    """A claim with its evidence.

    Args:
        claim: of the lectures.
        evidence: what was measured.
        seconds: that it took.
    """

    JSON = keys(
        "id=claim.id", "chapter=claim.chapter", "claim=claim.text", "decks=claim.decks",
        "verdict=outcome", "*evidence=evidence", "seconds",
    )  # fmt: skip

    claim: LectureClaim
    evidence: Evidence
    seconds: float

    @property
    def outcome(self) -> Outcome:
        """Met, not met, or not shown: computed from the numbers."""
        return self.evidence.outcome

    def section(self) -> Section:
        """For a report."""
        evidence, claim = self.evidence, self.claim
        decks = ", ".join(f"D{n}" for n in claim.decks)
        parts = [f"Measured on {evidence.measured_on}."]
        parts += [f"Not shown: {evidence.missing}."] * bool(evidence.missing)
        parts += [f"The lectures slip: {evidence.slip}"] * bool(evidence.slip)
        parts += [evidence.note] * bool(evidence.note)
        parts.append(f"Lectures: {decks}. Time: {self.seconds:.1f} s.")
        exhibits: list[Exhibit] = [evidence.checks] if evidence.comparisons else []
        return Section(
            title=f"{claim.id} {self.outcome}: {claim.text}".removesuffix("."),
            text="\n\n".join(parts),
            exhibits=[*exhibits, *evidence.exhibits],
        )

    def slide(self) -> Section:
        """For a talk: what it says, the verdict with its number, and the figures."""
        evidence = self.evidence
        verdict = f"{self.outcome[:1].upper()}{self.outcome[1:]}: {evidence.text}"
        slip = [f"The lectures slip: {evidence.slip}"] if evidence.slip else []
        exhibits = evidence.exhibits or ([evidence.checks] if evidence.comparisons else [])
        return Section(
            title=f"{self.claim.id} {self.claim.text}".removesuffix("."),
            text="\n\n".join([verdict, *slip]),
            exhibits=exhibits,
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class LectureReport(Result):
    """Claims of the lectures with their verdicts.

    Args:
        source: the data that they were measured on.
        claims: in reading order.
        seed: of all that is random.
        seconds: that all took.
        warnings: of the data.
    """

    JSON = keys(
        "source", "seed", "n", "met", "not_met", "not_shown=incomplete", "seconds", "claims",
        "warnings",
    )  # fmt: skip

    source: str
    claims: tuple[JudgedClaim, ...]
    seed: int
    seconds: float
    warnings: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Claims that were measured."""
        return len(self.claims)

    @property
    def met(self) -> int:
        """Claims whose comparisons all hold."""
        return len(self.of("met"))

    @property
    def not_met(self) -> tuple[str, ...]:
        """Claims with a comparison that does not hold."""
        return tuple(c.claim.id for c in self.of("not met"))

    @property
    def incomplete(self) -> tuple[str, ...]:
        """Claims of which a part was not measured."""
        return tuple(c.claim.id for c in self.of("not shown"))

    @property
    def all_met(self) -> bool:
        """Whether every claim is met; exit status 1 where not."""
        return self.met == self.n

    def of(self, outcome: Outcome, chapter: str = "") -> list[JudgedClaim]:
        """Claims of one verdict.

        Args:
            outcome: the verdict.
            chapter: a letter; all for none.
        """
        some = [c for c in self.claims if chapter in ("", c.claim.chapter)]
        return [c for c in some if c.outcome == outcome]

    def heading(self) -> str:
        """What was measured."""
        return f"The claims of the lectures on {printable(self.source)}"

    def first_screen(self) -> FirstScreen:
        """How many are met, which are not, and what to do next."""
        parts = [f"{self.met} of {self.n} claims met"]
        parts += [f"{len(self.not_met)} not met"] * bool(self.not_met)
        parts += [f"{len(self.incomplete)} not shown"] * bool(self.incomplete)
        level: Level = "bad" if self.not_met else "open" if self.incomplete else "good"
        return FirstScreen(
            headline=f"{', '.join(parts)}.",
            detail=f"Measured on {printable(self.source)} in {self.seconds:.0f} s, "
            f"seed {self.seed}.",
            level=level,
            image=(self._bars(),) if self.claims else (),
            figures=(
                Scalar(title="claims met", value=self.met),
                Scalar(title="claims not met", value=len(self.not_met)),
                Scalar(title="claims not shown", value=len(self.incomplete)),
                Scalar(title="slips of the lectures", value=len(self._slips())),
                Scalar(title="time", value=round(self.seconds, 1), unit="s"),
            ),
            next=self._next(),
        )

    def _slips(self) -> list[JudgedClaim]:
        return [c for c in self.claims if c.evidence.slip]

    def _next(self) -> tuple[Command, ...]:
        data = () if self.source == "digits" else ("--data", path_word(self.source))
        misses = [*self.not_met, *self.incomplete]
        if misses:
            only = ("--only", ",".join(misses[:6]))
            words = ("neocog", "lectures", *only, "--verbose", *data)
            return (Command(text="See what misses, with every number", words=words),)
        words = ("neocog", "lectures", "--report", "lectures.html", *data)
        return (Command(text="Read them with figures", words=words),)

    def _letters(self) -> list[str]:
        return list(dict.fromkeys(c.claim.chapter for c in self.claims))

    def _bars(self) -> Bars:
        letters = self._letters()
        titles = {chapter.letter: chapter.title for chapter in CHAPTERS}
        return Bars(
            title="claims by chapter",
            names=[f"{k} {titles.get(k, '')}".strip() for k in letters],
            series={o: [len(self.of(o, k)) or None for k in letters] for o in OUTCOMES},
            x_label="claims",
        )

    def save_slides(self, path: str | os.PathLike[str]) -> Path:
        """Write all claims as slides, a self-contained HTML file.

        Args:
            path: the file.

        Raises:
            UsageError: it is not a path for a file.
            RunError: the file cannot be written.
        """
        from neocog.render.page import write
        from neocog.render.slides import slides
        from neocog.targets import target_file

        titles = {chapter.letter: chapter.title for chapter in CHAPTERS}
        sections = []
        for k in self._letters():
            sections.append(Section(title=f"{k}. {titles.get(k, '')}"))
            sections += [c.slide() for c in self.claims if c.claim.chapter == k]
        target = target_file(path, option="path")
        write(target, slides(self.heading(), sections, subtitle=self.first_screen().headline))
        return target

    def summary(self) -> str:
        """At most 24 lines of 80 columns: totals, chapters, then what is not met."""
        screen = self.first_screen()
        lines = [screen.headline, screen.detail, ""]
        titles = {chapter.letter: chapter.title for chapter in CHAPTERS}
        for k in self._letters():
            counts = [(o, len(self.of(o, k))) for o in OUTCOMES]
            total = sum(n for _, n in counts)
            seconds = sum(c.seconds for c in self.claims if c.claim.chapter == k)
            misses = "".join(f", {n} {o}" for o, n in counts[1:] if n)
            lines.append(f"  {k}  {titles.get(k, ''):<28} {counts[0][1]:>2} of {total:>2} met"
                         f"{misses}  ({seconds:.1f} s)")  # fmt: skip
        after = ["", *(f"Next: {c.text[:1].lower()}{c.text[1:]}\n  {c.line}" for c in screen.next)]
        room = MOST_LINES - len(lines) - sum(1 + line.count("\n") for line in after) - 1
        misses_first = [*self.of("not met"), *self.of("not shown"), *self.of("met")]
        if self.not_met or self.incomplete or len(self.claims) <= room:
            rows = misses_first if len(misses_first) <= room else misses_first[: room - 1]
            if len(rows) < len(misses_first):
                rows = [c for c in rows if c.outcome != "met"]
            lines += ["", *(self._row(c) for c in rows)]
            left = len(self.not_met) + len(self.incomplete) - len(rows)
            if left > 0:
                lines.append(f"  and {left} more: --verbose shows all")
        return "\n".join([*lines, *after])

    @staticmethod
    def _row(judged: JudgedClaim) -> str:
        head = f"  {judged.claim.id:<3} {judged.outcome:<9} "
        text = printable(f"{judged.evidence.text}")
        return head + textwrap.shorten(text, WIDTH - len(head), placeholder=" …")

    def sections(self) -> Sequence[Section]:
        """The table of all claims, misses first; then each claim with its exhibits."""
        ordered = [*self.of("not met"), *self.of("not shown"), *self.of("met")]
        rows: list[list[Cell]] = [
            [c.claim.id, c.outcome, c.claim.text, c.evidence.text] for c in ordered
        ]
        table = Table(
            title="All claims",
            columns=("claim", "verdict", "what it says", "number"),
            rows=rows,
            note="A claim is met when all of its comparisons hold; misses come first.",
        )
        out = [Section(title="All claims", exhibits=[table])]
        if slips := self._slips():
            out.append(
                Section(
                    title="Where the lectures slip",
                    exhibits=[
                        Table(
                            title="Slips",
                            columns=("claim", "slip"),
                            rows=[[c.claim.id, c.evidence.slip] for c in slips],
                        )
                    ],
                )
            )
        return [*out, *(c.section() for c in self.claims)]
