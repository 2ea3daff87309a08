"""What happens in a training, as callbacks receive it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neocog.exhibits import Section
from neocog.runs.experiment import Experiment
from neocog.runs.split_outputs import SplitOutputs
from neocog.tasks.classify import Evaluation
from neocog.training.loop import Step

__all__ = ["Decoded", "Epoch", "Event", "Finished", "Started"]


@dataclass(frozen=True)
class Decoded:
    """While images are read for the first time.

    Args:
        done: steps so far, of looking at files and of decoding them.
        total: steps in all.
    """

    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Started:
    """Before the first step.

    Args:
        experiment: what was prepared.
        steps: the last step's number.
        done: steps that an earlier session made.
        notes: sentences that a user should read.
    """

    experiment: Experiment
    steps: int
    done: int
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """After a pass over the data.

    Args:
        row: what went into metrics.jsonl.
        notes: sentences that a user should read.
    """

    row: dict[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Finished:
    """After the last step.

    Args:
        summary: what `neocog train --json` prints, less the run's path.
        experiment: with the trained model.
        scores: what the model scores on the splits it was not trained on.
        outputs: its outputs there, or on those samples that there was time for.
        notes: sentences that a user should read.
        sections: more of the report.
    """

    summary: dict[str, Any]
    experiment: Experiment
    scores: dict[str, Evaluation]
    outputs: dict[str, SplitOutputs]
    notes: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()


Event = Decoded | Started | Step | Epoch | Finished
