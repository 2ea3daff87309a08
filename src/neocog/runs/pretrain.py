"""Self-supervised pretraining of a recipe into a run folder, on the session of every training.

The network is trained without its last linear layer, together with the layers of a method
(`tasks/pretext`). After each epoch some images are looked at: how far their embeddings spread, and,
where the data has labels, how many neighbors name the right class. Labels are used for that figure
alone: what is trained is given images of a single class.
"""

from __future__ import annotations

import copy
import math
import shlex
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neocog.data.batches import order, pixels
from neocog.data.split import Split
from neocog.errors import Diverged, UsageError, printable
from neocog.models.seen_samples import SEEN, write_seen
from neocog.runs.budget import Budget
from neocog.runs.capacity import widened
from neocog.runs.checkpoint import pack
from neocog.runs.claim import Claim
from neocog.runs.events import Epoch, Event, Finished, Started
from neocog.runs.experiment import Experiment, prepare
from neocog.runs.features import Backbone, backbone_of
from neocog.runs.interrupt import deferred
from neocog.runs.plan import Pace, first_plan
from neocog.runs.progress import card, must_agree_with, taken_up
from neocog.runs.recipe import Recipe, to_toml
from neocog.runs.session import TrainingProgress, TrainingSession
from neocog.runs.training_notes import overrun
from neocog.stats import wilson_interval
from neocog.tasks.inference import evaluating
from neocog.tasks.pretext.method import Encoder, Pretext, Pretraining, repeated
from neocog.tasks.pretext.table import build_method
from neocog.training.augment import augment
from neocog.training.average import Average
from neocog.training.loop import Step, StepPlan, fit, step_seed
from neocog.training.machine import to_machine
from neocog.training.neighbors import nearest, votes_of
from neocog.training.optimize import build_optimizer
from neocog.training.spread import Diagnosis, effective_rank, relative_std, verdict
from neocog.types import Batch

__all__ = ["pretrain"]

BANK, QUERIES = 2000, 500
"""Images whose neighbors are looked for after an epoch, and among which."""

TIMED, FEW = 3, 8
"""Steps that are timed for a budget, and images of the first ones."""

FIRST = 64
"""Images whose loss with random weights is the first point of the curve."""

LOOKING = 0.1
"""Fraction of a budget that goes into looking at images after each epoch, at most."""

LEAST_STEPS, LOOKS = 2, 4
"""Steps of the shortest pretraining, and how often images are looked at around them."""

SLACK = 1.2
"""Of a budget: what exceeds it by more is refused before the first step."""

CHECKPOINT_SECONDS = 60.0
"""Within a long epoch, at most so much work is lost by a kill."""


def pretrain(
    recipe: Recipe,
    claim: Claim,
    budget: Budget,
    *,
    resume: bool = False,
    strict: bool = False,
    by_size: bool = False,
    on_decoded: Callable[[int, int], None] | None = None,
) -> Generator[Event, None, None]:
    """Pretrain, keep, and yield what happens; arguments as for `runs.train.train`.

    Raises:
        KeyboardInterrupt: Ctrl-C; what was reached is saved.
        NeocogError: the data, the recipe, the machine or the disk does not allow it.
    """
    kept = claim.folder.checkpoint() if resume else None
    if kept is not None:
        must_agree_with(recipe, claim.folder, kept[1])
    recipe, why = widened(recipe, budget, strict=strict, progress=on_decoded)
    experiment = prepare(
        recipe,
        resume=kept is not None,
        resumed=claim.folder.takes() if kept is not None else None,
        strict=strict,
        by_size=by_size,
        measuring=budget.measuring / 2,
        progress=on_decoded,
    )
    trained = _Pretrained.of(experiment)
    experiment = trained.experiment
    if kept is None:
        progress = TrainingProgress()
    else:
        progress = taken_up(experiment, *kept, module=trained.module)
    if budget.seconds and not budget.step:
        budget.step, budget.prediction = trained.speed(seconds=budget.measuring / 2)
    progress.plan = first_plan(experiment, budget)
    look = _Look.of(experiment, budget, epochs=progress.last / experiment.steps_per_epoch)
    if kept is None:
        _must_fit(budget, look, recipe=experiment.recipe)
    if not progress.rows:
        progress.rows.append(trained.first_row(look))
    run = _Run(trained, progress, look, claim, budget)
    if resume:
        claim.folder.sweep()
        run.write_down()
    else:
        claim.begin(run.recipe())
    yield Started(
        experiment=experiment,
        steps=progress.last,
        done=progress.step,
        notes=(*experiment.notes, *why, *look.notes(), *claim.remarks()),
    )
    with deferred() as interrupt:
        for event in run.steps():
            yield event
            epoch_follows = isinstance(event, Step) and event.ends_epoch
            if interrupt.requested and not epoch_follows:
                run.keep(durable=True)
                raise KeyboardInterrupt(run.farewell())
    run.keep(durable=True)
    summary, judged = run.summary()
    claim.folder.write_card(run.card(summary))
    trained.put_head_back()
    yield Finished(
        summary=summary,
        experiment=experiment,
        scores={},
        outputs={},
        notes=(f"{judged.text[:1].upper()}{judged.text[1:]}.", *run.overrun()),
    )


