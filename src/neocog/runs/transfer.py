"""Training that starts from weights of another network: a linear classifier on frozen features.

The features of all images are computed once (`runs/features.py`), a regularized linear classifier
is fitted to those of the training images (`training/linear.py`) and written into the head of the
network: what comes out is an ordinary run. Where the recipe says so, the loop goes on from there
with the upper layers unfrozen, and whichever of the two was better on validation is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from neocog.data.batches import order
from neocog.data.split import Split
from neocog.errors import ModelError, printable
from neocog.exhibits import Curve, Section
from neocog.models.seen_samples import write_seen
from neocog.runs import training_notes
from neocog.runs.budget import Budget
from neocog.runs.claim import Claim
from neocog.runs.events import Epoch, Event, Finished, Started
from neocog.runs.experiment import Experiment
from neocog.runs.features import Backbone, backbone_of, features_of, kept_features
from neocog.runs.finetune_choices import suited_to_passes, with_fastest_precision
from neocog.runs.progress import card
from neocog.runs.recipe import Recipe, TransferConfig
from neocog.runs.speed import speed
from neocog.runs.split_outputs import LEAST, SplitOutputs
from neocog.tasks.classify import Evaluation, evaluation
from neocog.training.layer_rates import freeze_below, layered_optimizer
from neocog.training.linear import LinearFit, fit_linear

__all__ = ["HeadFit", "fit_head", "frozen_run"]

FEATURES = 600.0
"""Seconds in which features are computed where no budget was given."""

SHARE = 0.75
"""Fraction of the remaining budget in which features are computed, at most."""

HELD_OUT = 0.4
"""Fraction of that time that goes into samples that are held out, at most."""

MANY = 1000
"""Training images from which on layers are unfrozen where nothing is said of it: with fewer, a
linear classifier on frozen features is hard to beat, and takes seconds."""

UNASKED, EPOCHS = 165.0, 5
"""Seconds of a command without a given length, and passes in them, at most."""

UNJUDGED = (
    "All layers except the head stay frozen, as there are no validation images to tell whether a "
    "fine-tune is better. --freeze none trains all layers."
)

LEAST_EPOCHS = 1.0
"""Passes over the training images that a fine-tune needs time for, at least."""

MEASURING = 10.0
"""Seconds to find out how fast a step is, where there is no budget."""

Progress = Callable[[int, int], None] | None


@dataclass(frozen=True, eq=False)
class HeadFit:
    """A network whose head was fitted to features.

    Args:
        experiment: its network has the head; its recipe says how it was chosen.
        backbone: the network, whose last layer was fitted.
        fit: the linear classifier.
        outputs: on the splits that are held out, or on those samples there was time for.
        scores: of the same.
        images: training images it was fitted to.
        seconds: of features and fit.
        state: the network's tensors with that head.
        alone: each class has a single training image, so that the strength could not be chosen.
        notes: sentences for the user.
    """

    experiment: Experiment
    backbone: Backbone
    fit: LinearFit
    outputs: dict[str, SplitOutputs]
    scores: dict[str, Evaluation]
    images: int
    seconds: float
    state: dict[str, Tensor]
    alone: bool
    notes: tuple[str, ...]

    def row(self) -> dict[str, Any]:
        """A line of metrics.jsonl: epoch 0, before any step of the loop."""
        row: dict[str, Any] = {
            "epoch": 0,
            "step": 0,
            "train_loss": self.fit.loss,
            "lr": 0.0,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.images / max(self.seconds, 1e-9), 1),
        }
        if "val" in self.scores:
            val = self.scores["val"]
            row |= {"val_loss": val.loss, "val_accuracy": val.accuracy}
        return row

    def going_on(self, budget: Budget) -> tuple[HeadFit, tuple[str, ...]]:
        """What is decided of the layers below the head: `transfer.freeze` of the recipe settled.

        Args:
            budget: of the command; gets the speeds of the machine.

        Returns:
            The same with a settled recipe, `freeze` being `all` where nothing is unfrozen; and
            what is said of it.
        """
        config = self.config
        train = self.experiment.recipe.train
        images = len(self.experiment.source.splits["train"])
        if config.freeze == "all" or train.plan:
            return self, ()
        if not config.freeze and not (train.epochs or budget.seconds) and images < MANY:
            return self._with("all"), ()
        judged = len(self.experiment.source.splits.get("val", ()))
        if not (config.freeze or train.epochs or judged):
            return self._with("all"), (UNJUDGED,)
        limit = budget.measuring / 2 if budget.seconds else MEASURING
        opened = self._with(config.freeze or "none").at_best_speed(limit)
        if train.epochs:
            return opened.seen(train.epochs), ()
        experiment = opened.unfrozen()
        budget.step, budget.prediction = speed(experiment, seconds=limit)
        epoch = budget.step * experiment.steps_per_epoch
        left = budget.left() if budget.seconds else UNASKED - budget.spent()
        if config.freeze and not budget.seconds:
            return opened._with(config.freeze, epochs=EPOCHS), ()
        if left > LEAST_EPOCHS * epoch:
            epochs = 0.0 if budget.seconds else float(min(EPOCHS, int(left / epoch)))
            opened = opened._with(config.freeze or "none", epochs=epochs)
            return opened.seen(epochs or left / epoch), ()
        sentence = (
            f"All layers but the head stay frozen: the {max(0.0, left):.0f} s that are left are"
        )
        return self._with("all"), (
            (f"{sentence} too short to unfreeze them (an epoch takes about {epoch:.0f} s)."),
        )

    @property
    def config(self) -> TransferConfig:
        """What the recipe says of it."""
        return self.experiment.recipe.transfer or TransferConfig()

    def _with(self, freeze: str, *, epochs: float = 0.0) -> HeadFit:
        recipe = self.experiment.recipe
        train = replace(recipe.train, epochs=epochs) if epochs else recipe.train
        recipe = replace(recipe, transfer=replace(self.config, freeze=freeze), train=train)
        return replace(self, experiment=replace(self.experiment, recipe=recipe))

    def at_best_speed(self, seconds: float) -> HeadFit:
        """The same in the precision that is fastest, where nobody says.

        Args:
            seconds: for the measurement.
        """
        recipe = with_fastest_precision(self.unfrozen(), seconds=seconds).recipe
        return replace(self, experiment=replace(self.experiment, recipe=recipe))

    def seen(self, passes: float) -> HeadFit:
        """The same with augmentations for so many passes, where nobody says."""
        experiment = suited_to_passes(self.experiment, passes)
        return replace(self, experiment=experiment)

    def unfrozen(self) -> Experiment:
        """The experiment with the layers unfrozen that the recipe says, and a rate for each."""
        experiment, config = self.experiment, self.config
        network = experiment.model.network
        stages = [stage.name for stage in getattr(network, "stages", ())]
        freeze_below(network, stages, 0 if config.freeze == "none" else int(config.freeze))
        experiment.model.training = True  # the loop leaves the modes of the parts as they are
        optimizer = layered_optimizer(
            network, experiment.recipe.optimizer, lowest=config.lowest_lr_factor
        )
        return replace(experiment, optimizer=optimizer)

    def figures(self, kept: str) -> dict[str, Any]:
        """What the run keeps of it.

        Args:
            kept: `frozen` or `finetuned`.
        """
        chosen = self.fit.chosen
        return {
            "init": self.experiment.recipe.model.init,
            "features": self.backbone.width,
            "images": self.images,
            "l2": self.fit.l2,
            "cross_validated": asdict(chosen) if chosen else None,
            "val_accuracy": self.scores["val"].accuracy if "val" in self.scores else None,
            "kept": kept,
        }

    def section(self) -> Section:
        """How the strength was chosen."""
        path = self.fit.path
        text = f"L2 strength {self.fit.l2:.3g}, as the recipe says."
        if chosen := self.fit.chosen:
            text = (
                f"L2 strength {self.fit.l2:.3g}, chosen by {_method(self.fit)} on {self.images:,} "
                f"training images: held-out accuracy {chosen.accuracy:.2%}, loss {chosen.loss:.3g}."
            )
        elif self.alone:
            text = _alone(self.fit)
        lines = {"held-out loss": [p.loss for p in path]}
        curve = Curve(
            title="strength of the L2 penalty",
            x=[float(np.log10(p.l2)) for p in path],
            lines=lines,
            x_label="log10 of the strength",
            y_label="cross-entropy",
        )
        return Section(
            title="The linear classifier", text=text, exhibits=(curve,) if len(path) > 1 else ()
        )


def fit_head(experiment: Experiment, budget: Budget, *, progress: Progress = None) -> HeadFit:
    """Fit the head of an experiment's network to features, in place.

    Args:
        experiment: with the weights of the backbone; its head is replaced, the average's too.
        budget: of the command.
        progress: called with (images done, images in all) while features are computed.

    Raises:
        ModelError: the network does not end in a linear layer with a bias.
    """
    begun = time.monotonic()
    recipe, model = experiment.recipe, experiment.model
    config = recipe.transfer or TransferConfig()
    model.eval()
    backbone = backbone_of(model, recipe.model.name)
    if backbone.linear.bias is None:
        raise ModelError(
            f"A linear classifier needs a bias, and the last layer (`{printable(backbone.head)}`) "
            f"of {printable(recipe.model.name)} has none. Use another model, or train all layers "
            "without --freeze."
        )
    rows = _rows(experiment, backbone, budget, config)
    total, done = sum(len(r) for r in rows.values()), 0
    features: dict[str, Tensor] = {}
    for name, some in rows.items():

        def tick(n: int, _: int, before: int = done) -> None:
            if progress is not None:
                progress(before + n, total)

        features[name] = kept_features(
            backbone,
            experiment.source.splits[name],
            some,
            data=f"{experiment.source.fingerprint} {name} {recipe.data.val}",
            device=experiment.machine.device,
            progress=tick,
        )
        done += len(some)
    if progress is not None:
        progress(total, total)
    train, classes = experiment.source.splits["train"], experiment.source.classes
    fit = fit_linear(
        features["train"],
        train.y[rows["train"]],
        len(classes),
        l2=config.l2,
        balanced=config.balanced or recipe.objective.class_weights == "balanced",
        seed=recipe.train.seed,
    )
    for module in (model, *([experiment.average.module] if experiment.average else [])):
        _write_head(replace(backbone, module=module), fit)  # type: ignore[arg-type]
    images = len(rows["train"]) if len(rows["train"]) < len(train) else 0
    experiment = replace(
        experiment,
        recipe=replace(recipe, transfer=replace(config, l2=fit.l2, images=images)),
    )
    outputs = {
        name: _outputs(fit, features[name], split, rows[name])
        for name, split in experiment.held_out().items()
    }
    return HeadFit(
        experiment=experiment,
        backbone=backbone,
        fit=fit,
        outputs=outputs,
        scores={n: evaluation(s.logits, s.split.y, classes) for n, s in outputs.items()},
        images=len(rows["train"]),
        seconds=time.monotonic() - begun,
        state={k: v.detach().clone() for k, v in model.network.state_dict().items()},
        alone=not config.l2 and fit.chosen is None,
        notes=_notes(fit, len(rows["train"]), train, given=config.l2 > 0),
    )


def frozen_run(
    head: HeadFit, claim: Claim, budget: Budget, *, resume: bool, notes: tuple[str, ...] = ()
) -> Generator[Event, None, None]:
    """Keep a network whose head alone was fitted, and yield what happens.

    Args:
        head: the fitted network.
        claim: on where it is kept.
        budget: of the command.
        resume: the folder has a recipe already.
        notes: more sentences for the user.
    """
    experiment = head.experiment
    experiment = replace(experiment, recipe=_settled(experiment.recipe))
    if resume:
        claim.folder.sweep()
        claim.folder.write_recipe(experiment.recipe)
    else:
        claim.begin(experiment.recipe)
    folder = claim.folder
    all_notes = (*experiment.notes, *claim.remarks())
    yield Started(experiment=experiment, steps=1, done=0, notes=all_notes)
    row = head.row()
    yield Epoch(row=row, notes=(*head.notes, *notes))
    folder.write_weights(experiment.model.network.state_dict())
    folder.write_metrics([row])
    write_seen(folder.path, experiment.seen())
    summary = _summary(head, row, budget)
    folder.write_card(card(experiment, summary))
    parts = [
        training_notes.part(n, len(s.split), s.of) for n, s in head.outputs.items() if not s.whole
    ]
    yield Finished(
        summary=summary,
        experiment=experiment,
        scores=head.scores,
        outputs=head.outputs,
        notes=tuple(parts),
        sections=(head.section(),),
    )


def _settled(recipe: Recipe) -> Recipe:
    """As it makes the same run again: no step of the loop, whatever the budget was."""
    config = recipe.transfer or TransferConfig()
    return replace(
        recipe,
        transfer=replace(config, freeze="all"),
        train=replace(recipe.train, epochs=0.0, budget=0.0, plan=()),
    )


def _summary(head: HeadFit, row: dict[str, Any], budget: Budget) -> dict[str, Any]:
    experiment = head.experiment
    out: dict[str, Any] = {
        "epochs": 1.0,  # each training image went through the network once
        "steps": 0,
        "seconds": row["seconds"],
        "images_per_second": row["images_per_second"],
        "train": {"loss": head.fit.loss},
        "transfer": head.figures("frozen"),
    }
    if budget.seconds:
        out["budget"] = {"seconds": budget.seconds, "spent": round(budget.spent(), 3)}
    if experiment.unlabeled is not None:
        labeled = len(experiment.source.splits["train"])
        out["labels"] = {
            "labeled": labeled,
            "unlabeled": len(experiment.unlabeled),
            "semi": "none",
        }
    for name, score in head.scores.items():
        out[name] = score.figures()
        if (of := head.outputs[name].of) != score.n:
            out[name]["of"] = of
    return out | {
        "params": experiment.cost.params,
        "macs": experiment.cost.macs,
        "seed": experiment.recipe.train.seed,
    }


def _write_head(backbone: Backbone, fit: LinearFit) -> None:
    layer = backbone.linear
    layer.weight.data.copy_(fit.weight)
    layer.bias.data.copy_(fit.bias)


def _outputs(fit: LinearFit, features: Tensor, split: Split, rows: np.ndarray) -> SplitOutputs:
    whole = len(rows) == len(split)
    return SplitOutputs(fit.logits(features), split if whole else split.subset(rows), len(split))


def _method(fit: LinearFit) -> str:
    return f"{fit.folds}-fold cross-validation" if fit.folds > 1 else "validation on a fifth"


def _alone(fit: LinearFit) -> str:
    return (
        "One training image per class cannot be cross-validated: L2 strength "
        f"{fit.l2:.2g}, the strongest candidate. With more images it is chosen by cross-validation."
    )


def _notes(fit: LinearFit, images: int, train: Split, *, given: bool) -> tuple[str, ...]:
    chosen = fit.chosen
    sentences = []
    if chosen:
        sentences.append(
            f"Linear classifier on frozen features of {images:,} images: {chosen.accuracy:.2%} in "
            f"{_method(fit)}, L2 strength {fit.l2:.2g}."
        )
    elif not given:
        sentences.append(_alone(fit))
    if images < len(train):
        sentences.append(
            f"Features of {images:,} of {len(train):,} training images were computed within the "
            "budget; a larger --budget uses more."
        )
    return tuple(sentences)


def _rows(
    experiment: Experiment, backbone: Backbone, budget: Budget, config: TransferConfig
) -> dict[str, np.ndarray]:
    """Which samples of each split features are computed of, rising positions.

    Of the training images the classes have equally many, as far as they go.
    """
    splits = {n: s for n, s in experiment.source.splits.items() if len(s)}
    if config.images:
        few = {n: len(s) for n, s in splits.items()} | {"train": config.images}
        return {n: _some(s, few[n], by_class=n == "train") for n, s in splits.items()}
    seconds = SHARE * max(budget.left(), 0.0) if budget.seconds else FEATURES
    each = _seconds_an_image(experiment, backbone, splits["train"])
    most = max(LEAST, int(seconds / each))
    if most >= sum(map(len, splits.values())):
        return {n: np.arange(len(s)) for n, s in splits.items()}
    held = {n: len(s) for n, s in splits.items() if n != "train"}
    fraction = min(1.0, HELD_OUT * most / max(1, sum(held.values())))
    few = {n: min(k, max(LEAST, int(fraction * k))) for n, k in held.items()}
    labels = MANY if experiment.recipe.labels is not None else 0  # few labels are all used
    least = min(len(splits["train"]), max(LEAST, 2 * len(experiment.source.classes), labels))
    few["train"] = min(len(splits["train"]), max(least, most - sum(few.values())))
    return {n: _some(s, few[n], by_class=n == "train") for n, s in splits.items()}


def _some(split: Split, most: int, *, by_class: bool) -> np.ndarray:
    """A random part of a split, always the same one; a larger one holds the smaller.

    Args:
        split: of which.
        most: samples, at most.
        by_class: take one of each class in turn.
    """
    rows = order(len(split), seed=0, epoch=0)
    if by_class:
        turn = np.empty(len(rows), np.int64)
        for k in np.unique(split.y):
            own = split.y[rows] == k
            turn[own] = np.arange(own.sum())
        rows = rows[np.argsort(turn, kind="stable")]
    return np.sort(rows[:most])


def _seconds_an_image(experiment: Experiment, backbone: Backbone, train: Split) -> float:
    """Of the features of a batch, after one that warms up."""
    rows, times = np.arange(min(16, len(train))), []
    for _ in range(2):
        begun = time.perf_counter()
        for _ in features_of(backbone, train, rows, device=experiment.machine.device):
            pass
        times.append(time.perf_counter() - begun)
    return min(times) / len(rows)
