"""Versions and hardware of a run, and notes where bits may differ."""

from __future__ import annotations

import os
from dataclasses import replace

import torch

from neocog.runs.machine_search import processor
from neocog.runs.recipe import Recipe
from neocog.training.machine import threads as threads_of

__all__ = ["where"]


def where(recipe: Recipe, *, resume: bool) -> tuple[Recipe, list[str]]:
    """Record versions and hardware of a run.

    Args:
        recipe: with its machine settled.
        resume: keep the record so far in the recipe.

    Returns:
        The recipe, and notes on changes.
    """
    was, notes = recipe.provenance, []
    now = replace(was, torch=str(torch.__version__), processor=processor(recipe.machine.device))
    for what, before, after in (
        ("PyTorch", was.torch, now.torch),
        ("a processor", was.processor, now.processor),
    ):
        if before and _last(before) != after:
            notes.append(
                f"The recipe's run used {what} {_last(before)}, this machine has {after}: the "
                "weights may differ in their last bits."
            )
    if resume:
        now = replace(
            now,
            torch=_then(was.torch, now.torch),
            processor=_then(was.processor, now.processor),
        )
    threads, here = recipe.machine.threads, _processors()
    if threads > here:
        notes.append(
            f"Uses {threads} threads, as in the recipe, for identical bits; this machine has "
            f"{here} processors. For a new run, `--set machine.threads=0` chooses the number."
        )
    if (most := _most_threads(threads)) < threads:
        notes.append(
            f"The recipe uses {threads} threads, but only {most} are available (see "
            "OMP_THREAD_LIMIT): the weights may differ in their last bits."
        )
    return replace(recipe, provenance=now), notes


def _most_threads(requested: int) -> int:
    """Threads available, of so many requested."""
    with threads_of(requested):
        most = torch.get_num_threads()
    limit = os.environ.get("OMP_THREAD_LIMIT", "")
    return min(most, int(limit)) if limit.isdecimal() and int(limit) else most


def _processors() -> int:
    """Number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _last(text: str) -> str:
    return text.rpartition(", then ")[2]


def _then(before: str, after: str) -> str:
    """The first version or machine, then the later one."""
    if not before or _last(before) == after:
        return before or after
    return f"{before}, then {after}"
