"""Measure claims one after the other; the public function is `neocog.lectures.run`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from neocog.lectures.chapters import chosen_claims
from neocog.lectures.evidence import LectureClaim
from neocog.lectures.material import Material
from neocog.lectures.result import JudgedClaim, LectureReport

__all__ = ["judged_claim", "measured_claims"]


def measured_claims(
    only: str | Sequence[str] = (),
    *,
    data: str | os.PathLike[str] = "digits",
    seed: int = 0,
    progress: Callable[[Any], None] | None = None,
) -> LectureReport:
    """Measure claims, and judge each by its numbers; arguments and errors are those of `run`."""
    began = time.monotonic()
    claims = chosen_claims(only)
    material = Material(os.fspath(data), seed=seed)
    warnings = material.opened.sheet.warnings if material.source != "digits" else ()
    judged = []
    for i, claim in enumerate(claims):
        if progress is not None:
            progress(f"{claim.id}, {i + 1} of {len(claims)}: {claim.text}")
        judged.append(judged_claim(claim, material))
    return LectureReport(
        source=material.source,
        claims=tuple(judged),
        seed=seed,
        seconds=time.monotonic() - began,
        warnings=tuple(warnings),
    )


def judged_claim(claim: LectureClaim, material: Material) -> JudgedClaim:
    """Measure one claim; the global random state is left as it was.

    Args:
        claim: of the table.
        material: images and networks.
    """
    began = time.monotonic()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(material.seed)
        evidence = claim.measure(material)
    return JudgedClaim(claim=claim, evidence=evidence, seconds=time.monotonic() - began)
