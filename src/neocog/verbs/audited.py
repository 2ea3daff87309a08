"""What an audit gives: its figures, those of another model, and the bounds that were set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from neocog.audits.compare import Compared, gained
from neocog.audits.require import Bound
from neocog.audits.sections import comparison, sections, summary
from neocog.audits.suite import Audit
from neocog.exhibits import Section, Table

__all__ = ["AuditResult"]


@dataclass(frozen=True, kw_only=True)
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
    """

    audit: Audit
    other: Audit | None
    compared: tuple[Compared, ...]
    bounds: tuple[tuple[Bound, float, bool], ...]
    title: str
    ms: tuple[float, float] | None = None

    @property
    def headline(self) -> str:
        """Flips, accuracy and time beside the other model, in a sentence; empty without one."""
        if self.other is None or self.ms is None or not self.compared:
            return ""
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

    def summary(self) -> list[Section]:
        """For the terminal."""
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
