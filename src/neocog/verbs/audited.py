"""What an audit gives: its figures, those of another model, and the bounds that were set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from neocog.audits.compare import Compared, gained
from neocog.audits.first_screen import first_screen, headline, next_command
from neocog.audits.require import Bound
from neocog.audits.result import Audit
from neocog.audits.sections import comparison, sections, summary
from neocog.exhibits import Section, Table

__all__ = ["AuditResult"]


@dataclass(frozen=True, kw_only=True, repr=False)
class AuditResult:
    """An audit, with what it was compared with and the bounds that were set.

    Args:
        audit: of the model.
        other: of the model that it was compared with.
        compared: one a way of shifting; first is the other model, second this one, so a
            difference is what this one gains.
        bounds: each with its figure and whether it is kept.
        title: what was audited.
        ms: milliseconds of a sample, of the other model and of this one, measured in turns; None
            without another.
        command: model, data and options of the model as the command line names them.
    """

    audit: Audit
    other: Audit | None
    compared: tuple[Compared, ...]
    bounds: tuple[tuple[Bound, float, bool], ...]
    title: str
    ms: tuple[float, float] | None = None
    command: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """The first screen."""
        return "\n".join(self.first_screen())

    @property
    def headline(self) -> str:
        """The answer in a sentence; beside another model: flips, accuracy and time of both."""
        if self.other is None or self.ms is None or not self.compared:
            return headline(self.audit)
        asked = next((c for c in self.compared if c.mode == "crop"), self.compared[0])
        mode = asked.mode
        return (
            gained(
                self.other.shift[mode],
                self.audit.shift[mode],
                accuracy=asked.accuracy_difference,
                times=self.ms[1] / self.ms[0],
            )
            + "."
        )

    @property
    def kept(self) -> bool:
        """Whether every bound is kept."""
        return all(kept for _, _, kept in self.bounds)

    def to_json(self) -> dict[str, Any]:
        """The audit with the names of the spec, and what goes beyond it."""
        plain = self.audit.to_json()
        if self.other is not None:
            plain["baseline"] = self.other.to_json()
            plain["compared"] = [c.to_json() for c in self.compared]
        plain["headline"] = self.headline
        plain["next"] = next_command(self.audit, self.command)
        if self.ms is not None:
            plain["ms"] = {
                "baseline": self.ms[0],
                "model": self.ms[1],
                "ratio": self.ms[1] / self.ms[0],
            }
        if self.bounds:
            plain["required"] = [
                {"bound": str(b), "value": value, "kept": kept} for b, value, kept in self.bounds
            ]
        return plain

    def first_screen(self) -> list[str]:
        """For the terminal: what one asks first, and what to do next."""
        lines = first_screen(self.audit, self.command, above=self.headline, compared=self.compared)
        bounds = [
            f"{'kept  ' if kept else 'MISSED'}  {bound}: {value:.4g}"
            for bound, value, kept in self.bounds
        ]
        return [*lines[:1], *bounds, *lines[1:]] if bounds else lines

    def summary(self) -> list[Section]:
        """What one asks first, in full."""
        found = [summary(self.audit)]
        if self.other is not None:
            found.append(self._comparison())
        return found + self._bounds()

    def sections(self) -> list[Section]:
        """For the report."""
        found = sections(self.audit)
        if self.other is not None:
            found.insert(1, self._comparison())
        return found[:1] + self._bounds() + found[1:]

    def _comparison(self) -> Section:
        section = comparison(self.compared, "the other", "this model", axes=self.audit.axes)
        text = "\n".join(line for line in (self.headline, section.text) if line)
        return replace(section, text=text)

    def _bounds(self) -> list[Section]:
        if not self.bounds:
            return []
        table = Table(
            title="bounds",
            columns=("required", "metrics", ""),
            rows=[[str(b), value, "kept" if kept else "MISSED"] for b, value, kept in self.bounds],
        )
        return [Section(title="What was required", exhibits=(table,))]
