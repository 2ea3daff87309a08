"""What an audit gives: its figures, those of another model, and the bounds that were set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from neocog.audits.charts import flip_pairs, flip_rate, flip_rate_ci, layers_by_cause
from neocog.audits.compare import Compared, gained, moved_by, points
from neocog.audits.first_screen import first_screen as terminal_lines
from neocog.audits.first_screen import headline, leading, next_command
from neocog.audits.headline import first_screen
from neocog.audits.require import Bound
from neocog.audits.result import Audit
from neocog.audits.sections import comparison, sections, summary
from neocog.exhibits import Bars, Exhibit, Scalar, Section, Table
from neocog.first_screen import Command, FirstScreen, Level, Named
from neocog.jsonable import keys
from neocog.render.notebook import Result

__all__ = ["AuditResult"]


@dataclass(frozen=True, kw_only=True, repr=False)
class AuditResult(Result):
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
        fix_macs: MACs of the model and of the fix that is proposed; None where none is.
        named: model and data as the user named them; None where they are objects in Python.
    """

    JSON = keys(
        "*audit", "baseline?=other", "compared?=comparison", "headline", "next", "ms?=times",
        "required?",
    )  # fmt: skip

    audit: Audit
    other: Audit | None
    compared: tuple[Compared, ...]
    bounds: tuple[tuple[Bound, float, bool], ...]
    title: str
    ms: tuple[float, float] | None = None
    fix_macs: tuple[int, int] | None = None
    named: Named | None = None

    @property
    def command(self) -> tuple[str, ...]:
        """Model, data and options of the model as the command line names them."""
        return () if self.named is None else self.named.words()

    @property
    def headline(self) -> str:
        """The result in a sentence; with a baseline: flips, accuracy and time of both."""
        if self.other is None or self.ms is None or not self.compared:
            return headline(self.audit)
        compared = self._of_first_mode()
        mode = compared.mode
        return (
            gained(
                self.other.shift[mode],
                self.audit.shift[mode],
                accuracy=compared.accuracy_difference,
                times=self.ms[1] / self.ms[0],
            )
            + "."
        )

    @property
    def kept(self) -> bool:
        """Whether every bound is kept."""
        return all(kept for _, _, kept in self.bounds)

    @property
    def next(self) -> str:
        """The command that comes next."""
        return next_command(self.audit, self.command)

    @property
    def times(self) -> dict[str, float] | None:
        """Of a sample, of both models and their ratio, for JSON."""
        if self.ms is None:
            return None
        return {"baseline": self.ms[0], "model": self.ms[1], "ratio": self.ms[1] / self.ms[0]}

    @property
    def comparison(self) -> tuple[Compared, ...] | None:
        """With the other model; None without one."""
        return None if self.other is None else self.compared

    @property
    def required(self) -> list[dict[str, Any]] | None:
        """The bounds, for JSON; None where none was set."""
        rows = [{"bound": str(b), "value": v, "kept": kept} for b, v, kept in self.bounds]
        return rows or None

    def heading(self) -> str:
        """What was audited."""
        return self.title

    def first_screen(self) -> FirstScreen:
        """The first screen; with a baseline, the differences."""
        screen = first_screen(self.audit, self.named)
        if self.other is not None and self.compared:
            screen = self._beside(screen, self.other)
        if self.fix_macs is not None:
            screen = replace(screen, next=tuple(map(self._with_macs, screen.next)))
        missed = [f"{b} (it is {value:.4g})" for b, value, kept in self.bounds if not kept]
        if missed:
            headline = f"Required and missed: {', '.join(missed)}."
            detail = f"{screen.headline} {screen.detail}".strip()
            screen = replace(screen, headline=headline, detail=detail, badge="Missed", level="bad")
        return screen

    def _with_macs(self, command: Command) -> Command:
        """A fix with what it will cost."""
        if self.fix_macs is None or "fix" not in (*command.words[1:2], command.python[7:10]):
            return command
        before, after = (f"{n / 1e6:,.3g}" for n in self.fix_macs)
        times = self.fix_macs[1] / max(1, self.fix_macs[0])
        return replace(command, text=f"{command.text}; MACs {before} → {after} M ({times:.2f}×)")

    def _of_first_mode(self) -> Compared:
        """The way of shifting that the headline is of."""
        s = leading(self.audit)
        mode = "" if s is None else s.mode
        return next((c for c in self.compared if c.mode == mode), self.compared[0])

    def _beside(self, screen: FirstScreen, other: Audit) -> FirstScreen:
        c = self._of_first_mode()
        badge, level = _verdict(c)
        low, high = (points(v, 1) for v in (-c.difference_ci[1], -c.difference_ci[0]))
        detail = f"Flips {points(-c.difference, 1)} pp (95 % CI {low} to {high})"
        if c.accuracy_difference is not None and c.accuracy_ci is not None:
            least, most = (points(v, 1) for v in c.accuracy_ci)
            detail += f", accuracy {points(c.accuracy_difference, 1)} pp ({least} to {most})"
        detail += ", on the same samples and shifts."
        figures = [
            Scalar(
                title=f"flips, {which}",
                value=flip_rate(a.shift[c.mode]),
                unit="%",
                interval=flip_rate_ci(a.shift[c.mode]),
            )
            for which, a in (("baseline", other), ("this model", self.audit))
        ]
        for which, a in (("baseline", other), ("this model", self.audit)):
            if a.accuracy is not None:
                figures.append(
                    Scalar(
                        title=f"accuracy, {which}",
                        value=a.accuracy,
                        unit="%",
                        interval=a.accuracy_ci,
                    )
                )
        if self.ms is not None and self.ms[0] > 0:
            figures.append(Scalar(title="time", value=self.ms[1] / self.ms[0], unit="×"))
        return replace(
            screen,
            headline=self.headline,
            detail=detail,
            badge=badge,
            level=level,
            image=self._drawn_beside(other),
            figures=tuple(figures),
        )

    def _drawn_beside(self, other: Audit) -> tuple[Exhibit, ...]:
        """Flips of both models under every way of shifting; what still flips, or who breaks it."""
        modes = [c.mode for c in self.compared]
        both = {"baseline": other, "this model": self.audit}
        bars = Bars(
            title="flip rate, before and after",
            names=[moved_by(self.audit.shift[m]) for m in modes],
            series={name: [flip_rate(a.shift[m]) for m in modes] for name, a in both.items()},
            intervals={name: [flip_rate_ci(a.shift[m]) for m in modes] for name, a in both.items()},
            unit="%",
            x_label="predictions that flip, with 95 % CI",
        )
        s = leading(self.audit)
        flips = () if s is None else s.flips
        pair = flip_pairs(
            flips, self.audit.classes, "one of the images that still flip", large=True
        )
        layers = layers_by_cause(self.audit)
        return (bars, *([pair] if pair.images else [layers] if layers is not None else []))

    def lines(self) -> list[str]:
        """For the terminal: what one asks first, with a table of figures, and what to do next."""
        lines = terminal_lines(
            self.audit, self.command, above=self.headline, compared=self.compared
        )
        bounds = [
            f"{'kept  ' if kept else 'MISSED'}  {bound}: {value:.4g}"
            for bound, value, kept in self.bounds
        ]
        return [*lines[:1], *bounds, *lines[1:]] if bounds else lines

    def brief(self) -> list[Section]:
        """What one asks first, in full."""
        parts = [summary(self.audit)]
        if self.other is not None:
            parts.append(self._comparison())
        return parts + self._bounds()

    def sections(self) -> list[Section]:
        """For the report."""
        parts = sections(self.audit)
        if self.other is not None:
            parts.insert(1, self._comparison())
        return parts[:1] + self._bounds() + parts[1:]

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


def _verdict(c: Compared) -> tuple[str, Level]:
    """Badge and level: consistency and accuracy, each by its interval."""
    worse = c.accuracy_ci is not None and c.accuracy_ci[1] < 0
    if c.difference_ci[0] > 0:
        return ("Mixed", "open") if worse else ("Better", "good")
    if c.difference_ci[1] < 0:
        return "Worse", "bad"
    return ("Worse", "bad") if worse else ("No difference found", "open")
