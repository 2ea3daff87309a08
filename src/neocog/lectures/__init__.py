"""What the lectures show of an image, and their claims, each with evidence and a verdict.

import neocog

report = neocog.lectures.run(only="A,E3")
report.all_met, report.not_met
report.save_html("lectures.html")
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neocog.lectures.result import LectureReport

__all__ = ["run"]


def run(
    only: str | Sequence[str] = (),
    *,
    data: str | os.PathLike[str] = "digits",
    seed: int = 0,
    progress: Callable[[Any], None] | None = None,
) -> LectureReport:
    """Measure the claims of the lectures: numbers, figures and a verdict for each.

    Args:
        only: chapters and claims: `"A,E3"` or `["A", "E3"]`; all if left out.
        data: `digits`, a folder or a file, labeled.
        seed: of weights, noise and draws.
        progress: called with what is measured next.

    Raises:
        UsageError: there is no such claim or chapter.
        DataError: the data has fewer than 200 labeled images, or a single class.

    Example:
        >>> report = run(only="A1")
        >>> report.met, report.claims[0].evidence.text
        (1, '3×3 input with a 2×2 kernel: [[19, 25], [37, 43]] (deck: [[19, 25], [37, 43]])')
    """
    from neocog.lectures.lecture_run import measured_claims

    return measured_claims(only, data=data, seed=seed, progress=progress)
