"""Which augmentations keep labels, as a result: a verdict a transformation, and the recipe."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from neocog.errors import printable
from neocog.exhibits import Section
from neocog.first_screen import FirstScreen
from neocog.jsonable import Jsonable, keys
from neocog.render.notebook import Result
from neocog.training.label_symmetries import JUDGED, SymmetryExtent, SymmetryTest
from neocog.verbs.label_symmetries_page import first_screen, sections

__all__ = ["FLIP", "DataSymmetries", "SafeAmount", "is_decided"]

FLIP = 0.5
"""Probability of a mirror image, as a fraction of that of the image, from which on the data holds
both."""

COMPETENT = 0.6
"""Of the errors of a constant prediction: a network that makes no more can judge labels."""


@dataclass(frozen=True, kw_only=True)
class SafeAmount(Jsonable):
    """One transformation: what the data holds, what keeps labels, what to write into a recipe.

    Args:
        measured: of it.
        safe: amount that the data holds and that confuses no class, in its unit; for a flip 1 or
            0. 0 where the labels could not be judged.
        judged: whether they could.
        unit: of amounts; for a flip empty.
        classes: names.
    """

    JSON = keys(
        "name=measured.name", "safe", "unit", "extent=measured.extent",
        "interval=measured.interval", "at_least=measured.least", "kept",
        "amounts=measured.amounts", "curve=measured.curve", "confusions=plain_confusions",
    )  # fmt: skip

    measured: SymmetryExtent
    safe: float
    judged: bool
    unit: str
    classes: tuple[str, ...]

    @property
    def plain_confusions(self) -> list[dict[str, object]]:
        """Classes that are taken for others, by name."""
        return [
            {
                "amount": c.amount,
                "class": self.classes[c.label],
                "recognized_as": self.classes[c.recognized_as],
                "rate": c.rate,
                "interval": list(c.interval),
                "n": c.n,
            }
            for c in self.measured.confusions
        ]

    @property
    def kept(self) -> float | None:
        """Largest amount up to which no class is confused; None where it cannot be determined."""
        return self.measured.kept if self.judged else None

    @property
    def held(self) -> float:
        """Amount that the data holds, 0 below what can be told apart; for a flip 1 or 0."""
        m = self.measured
        if m.is_flip:
            return float(m.extent >= FLIP)
        return m.extent if m.extent >= m.amounts[1] * 0.999 else 0.0


@dataclass(frozen=True, kw_only=True, repr=False)
class DataSymmetries(Result):
    """Which transformations keep the labels of a data set, and by how much.

    Args:
        source: of the data, as the user named it.
        test: what was measured.
        verdicts: one a transformation.
        augment: recipe keys of `[augment]` with their values; none where nothing is decided.
        classes: names; empty without labels.
        warnings: of the data.
    """

    JSON = keys(
        "n=test.n", "held_out=test.held_out", "accuracy=test.accuracy", "decided", "not_judged",
        "transformations=verdicts", "augment",
    )  # fmt: skip

    source: str
    test: SymmetryTest
    verdicts: tuple[SafeAmount, ...]
    augment: dict[str, float | bool]
    classes: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def decided(self) -> bool:
        """Whether labels could be judged."""
        return is_decided(self.test)

    @property
    def not_judged(self) -> tuple[str, ...]:
        """Classes with too few held-out images."""
        return tuple(
            name for name, n in zip(self.classes, self.test.per_class, strict=False) if n < JUDGED
        )

    def heading(self) -> str:
        """What it is of."""
        return f"Augmentations that keep the labels of {printable(self.source)}"

    @cached_property
    def by_name(self) -> dict[str, SafeAmount]:
        """Verdicts by the name of the transformation."""
        return {v.measured.name: v for v in self.verdicts}

    def first_screen(self) -> FirstScreen:
        """What is safe, what is not, and the command that uses it."""
        return first_screen(self)

    def sections(self) -> list[Section]:
        """Everything, in reading order."""
        return sections(self)


def is_decided(test: SymmetryTest) -> bool:
    """Whether the network knows the classes, and most of them have images enough."""
    count = len(test.per_class)
    if test.accuracy is None or count < 2:
        return False
    enough = sum(n >= JUDGED for n in test.per_class)
    return 1 - test.accuracy <= COMPETENT * (1 - 1 / count) and 2 * enough > count
