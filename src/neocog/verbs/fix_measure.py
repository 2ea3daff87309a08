"""A model on the samples of a report: predictions, shifts, cost; as many as the time allows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from neocog.audits.poses import consistency
from neocog.audits.shift import Shift, shift_consistency
from neocog.audits.timing import a_batch, milliseconds
from neocog.data.batches import batches
from neocog.data.samples import Samples, evaluation_batch
from neocog.data.split import Split
from neocog.graph.cost import cost
from neocog.models.model import Model
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.convert import ConvertedModel, example_of
from neocog.runs.judge import Figures, Judge, Score
from neocog.surgery.rank import GroupRank, rank_groups
from neocog.symmetry.poses import GROUPS
from neocog.tasks.class_order import other_order
from neocog.tasks.classify import Evaluation, evaluation
from neocog.tasks.inference import logits_of
from neocog.types import Batch
from neocog.verbs.fix_result import ADVISED, FixFigures

__all__ = ["Measuring", "Scores", "advised", "milliseconds_of", "outlook"]

A_PASS = 250.0
"""Milliseconds of a forward pass that is timed, about: slow models get fewer samples."""

FOR_MEASURING = 0.3
"""Fraction of a budget that measuring may take, before and after together."""

FEWEST = 16
"""Samples that are measured whatever the budget."""

ENOUGH = 200
"""Samples on which all ways of shifting are measured; with fewer only the first one is."""


@dataclass(frozen=True)
class Scores:
    """A model on the samples of the report.

    Args:
        evaluation: accuracy and loss.
        correct: for each sample.
        shift: way of shifting to what it does.
        params: numbers in all parameters.
        macs: of one sample.
        memory: bytes for one sample.
    """

    evaluation: Evaluation
    correct: np.ndarray
    shift: dict[str, Shift]
    params: int
    macs: int
    memory: int

    def figures(self, mode: str, *, labeled: bool = True) -> Figures:
        """What a verdict rests on.

        Args:
            mode: of shifting. Where it is a group of poses, images have no upright pose to be
                correct in: predictions count that are correct in a random pose.
            labeled: the truth is known.
        """
        moved = self.shift[mode]
        posed = mode in GROUPS and labeled
        return Figures(correct=moved.first if posed else self.correct, shift=moved)

    def ordered(self) -> tuple[str, ...]:
        """What to say where the outputs mean the classes in another order."""
        other = other_order(np.array(self.evaluation.confusion), self.evaluation.classes)
        return () if other is None else (other.sentence,)

    def measured(self, ms: float) -> FixFigures:
        """For the result."""
        scored = self.evaluation
        return FixFigures(
            accuracy=scored.accuracy,
            accuracy_ci=scored.accuracy_ci,
            loss=scored.loss,
            n=scored.n,
            shift=self.shift,
            params=self.params,
            macs=self.macs,
            ms=ms,
            memory=self.memory,
        )


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """What every model is measured on.

    Args:
        split: all samples whose prediction counts.
        shifted: those that are shifted.
        modes: ways of shifting.
        seed: of the shifts.
        notes: sentences on what was left out.
    """

    split: Split
    shifted: Samples
    modes: tuple[str, ...]
    seed: int
    notes: tuple[str, ...] = ()

    @classmethod
    def within(
        cls,
        budget: float | None,
        ms: float,
        split: Split,
        *,
        n: int | None,
        modes: Sequence[str],
        seed: int,
    ) -> Measuring:
        """Of all samples, or of as many as a budget allows.

        Args:
            budget: seconds for everything; None for no limit.
            ms: that one sample takes.
            split: whose samples.
            n: that are shifted; all for None.
            modes: ways of shifting.
            seed: of which samples, and of the shifts.
        """
        measured, shifted = len(split), min(len(split), n or len(split))
        whole = Measuring(
            split=split,
            shifted=Samples.of(split).first(n, seed=seed),
            modes=tuple(modes),
            seed=seed,
        )
        if budget is None:
            return whole

        def allowed(ways: int) -> float:
            # Twice: the original model, and one that takes half as long again.
            seconds = 2.5 * ms / 1e3 * (measured + 3 * ways * shifted)
            return FOR_MEASURING * budget / max(seconds, 1e-9)

        part = allowed(len(modes))
        if part * shifted < min(ENOUGH, shifted) and len(modes) > 1:
            part = allowed(1)
            kind = "poses" if modes[0] in GROUPS else "shifts"
            modes_note = f"The budget allows only {modes[0]} {kind} to be measured."
            whole = replace(whole, modes=(modes[0],), notes=(modes_note,))
        fits = [min(k, max(FEWEST, int(part * k))) for k in (measured, shifted)]
        if part >= 1 or fits == [measured, shifted]:
            return whole
        rows = np.sort(np.random.default_rng([seed, 0xF1B]).permutation(measured)[: fits[0]])
        some = split.subset(rows)
        note = (
            f"The budget allows {fits[0]:,} of the {measured:,} samples to be measured, and "
            f"{fits[1]:,} of them to be shifted. Give more for narrower intervals."
        )
        return replace(
            whole,
            split=some,
            shifted=Samples.of(some).first(fits[1], seed=seed),
            notes=(*whole.notes, note),
        )

    def accuracy(self, model: SpecifiedNetwork) -> float:
        """Fraction of the samples that are predicted correctly."""
        return float(self._correct(self._logits(model)).mean())

    def __call__(self, model: SpecifiedNetwork) -> Scores:
        """Measure one model; it is as it was afterwards."""
        signal = model.spec.input
        shift = {
            mode: consistency(model, self.shifted, mode=mode, seed=self.seed) for mode in self.modes
        }
        spent = cost(model, (signal.channels, *signal.size))
        logits = self._logits(model)
        spec = model.spec
        scored = evaluation(logits, self.split.y, spec.classes, kind=spec.output.kind)
        memory = 4 * (spent.params + spent.activations)
        return Scores(scored, self._correct(logits), shift, spent.params, spent.macs, memory)

    def _logits(self, model: SpecifiedNetwork) -> Tensor:
        return logits_of(model, self._feed())

    def _feed(self) -> Iterator[Batch]:
        *size, channels = self.split.x.shape[1:]
        batch = evaluation_batch(channels, size)
        return batches(self.split, size=batch, shuffle=False, seed=0, epoch=0)

    def _correct(self, logits: Tensor) -> np.ndarray:
        return np.asarray(logits.argmax(1).numpy() == self.split.y)


def outlook(model: SpecifiedNetwork, judge: Judge, first: Score, macs: int) -> str:
    """What a change costs and gains before anything is trained, as a sentence.

    Args:
        model: the changed one.
        judge: of the validation samples.
        first: what it found of the original model.
        macs: of that model.
    """
    signal = model.spec.input
    now, spent = judge(model), cost(model, (signal.channels, *signal.size)).macs
    return (
        f"before training: MACs {macs / 1e6:,.3g} → {spent / 1e6:,.3g} M "
        f"({spent / max(1, macs):.2f}×); on {len(judge.samples):,} validation samples {judge.mode} "
        f"consistency {first.consistency:.1%} → {now.consistency:.1%}, "
        f"accuracy {first.accuracy:.1%} → {now.accuracy:.1%}"
    )


def milliseconds_of(models: Sequence[SpecifiedNetwork]) -> list[float]:
    """Of the forward pass of one sample, models in turns, with batches as an audit has them."""
    signal = models[0].spec.input
    x = a_batch((signal.channels, *signal.size))
    with torch.no_grad():
        began = time.perf_counter()
        models[0](x[:2])
    each = (time.perf_counter() - began) / len(x[:2]) * 1e3
    x = x[: max(1, int(A_PASS / each))]
    return milliseconds(models, [x] * len(models))


def advised(
    trained: Model,
    conversion: ConvertedModel,
    split: Split,
    downsampling: str,
    padding: str,
    seed: int,
) -> tuple[GroupRank, ...]:
    """Each group of downsamplers replaced alone, weights as they are: what gains most first."""
    spec = conversion.model.spec
    signal = spec.input
    some = Samples.of(split).first(ADVISED, seed=seed)

    def flips(network: nn.Module) -> dict[str, float]:
        model = SpecifiedNetwork(network, spec).eval()
        return {
            mode: 1 - shift_consistency(model, some, mode=mode, seed=seed).consistency
            for mode in ("circular", "crop")
        }

    return rank_groups(
        trained.module.network,
        example_of(spec),
        downsampling=downsampling,
        padding=padding,
        flips=flips,
        macs=lambda network: cost(network, (signal.channels, *signal.size)).macs,
        seed=seed,
    )