def _must_fit(budget: Budget, look: _Look, *, recipe: Recipe) -> None:
    """Refuse a budget that two steps and what is measured around them would exceed.

    Raises:
        UsageError: it is too short; the message has the least that is needed.
    """
    if not budget.seconds:
        return
    images = len(look.bank) + len(look.queries)
    measured = LOOKS * images * budget.prediction + budget.after
    need = budget.spent() + LEAST_STEPS * budget.step + measured
    if need <= SLACK * budget.seconds:
        return
    raise UsageError(
        f"Pretraining with batches of {recipe.train.batch_size} takes {math.ceil(1.1 * need)} s at "
        f"least here: {budget.spent():.0f} s went to starting and reading, {LEAST_STEPS} steps "
        f"take {LEAST_STEPS * budget.step:.0f} s, and measuring {measured:.0f} s; got a budget of "
        f"{budget.seconds:g} s. Give --budget {math.ceil(1.5 * need)}s, or a smaller --batch-size "
        "or --size."
    )


@dataclass(eq=False)
class _Pretrained:
    """A network without its head, with a method's layers.

    Args:
        experiment: its network has lost its last linear layer; its optimizer is of both.
        module: what is trained.
        backbone: name and layer that were taken off.
        head: the layer.
    """

    experiment: Experiment
    module: Pretraining
    backbone: Backbone
    head: nn.Module

    @classmethod
    def of(cls, experiment: Experiment) -> _Pretrained:
        """Take the head off, and build the method's layers.

        Raises:
            ModelError: the network does not end in a linear layer.
            UsageError: the method does not suit it.
        """
        recipe, model = experiment.recipe, experiment.model
        assert recipe.pretrain is not None
        backbone = backbone_of(model, recipe.model.name)
        head = backbone.linear
        model.network.set_submodule(backbone.head, nn.Identity())
        stages = getattr(model.network, "stages", ())
        last = stages[-1] if stages else None
        encoder = Encoder(
            model,
            width=backbone.width,
            stage=f"network.{last.name}" if last else "",
            stride=last.stride if last else 1,
            channels=last.channels if last else 0,
        )
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(step_seed(recipe.train.seed, -1, stream=1))
            method = build_method(
                recipe.pretrain.method, encoder, channels=model.spec.input.channels
            )
        module = Pretraining(encoder, method)
        to_machine(module, experiment.machine)
        decay = recipe.train.ema_decay
        experiment = replace(
            experiment,
            optimizer=build_optimizer(module, recipe.optimizer),
            average=Average(module, decay) if decay else None,
        )
        return cls(experiment, module, backbone, head)

    @property
    def best(self) -> Pretraining:
        """What is kept and measured: the weight average where there is one."""
        average = self.experiment.average
        if average is None:
            return self.module
        assert isinstance(average.module, Pretraining)
        return average.module

    def feed(self, epoch: int) -> Iterator[Batch]:
        """Batches of views."""
        return repeated(self.experiment.feed(epoch), self.module.method.views)

    def weights(self) -> dict[str, Tensor]:
        """Of the whole network, its untrained head included."""
        model = self.best.encoder.model
        assert isinstance(model.network, nn.Module)
        head = {f"{self.backbone.head}.{k}": v for k, v in self.head.state_dict().items()}
        return {**model.network.state_dict(), **head}

    def put_head_back(self) -> None:
        """Make the network a whole one again, with the weights that are kept."""
        network = self.experiment.model.network
        network.set_submodule(self.backbone.head, self.head)
        network.load_state_dict(self.weights())

    def session(self, progress: TrainingProgress) -> TrainingSession:
        """The steps."""
        experiment = self.experiment
        return TrainingSession(
            recipe=experiment.recipe,
            model=self.module,
            feed=self.feed,
            optimizer=experiment.optimizer,
            task=Pretext(),
            steps_per_epoch=experiment.steps_per_epoch,
            progress=progress,
            average=experiment.average,
            views=self.module.method.views,
        )

    def speed(self, *, seconds: float = inf) -> tuple[float, float]:
        """Seconds of a step, and of the features of an image; measured on a copy.

        Where time is short a few images are timed, then more.

        Args:
            seconds: for all of it; two steps with a few images are made in any case.
        """
        end = time.perf_counter() + seconds
        recipe, trial = self.experiment.recipe, copy.deepcopy(self.module)
        whole = next(self.experiment.feed(0))
        n, views = len(whole.y), self.module.method.views
        timed: list[tuple[int, float]] = []
        for size in (FEW, FEW, 4 * FEW, 16 * FEW, *[n] * TIMED):
            size = min(size, n)
            if len(timed) > 1 and time.perf_counter() + timed[-1][1] * size / timed[-1][0] > end:
                break
            part = Batch(whole.x[:size], whole.y[:size], whole.index[:size])
            clock = time.perf_counter()
            for _ in fit(
                trial,
                partial(_one_batch, part, views),
                build_optimizer(trial, recipe.optimizer),
                plan=StepPlan(steps=1, steps_per_epoch=1, seed=recipe.train.seed),
                schedule=recipe.schedule,
                task=Pretext(),
                augmentation=self.experiment.augment,
                machine=self.experiment.machine,
            ):
                pass
            timed.append((size, time.perf_counter() - clock))
        largest = timed[-1][0]
        step = min(t for size, t in timed[1:] if size == largest) * n / largest
        few = whole.x[: min(64, largest)].to(self.experiment.machine.device)
        clock = time.perf_counter()
        with evaluating(trial):
            trial.encoder(few)
        return step, (time.perf_counter() - clock) / len(few)

    def first_row(self, look: _Look) -> dict[str, Any]:
        """A line of metrics.jsonl before any step: what random weights give."""
        trial, recipe = copy.deepcopy(self.module), self.experiment.recipe
        whole = next(self.experiment.feed(0))
        part = Batch(whole.x[:FIRST], whole.y[:FIRST], whole.index[:FIRST])
        batch = next(repeated(iter([part]), self.module.method.views))
        x = batch.x.to(self.experiment.machine.device)
        y = batch.y.to(x.device)
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(step_seed(recipe.train.seed, -1, stream=2))
            views = augment(x, y, self.experiment.augment, seed=recipe.train.seed)
            loss = float(trial.method.loss(trial(views.x)))
        return {
            "epoch": 0,
            "step": 0,
            "train_loss": loss,
            "lr": 0.0,
            "seconds": 0.0,
            "images_per_second": 0.0,
            **look.signs(self.module),
        }


