"""What an audit measures in the time that it has.

A plan is a pure function of the options and of a few facts, above all the seconds of a forward
pass. What is named explicitly is never left out. Where the number of samples is given, nothing
depends on the clock: the same command gives the same numbers on any machine. Where it is not, it is
the largest of a fixed series that fits, so small differences in speed do not change it; the
protocol says which, and how to repeat exactly that.

Everything is counted in forward passes of one sample, which is what an audit spends its time on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from neocog.audits.config import AuditConfig
from neocog.audits.grid import shifts_of
from neocog.audits.moving import MODES
from neocog.audits.table import Measure

__all__ = [
    "Facts",
    "LeftOut",
    "Plan",
    "left_out",
    "limit",
    "map_samples",
    "maps_left",
    "plan",
]

SECONDS, SMALL_SECONDS = 60.0, 30.0
"""Time limit of an audit: of large samples, and of small ones."""

SMALL = 64 * 64
"""Pixels (or steps) up to which samples are small."""

AIM = 0.75
"""Fraction of the time that is planned with; the rest is a reserve."""

MOST = 1000
"""Samples where the number is not given."""

ROW = (1000, 700, 500, 350, 250, 180, 120, 90, 64, 48, 32, 24, 16)
"""Numbers of samples that are planned with; the first is the minimum, however slow a model is."""

LAYER_ROW = (32, 16, 8, 4, 2)
"""The same for samples that layers are measured on."""

FOR_LAYERS = 0.3
"""Fraction of the time that goes into layers, at most."""

MAP_ROW = (64, 48, 32, 24, 16)
"""Numbers of samples of a map of shifts that are planned with."""

MOVED = 500
"""Samples that are rotated, rescaled and deformed, at most: each needs dozens of passes."""

LAYER_PASSES = 20.0
"""Forward passes that measuring all layers on one sample costs."""

TURN_PASSES, LIE_PASSES = 6.0, 20.0
"""The same for their quarter turns, and for their Lie derivatives."""

LIE_SAMPLES = 8
"""Samples that Lie derivatives are computed for."""

WORK = 3e11
"""MACs of a map of shifts, or of measuring layers, at most, where the number of samples is given: a
bound that does not depend on the clock."""

FOR_MAPS = 0.3
"""Fraction of the time for shifts that is kept for maps, where that leaves room for them."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts that a plan depends on.

    Args:
        available: number of samples.
        size: of a sample, along the axes that shift.
        seconds: of the forward pass of one sample within a batch.
        left: seconds that are left for the audit.
        task: what the model predicts.
        max_shift: maximum shift, in pixels.
        macs: of a forward pass; None where unknown.
        controls: kinds of shift whose flips are split by cause, one more pass per sample.
        wide: crops are windows of larger images, so their unshifted predictions differ.
        black_box: only predictions are available.
        layers_done: they were measured already.
        extras: what else can be measured, see `table.possible`.
    """

    available: int
    size: tuple[int, ...]
    seconds: float
    left: float
    task: str = "classify"
    max_shift: int = 4
    macs: int | None = None
    controls: frozenset[str] = frozenset()
    wide: bool = False
    black_box: bool = False
    layers_done: bool = False
    extras: tuple[Measure, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Something that is not measured, or on fewer samples than available.

    Args:
        what: it is, in words.
        option: that measures it.
    """

    what: str
    option: str

    def __str__(self) -> str:
        return f"{self.what} ({self.option})"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured.

    Args:
        samples: that are shifted.
        fixed: their number was given, so it is not reduced during the audit.
        shift: kinds of shift.
        maps: kinds of shift that are mapped.
        map_samples: samples of each map.
        extras: number of samples by name, for further measures.
        layers: samples that layers are measured on; 0 for none.
        turns: layers are measured under quarter turns too.
        lie: and by their Lie derivatives.
        seconds: expected, by part.
        full_seconds: that everything would take.
    """

    samples: int
    fixed: bool
    shift: tuple[str, ...]
    maps: tuple[str, ...] = ()
    map_samples: int = 0
    extras: Mapping[str, int] = field(default_factory=dict)
    layers: int = 0
    turns: bool = False
    lie: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)
    full_seconds: float = 0.0


def limit(size: Sequence[int], budget: float | None = None) -> float:
    """Seconds that an audit may take.

    Args:
        size: of a sample, along the axes that move.
        budget: as given.

    Example:
        >>> limit((32, 32)), limit((224, 224)), limit((224, 224), 300.0)
        (30.0, 60.0, 300.0)
    """
    if budget is not None:
        return budget
    values = 1
    for n in size:
        values *= n
    return SMALL_SECONDS if values <= SMALL else SECONDS


def map_samples(n: int) -> int:
    """Samples that a map of shifts is measured on, for so many samples in all.

    A map of 9×9 shifts takes 81 passes per sample, everything else of one way of shifting 3 or 4;
    so the two take about as long at any n: 64 of 1,000, and 8 at least.

    Example:
        >>> map_samples(1000), map_samples(250), map_samples(20), map_samples(60_000)
        (64, 16, 8, 64)
    """
    return min(64, max(8, n * 64 // 1000))


def plan(config: AuditConfig, facts: Facts) -> Plan:
    """What is measured.

    Args:
        config: explicit choices, and None where the time decides.
        facts: about the model, the samples and the time.

    Example:
        >>> fast = Facts(available=5000, size=(32, 32), seconds=1e-4, left=30.0)
        >>> one = plan(AuditConfig(), fast)
        >>> one.samples, one.shift, one.maps, one.map_samples
        (1000, ('circular', 'crop'), ('circular', 'crop'), 64)
        >>> slow = Facts(available=5000, size=(224, 224), seconds=0.09, left=60.0)
        >>> plan(AuditConfig(), slow).samples, plan(AuditConfig(), slow).maps
        (64, ())
        >>> plan(AuditConfig(n=100), slow).samples
        100
    """
    return _Planner(config, facts).plan()


def maps_left(config: AuditConfig, facts: Facts, samples: int) -> tuple[tuple[str, ...], int]:
    """The maps that still fit, once everything else is measured.

    Args:
        config: explicit choices, and None where the time decides.
        facts: with the time that is left by now, and the pace that was kept.
        samples: that were shifted.

    Returns:
        Kinds of shift that are mapped, and the samples of each map.
    """
    planner = _Planner(config, facts)
    if not planner.timed:
        return planner.maps_of(samples)
    return planner.maps_in(facts.left / max(facts.seconds, 1e-9), samples)


class _Planner:
    """Makes one plan."""

    def __init__(self, config: AuditConfig, facts: Facts) -> None:
        self.config, self.facts = config, facts
        self.timed = not (config.full or config.samples_given)
        self.modes = tuple(
            m for m in config.modes if not (facts.task == "segment" and m == "subpixel")
        )

    def a_map(self, mode: str) -> int:
        """Forward passes of a sample for a map."""
        config, facts = self.config, self.facts
        every = config.all_shifts and mode == "circular"
        return shifts_of(mode, facts.size, facts.max_shift, None if every else config.map_max_shift)

    def plan(self) -> Plan:
        """The plan."""
        config, facts = self.config, self.facts
        layers = self.layers()
        turns = bool(layers) and (config.full if config.rotation is None else config.rotation)
        lie = bool(layers) and (config.full if config.lie is None else config.lie)
        inside = layers * (LAYER_PASSES + turns * TURN_PASSES)
        inside += lie * min(layers, LIE_SAMPLES) * LIE_PASSES
        inside = 0.0 if facts.layers_done else inside
        samples, maps, few = self.shared(AIM * facts.left / max(facts.seconds, 1e-9) - inside)
        extras = {e.name: min(samples, MOVED) for e in self.chosen()}
        spent = {"layers": inside, "shifts": samples * self.a_sample(self.modes)}
        spent |= {e.name: extras[e.name] * e.passes for e in self.chosen()}
        spent |= {f"map {m}": few * float(self.a_map(m)) for m in maps}
        return Plan(
            samples=samples,
            fixed=not self.timed,
            shift=self.modes,
            maps=maps,
            map_samples=few,
            extras=extras,
            layers=layers,
            turns=turns,
            lie=lie,
            seconds={name: n * facts.seconds for name, n in spent.items() if n},
            full_seconds=self.everything() * facts.seconds,
        )

    def a_sample(self, modes: Sequence[str]) -> float:
        """Forward passes of a sample for its shifts, and unshifted."""
        own = self.facts.wide and "crop" in modes
        return 1.0 + own + sum(2 + (m in self.facts.controls) for m in modes)

    def chosen(self) -> tuple[Measure, ...]:
        """What is measured beside shifts and layers."""
        measures = []
        for extra in self.facts.extras:
            given = getattr(self.config, extra.name)
            if self.config.full if given is None else given:
                measures.append(extra)
        return tuple(measures)

    def layers(self) -> int:
        """Samples that layers are measured on: a bounded amount of work, and of time.

        Where the number of samples is given, never by time.
        """
        config, facts = self.config, self.facts
        if facts.black_box or config.layers is False:
            return 0
        if config.layer_samples is not None:
            return min(config.layer_samples, facts.available)
        most = min(facts.available, config.n or facts.available)
        if config.full:
            return min(LAYER_ROW[0], most)
        macs = facts.macs or 0
        row = [n for n in LAYER_ROW if n * LAYER_PASSES * macs <= WORK] or list(LAYER_ROW[-2:])
        if self.timed:
            passes = FOR_LAYERS * facts.left / max(facts.seconds, 1e-9)
            row = [n for n in row if n * LAYER_PASSES <= passes] or list(LAYER_ROW[-1:])
        return min(row[0], most)

    def shared(self, passes: float) -> tuple[int, tuple[str, ...], int]:
        """Samples, maps and the samples of each, for so many passes in all."""
        config, facts = self.config, self.facts
        if not self.timed:
            n = facts.available if config.every_sample else min(facts.available, config.n or MOST)
            return (n, *self.maps_of(n))
        a_sample, beside = self.a_sample(self.modes), sum(e.passes for e in self.chosen())
        most = min(MOST, facts.available)
        row = [most, *(n for n in ROW if n < most)]

        def cost(n: int) -> float:
            return n * a_sample + min(n, MOVED) * beside

        def largest(passes: float) -> int:
            return next((n for n in row if cost(n) <= passes), row[-1])

        n = largest((1 - FOR_MAPS) * passes)
        maps, few = self.maps_in(passes - cost(n), n)
        if not maps:
            n = largest(passes)
        return n, maps, few

    def mapped(self) -> tuple[str, ...]:
        """Kinds of shift to map."""
        config = self.config
        if config.map_max_shift == 0 and not config.all_shifts:
            return ()
        return (
            self.modes if config.maps is None else tuple(m for m in self.modes if m in config.maps)
        )

    def named(self) -> bool:
        """Whether maps were named: then they are measured however long they take."""
        config = self.config
        return bool(config.full or config.maps or config.map_samples or config.all_shifts)

    def maps_of(self, n: int) -> tuple[tuple[str, ...], int]:
        """Maps, where the number of samples is given: never by time."""
        macs, few = self.facts.macs, min(n, self.config.map_samples or map_samples(n))
        maps = tuple(
            m
            for m in self.mapped()
            if self.named() or (macs is not None and few * self.a_map(m) * macs <= WORK)
        )
        return maps, few if maps else 0

    def maps_in(self, passes: float, n: int) -> tuple[tuple[str, ...], int]:
        """Maps of all kinds of shift, or of crops alone, on as many samples as fit."""
        wanted, most = self.mapped(), min(n, MAP_ROW[0])
        if not wanted:
            return (), 0
        if self.config.map_samples is not None:
            return wanted, min(n, self.config.map_samples)
        row = [most, *(k for k in MAP_ROW if k < most)]
        first = ("crop",) if "crop" in wanted else wanted[:1]
        for some in (wanted,) if self.named() else (wanted, first):
            each = sum(self.a_map(m) for m in some)
            few = next((k for k in row if k * each <= passes), None)
            if few is not None:
                return some, few
        return (wanted, row[-1]) if self.named() else ((), 0)

    def everything(self) -> float:
        """Forward passes of a full audit."""
        facts, n = self.facts, min(self.facts.available, self.config.n or MOST)
        modes = [m for m in MODES if not (facts.task == "segment" and m == "subpixel")]
        passes = n * self.a_sample(modes) + sum(map_samples(n) * self.a_map(m) for m in modes)
        passes += sum(min(n, MOVED) * e.passes for e in facts.extras)
        if not facts.black_box:
            few = min(LAYER_ROW[0], facts.available)
            passes += few * (LAYER_PASSES + TURN_PASSES) + LIE_SAMPLES * LIE_PASSES
        return passes


def left_out(config: AuditConfig, facts: Facts, made: Plan) -> tuple[LeftOut, ...]:
    """What the plan leaves out, each with the option that measures it.

    Args:
        config: explicit choices.
        facts: about the model and the samples.
        made: what was measured in the end.

    Example:
        >>> facts = Facts(available=5000, size=(32, 32), seconds=1e-4, left=30.0)
        >>> [str(part) for part in left_out(AuditConfig(), facts, plan(AuditConfig(), facts))]
        ['zeros and subpixel shifts (--shift all)', 'Lie derivatives of layers (--lie)']
    """
    parts, most = list[LeftOut](), min(facts.available, MOST)
    if not made.fixed and made.samples < most:
        parts.append(
            LeftOut(what=f"{most - made.samples:,} of {most:,} samples", option=f"--samples {most}")
        )
    others = [
        m
        for m in MODES
        if m not in made.shift and not (facts.task == "segment" and m == "subpixel")
    ]
    if config.shift is None and others:
        parts.append(LeftOut(what=f"{' and '.join(others)} shifts", option="--shift all"))
    absent = [m for m in made.shift if m not in made.maps]
    if absent and config.maps is None and (config.map_max_shift or config.all_shifts):
        what = f"map{'s' if len(absent) > 1 else ''} of {' and '.join(absent)} shifts"
        parts.append(LeftOut(what=what, option=f"--maps {','.join(made.shift)}"))
    for extra in facts.extras:
        if extra.name not in made.extras and getattr(config, extra.name) is None:
            parts.append(LeftOut(what=extra.title, option=f"--{extra.option}"))
    if made.layers and not made.lie and config.lie is None:
        parts.append(LeftOut(what="Lie derivatives of layers", option="--lie"))
    return tuple(parts)
