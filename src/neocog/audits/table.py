"""Measures beside shifts and layers: one line per measure.

A new one is a file with a function and a result, a line here, and a field of that name in
`config.AuditConfig`. The option of the command line, the plan, the key of the result, the section
of the report and the sentence all follow. Reading the table imports nothing heavy: the command line
reads its options from it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from neocog.audits.unshifted import Unshifted
    from neocog.data.samples import Samples
    from neocog.exhibits import Exhibit
    from neocog.models.exact import ExactModel

__all__ = ["MEASURES", "Measure", "Measured", "possible"]


class Measured(Protocol):
    """The result of a measure."""

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and lists."""

    def exhibits(self) -> Sequence[Exhibit]:
        """Exhibits for a report."""

    def sentences(self) -> Sequence[str]:
        """The result in sentences."""


class Run(Protocol):
    """A function that measures."""

    def __call__(
        self,
        model: ExactModel,
        data: Samples,
        /,
        *,
        seed: int,
        batch: int | None,
        unshifted: Unshifted | None,
        progress: Callable[[float], None],
    ) -> Measured:
        """Measure some samples."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One line of the table.

    Args:
        name: key of the result, option of the command, field of `AuditConfig`.
        title: its name in a sentence.
        help: of the option.
        passes: forward passes of each sample.
        where: the function that measures, `module.function` below `neocog.audits`.
        tasks: that it is possible for.
        axes: of a sample that shift.
    """

    name: str
    title: str
    help: str
    passes: float
    where: str
    tasks: tuple[str, ...] = ("classify",)
    axes: int = 2

    @property
    def option(self) -> str:
        """Of the command line, without its dashes."""
        return self.name.replace("_", "-")

    @property
    def run(self) -> Run:
        """The function that measures."""
        module, _, function = self.where.partition(".")
        return cast("Run", getattr(importlib.import_module(f"neocog.audits.{module}"), function))


MEASURES = (
    Measure(
        name="rotation", title="rotation", help="Rotations and mirror images.", passes=45,
        where="motion.rotation",
    ),
    Measure(
        name="scale", title="scale", help="Changes of scale.", passes=20,
        where="motion.scale",
    ),
    Measure(
        name="elastic", title="elastic deformation", help="Elastic deformations.", passes=6,
        where="elastic.elastic",
    ),
)  # fmt: skip
"""In the order in which they are measured and shown."""


def possible(size: Sequence[int], task: str) -> tuple[Measure, ...]:
    """The lines of the table that can be measured.

    Args:
        size: of a sample, along the axes that shift.
        task: of the model.

    Example:
        >>> [m.name for m in possible((32, 32), "classify")][:2], possible((128,), "classify")
        (['rotation', 'scale'], ())
    """
    return tuple(m for m in MEASURES if len(size) == m.axes and task in m.tasks)