def _one_batch(batch: Batch, views: int, _: int) -> Iterator[Batch]:
    return repeated(iter([batch]), views)


@dataclass(frozen=True, eq=False)
class _Look:
    """The images that are looked at after an epoch.

    Args:
        bank: training images, with their labels where there are any.
        queries: others, whose classes the bank's neighbors are to name; validation images, or,
            where there are none, training images that are not in the bank.
        num_classes: their number; 0 without labels.
        device: where to compute.
    """

    bank: Split
    queries: Split
    num_classes: int
    device: str

    @classmethod
    def of(cls, experiment: Experiment, budget: Budget, *, epochs: float) -> _Look:
        """As many as there is time for."""
        source = experiment.labeled
        assert source is not None
        train, val = source.splits["train"], source.splits.get("val")
        most = BANK + QUERIES
        if budget.seconds:
            fits = LOOKING * budget.seconds / (epochs + 1) / max(budget.prediction, 1e-9)
            most = int(min(most, max(100, fits)))
        rows = order(len(train), seed=0, epoch=0)
        if val is None or not len(val):
            cut = max(1, len(rows) // 3)
            queries, rows = train.subset(rows[:cut][: most // 5]), rows[cut:]
        else:
            queries = val.subset(order(len(val), seed=0, epoch=0)[: max(1, most // 5)])
        bank = train.subset(rows[: most - most // 5])
        return cls(bank, queries, len(source.classes), experiment.machine.device)

    def notes(self) -> tuple[str, ...]:
        """What labels are used for."""
        if not self.num_classes:
            return ("The images have no labels, so nearest neighbors are not measured.",)
        note = (
            "Labels are not used for training, only for the accuracy of nearest neighbors, "
            f"of {len(self.queries):,} images among {len(self.bank):,}."
        )
        return (note,)

    def signs(self, module: Pretraining) -> dict[str, float]:
        """What an epoch's line says of embeddings and neighbors."""
        known = _features(module, self.bank, device=self.device)
        embeddings = _embeddings(module, known)
        signs = {
            "embedding_std": relative_std(embeddings),
            "embedding_rank": effective_rank(embeddings),
        }
        if self.num_classes:
            queries = _features(module, self.queries, device=self.device)
            k = votes_of(self.bank.y)
            named = nearest(known, self.bank.y, queries, num_classes=self.num_classes, k=k)
            signs["knn_accuracy"] = float((named == self.queries.y).mean())
        return signs


def _features(module: Pretraining, split: Split, *, device: str, end: float = inf) -> Tensor:
    """Features (B, D) of a split, float32, on the CPU; of its first samples when time is over."""
    out, size = list[Tensor](), max(1, min(256, 2**21 // max(1, int(np.prod(split.x.shape[1:])))))
    with evaluating(module):
        for start in range(0, len(split), size):
            x = pixels(split, np.arange(start, min(start + size, len(split)))).to(device)
            out.append(module.encoder(x).float().cpu())
            if time.monotonic() > end:
                break
    features = torch.cat(out)
    if not features.isfinite().all():
        raise Diverged(
            "Features must be finite numbers, and some are not: the training diverged. Try a lower "
            "--lr."
        )
    return features


def _embeddings(module: Pretraining, features: Tensor) -> Tensor:
    """Embeddings of features, float32, on the CPU."""
    device = next(module.parameters()).device
    with evaluating(module):
        return module.method.embed(features.to(device)).float().cpu()


class _Run:
    """One process's part of a pretraining."""

    def __init__(
        self,
        trained: _Pretrained,
        progress: TrainingProgress,
        look: _Look,
        claim: Claim,
        budget: Budget,
    ) -> None:
        self.trained, self.progress, self.look = trained, progress, look
        self.claim, self.budget = claim, budget
        self.session = trained.session(progress)
        self.pace = Pace(budget, progress.step, rest=0.1 * budget.seconds)
        self.saved, self.prepared = time.monotonic(), budget.spent()

    def steps(self) -> Iterator[Step | Epoch]:
        """All steps that are left."""
        progress = self.progress
        for step in self.session.steps():
            yield step
            if step.ends_epoch:
                row = self.session.row(step) | self.look.signs(self.trained.best)
                self.session.end_epoch(row)
                self.keep()
                yield Epoch(row=row)
            elif time.monotonic() - self.saved > CHECKPOINT_SECONDS:
                self.keep()
            plan = self.pace.kept(progress.plan, step.number)
            if plan is not progress.plan:
                progress.plan = plan
                self.write_down()

    def recipe(self) -> Recipe:
        """The recipe with the plan as it is now."""
        experiment, plan = self.trained.experiment, self.progress.plan
        train = replace(
            experiment.recipe.train,
            epochs=plan[-1][1] / experiment.steps_per_epoch,
            plan=tuple(number for pair in plan for number in pair),
        )
        return replace(experiment.recipe, train=train)

    def write_down(self) -> None:
        """Keep the recipe with the plan as it is now."""
        self.claim.folder.write_recipe(self.recipe())

    def keep(self, *, durable: bool = False) -> None:
        """Save what was reached. The checkpoint comes last: a resumed run goes by it."""
        experiment, folder = self.trained.experiment, self.claim.folder
        folder.write_weights(self.trained.weights(), durable=durable)
        if not (folder.path / "model.json").exists():
            folder.write_card(self.card({}))
        if not (folder.path / SEEN).exists():
            write_seen(folder.path, experiment.seen())
        folder.write_metrics(self.progress.rows, durable=durable)
        tensors, plain = pack(self.trained.module, experiment.optimizer, experiment.average)
        state = {**self.progress.state(), "optimizer": plain, "recipe": to_toml(self.recipe())}
        folder.write_checkpoint(tensors, state, durable=durable)
        self.saved = time.monotonic()

    def card(self, summary: dict[str, Any]) -> dict[str, Any]:
        """The content of model.json."""
        experiment = self.trained.experiment
        assert experiment.recipe.pretrain is not None
        method = experiment.recipe.pretrain.method
        return card(experiment, summary) | {"pretrained": {"method": method}}

    def farewell(self) -> str:
        """What to do after a Ctrl-C."""
        path = shlex.quote(printable(self.claim.path))
        return (
            f"{self.progress.step:,} of {self.progress.last:,} steps are saved. "
            f"Continue with `neocog train --resume {path}`."
        )

    def overrun(self) -> tuple[str, ...]:
        """What is said of a budget that was not kept."""
        seconds, spent = self.budget.seconds, self.budget.spent()
        if not seconds or spent < 1.1 * seconds:
            return ()
        return (overrun(seconds, spent, self.prepared),)

    def summary(self) -> tuple[dict[str, Any], Diagnosis]:
        """The figures of the whole run: of the last epoch, neighbors on the test split."""
        experiment, progress, rows = self.trained.experiment, self.progress, self.progress.rows
        last, first = rows[-1], rows[0]
        neighbors = self._neighbors()
        judged = verdict(
            last["embedding_std"] if self.trained.module.method.has_embeddings else None,
            last["embedding_rank"],
            knn=last.get("knn_accuracy"),
            before=first.get("knn_accuracy"),
            n=len(self.look.queries),
        )
        assert experiment.recipe.pretrain is not None
        out = {
            "method": experiment.recipe.pretrain.method,
            "epochs": round(progress.step / experiment.steps_per_epoch, 4),
            "steps": progress.step,
            "seconds": round(progress.seconds, 3),
            "images_per_second": last["images_per_second"],
            "train": {"loss": last["train_loss"]},
            **neighbors,
            "embedding_std": last["embedding_std"],
            "embedding_rank": last["embedding_rank"],
            "collapsed": judged.collapsed,
            "verdict": judged.text,
            "params": experiment.cost.params,
            "macs": experiment.cost.macs,
            "seed": experiment.recipe.train.seed,
        }
        if self.budget.seconds:
            spent = round(self.budget.spent(), 3)
            out["budget"] = {"seconds": self.budget.seconds, "spent": spent}
        return out, judged

    def _neighbors(self) -> dict[str, Any]:
        """Accuracy of nearest neighbors on images that were not looked at before."""
        source = self.trained.experiment.labeled
        assert source is not None
        if not source.classes:
            return {"knn_accuracy": None}
        name = next((n for n in ("test", "val") if len(source.splits.get(n, ()))), "")
        if not name:
            return {"knn_accuracy": self.progress.rows[-1]["knn_accuracy"], "knn_split": "train"}
        module, device = self.trained.best, self.look.device
        held, train = source.splits[name], source.splits["train"]
        end = time.monotonic() + max(0.0, self.budget.left()) / 3 if self.budget.seconds else inf
        held = held.subset(order(len(held), seed=0, epoch=0)) if end < inf else held
        features = _features(module, held, device=device, end=end)
        y = held.y[: len(features)]
        end = time.monotonic() + max(0.0, self.budget.left()) / 2 if self.budget.seconds else inf
        mixed = train.subset(order(len(train), seed=0, epoch=0)) if end < inf else train
        bank = _features(module, mixed, device=device, end=end)
        known = mixed.y[: len(bank)]
        k, classes = votes_of(known), len(source.classes)
        correct = int((nearest(bank, known, features, num_classes=classes, k=k) == y).sum())
        return {
            "knn_accuracy": correct / len(y),
            "knn_accuracy_ci": list(wilson_interval(correct, len(y))),
            # Of others, looked for among fewer: comparable with each other, not with the above.
            "knn_validation": self.progress.rows[-1]["knn_accuracy"],
            "knn_validation_random": self.progress.rows[0]["knn_accuracy"],
            "knn_split": name,
            "knn_images": len(y),
            "knn_among": len(bank),
            "knn_k": k,
        }
