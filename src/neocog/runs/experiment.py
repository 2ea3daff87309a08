"""From a recipe to everything that a training needs: samples, model, optimizer, machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from neocog.data.batches import batches, order, pixels, spec_statistics
from neocog.data.labels_in_names import unlabeled
from neocog.data.open import Source, open_data
from neocog.data.quality import Fault
from neocog.data.split import Split
from neocog.errors import (
    DataError,
    NeocogError,
    RunError,
    TooLarge,
    UsageError,
    printable,
)
from neocog.fields import short_repr
from neocog.graph.cost import Cost, cost
from neocog.layers.whitening import whiten
from neocog.models.seen_samples import SeenSamples, read_seen
from neocog.networks.catalog import build, schema, unknown_option
from neocog.networks.model import SpecifiedNetwork, normalize
from neocog.runs.labels import (
    FewLabels,
    few_labels,
    same_file,
    semi_batches,
    semi_steps,
    semi_task,
    with_used_labels,
)
from neocog.runs.machine_search import best_device, fastest
from neocog.runs.memory import available_bytes, training_bytes
from neocog.runs.native import backbone_size, shapes_of
from neocog.runs.provenance import where
from neocog.runs.recipe import MachineConfig, ModelConfig, Recipe
from neocog.runs.small import default_steps, rate_of_batch, suited_batch
from neocog.runs.start import Start
from neocog.tasks.pretext.table import METHODS
from neocog.tasks.task import Task
from neocog.training.augment import OF_PIXELS, Augment, suited
from neocog.training.average import Average
from neocog.training.layer_rates import finetuning
from neocog.training.loop import step_seed
from neocog.training.machine import Machine, check_device, to_machine
from neocog.training.optimize import build_optimizer, suited_rate
from neocog.training.views import suited_views
from neocog.types import Batch, InputSpec, ModelSpec

__all__ = ["UNLABELED", "Experiment", "prepare", "without_labels"]

UNLABELED, LEAST_UNLABELED = "unlabeled", 8
"""The class of a network that was trained without labels, and images that takes at least."""

WHITENED = 1000
"""Training images whose patches a whitening stem is made for."""


@dataclass(kw_only=True)
class Experiment:
    """Everything that a training needs.

    Args:
        recipe: with all defaults filled in.
        source: the opened data.
        model: on the machine, with its spec.
        optimizer: over the model.
        average: the weight average, or None.
        cost: of one sample.
        notes: notes for the user.
        labeled: the data with its labels, where training goes without them.
        unlabeled: training images without a label, where labels are few.
        open_choices: of `augment` and `precision`, those that the recipe left open and that suit
            frozen features now: a fine-tune may choose others.
    """

    recipe: Recipe
    source: Source
    model: SpecifiedNetwork
    optimizer: torch.optim.Optimizer
    average: Average | None
    cost: Cost
    notes: list[str]
    labeled: Source | None = None
    unlabeled: Split | None = None
    open_choices: frozenset[str] = frozenset()

    @property
    def machine(self) -> Machine:
        """Device, memory format, precision and threads."""
        return Machine(**vars(self.recipe.machine))

    @property
    def augment(self) -> Augment:
        """Augmentation of each batch."""
        assert self.recipe.augment is not None
        return self.recipe.augment

    @property
    def best(self) -> SpecifiedNetwork:
        """The model to save and measure: the weight average where there is one."""
        if self.average is None:
            return self.model
        assert isinstance(self.average.module, SpecifiedNetwork)
        return self.average.module

    @property
    def steps_per_epoch(self) -> int:
        """Batches in a pass over the training split; without a rest that waits a turn."""
        if self.recipe.semi_supervised and self.unlabeled is not None:
            return semi_steps(len(self.unlabeled), self.recipe)
        n, size = len(self.source.splits["train"]), self.recipe.train.batch_size
        return max(1, n // size if self.recipe.train.drop_last else -(-n // size))

    def feed(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch, a pure function of the seed and the epoch."""
        train_config = self.recipe.train
        train = self.source.splits["train"]
        if self.recipe.semi_supervised and self.unlabeled is not None:
            return semi_batches(train, self.unlabeled, recipe=self.recipe, epoch=epoch)
        return batches(
            train,
            size=train_config.batch_size,
            shuffle=True,
            seed=train_config.seed,
            epoch=epoch,
            drop_last=len(train) >= train_config.batch_size,
            even=not train_config.drop_last,
        )

    def task(self) -> Task:
        """What is learned from a batch."""
        if self.recipe.semi_supervised:
            return semi_task(self.recipe)
        return self.recipe.objective.task(self.source.splits["train"].y, len(self.source.classes))

    def seen(self) -> SeenSamples:
        """Samples that the model is trained on, those of its initial weights included."""
        start, splits = self.recipe.model.init, self.source.splits
        before = read_seen(Path(start)) if start else None
        if self.recipe.semi_supervised and self.unlabeled is not None:
            before = SeenSamples.of(self.unlabeled, before=before)
        return SeenSamples.of(splits["train"], splits.get("val"), before=before)

    def held_out(self) -> dict[str, Split]:
        """The splits that are not trained on and hold samples: val, then test."""
        splits = self.source.splits
        return {n: splits[n] for n in ("val", "test") if n in splits and len(splits[n])}


def prepare(
    recipe: Recipe,
    *,
    resume: bool = False,
    resumed: InputSpec | None = None,
    strict: bool = False,
    by_size: bool = False,
    measuring: float = math.inf,
    progress: Callable[[int, int], None] | None = None,
) -> Experiment:
    """Open the data and build model and optimizer.

    Args:
        recipe: of the training.
        resume: weights will be replaced by those of a checkpoint.
        resumed: what the network of that checkpoint takes: its normalization stays, even where the
            initial weights are gone.
        strict: stop at the first unreadable image.
        by_size: choose batch size and learning rate by the number of training samples.
        measuring: seconds to find the fastest configuration of the machine.
        progress: called with (images done, images in all) while they are decoded.

    Raises:
        DataError: the data cannot be used to train a classifier.
        UsageError: an option does not fit, or random weights would be frozen.
        TooLarge: the training would not fit into memory.
        RunError: the data is not what the run was started with.
    """
    check_device(recipe.machine.device)
    _check_transfer(recipe)
    recipe = with_used_labels(recipe)
    recipe = replace(recipe, model=spelled_out(recipe.model))
    started = Start.of(recipe.model, needed=not resume)
    recipe, taken = _taken_over(recipe, started)
    source = open_data(
        recipe.data.path,
        size=_size(recipe.data.size),
        channels=recipe.data.channels or None,
        seed=recipe.data.seed,
        resize_mode=recipe.data.resize_mode,
        cut_test=recipe.data.cut_test,
        strict=strict,
        progress=progress,
    )
    recipe = same_file(_same_data(recipe, source))
    labeled = None
    if recipe.pretrain is not None:
        source, labeled = without_labels(source), source
    if not recipe.data.val:
        source = replace(source, splits=_with_val(source.splits))
    few = None
    if recipe.labels is not None:
        few = few_labels(source, recipe.labels, seed=recipe.train.seed)
        source = few.source
    if by_size:
        n = len(source.splits["train"])
        n += len(few.unlabeled) if few is not None and recipe.semi_supervised else 0
        recipe = replace(recipe, train=suited_batch(recipe, n))
    notes = [*(few.notes if few is not None else ()), *_check(source, recipe)]
    if recipe.semi_supervised:
        assert few is not None
        _check_semi(few, recipe)
    if recipe.transfer is not None:
        recipe = replace(recipe, optimizer=finetuning(recipe.optimizer))
    spec = _spec(source, recipe, taken)
    if resumed is not None:
        spec = replace(spec, input=replace(spec.input, mean=resumed.mean, std=resumed.std))
    open_choices = _open_choices(recipe)
    if recipe.augment is None:
        signal = spec.input
        suits = suited if recipe.pretrain is None else suited_views
        raw = signal.values == "raw"
        recipe = replace(recipe, augment=suits(signal.channels, signal.image_size, raw=raw))
    _check_raw(spec, recipe)
    spent = _preflight(spec, recipe, recipe.machine.device or best_device())
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(step_seed(recipe.train.seed, -1))
        network = _network(spec, recipe)
    model = SpecifiedNetwork(network, spec)
    if started is not None:
        recipe, remarks = started.fill(network, recipe, resume=resume)
        notes += remarks
    elif not resume and getattr(network, "whitened", False):
        _whiten(network, model, source.splits["train"])
    if not recipe.optimizer.lr:
        rate = suited_rate(network, recipe.optimizer.name)
        rate *= rate_of_batch(recipe) if by_size else 1.0
        recipe = replace(recipe, optimizer=replace(recipe.optimizer, lr=rate))
    train = source.splits["train"]
    if recipe.transfer is not None:
        machine = _plain(recipe.machine)
    else:
        machine = fastest(
            recipe.machine, model, train, recipe, seconds=measuring, steps=_steps(recipe, train)
        )
    recipe = replace(recipe, machine=MachineConfig(**vars(machine)))
    recipe, remarks = where(recipe, resume=resume)
    notes += remarks
    to_machine(model, machine)
    decay = recipe.train.ema_decay
    return Experiment(
        recipe=recipe,
        source=source,
        model=model,
        optimizer=build_optimizer(model, recipe.optimizer),
        average=Average(model, decay) if decay else None,
        cost=spent,
        notes=notes,
        labeled=labeled,
        unlabeled=few.unlabeled if few is not None else None,
        open_choices=open_choices,
    )


def _open_choices(recipe: Recipe) -> frozenset[str]:
    if recipe.transfer is None:
        return frozenset()
    empty = {"augment": recipe.augment is None, "precision": not recipe.machine.precision}
    return frozenset(name for name, is_open in empty.items() if is_open)


def _whiten(network: nn.Module, model: SpecifiedNetwork, train: Split) -> None:
    """Begin with stem filters that whiten a few training images."""
    rows = np.sort(order(len(train), seed=0, epoch=0)[:WHITENED])
    first = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
    if first is not None:
        whiten(first, normalize(pixels(train, rows), model.mean, model.std))


def _check_transfer(recipe: Recipe) -> None:
    if recipe.transfer is None or recipe.model.init:
        return
    freeze = recipe.transfer.freeze
    option = f"--freeze {freeze}" if freeze else "a table [transfer]"
    raise UsageError(
        f"A transfer needs trained weights: the recipe has {option}, and its weights of "
        f"{printable(recipe.model.name)} are random. Give --init imagenet or --init RUN, or leave "
        "`transfer` out."
    )


def _steps(recipe: Recipe, train: Split) -> float:
    """Steps of a training as its recipe says it; infinite where a budget does."""
    each = max(1, len(train) // recipe.train.batch_size)
    if recipe.train.plan:
        return recipe.train.plan[-1]
    if recipe.train.epochs:
        return recipe.train.epochs * each
    return math.inf if recipe.train.budget else default_steps(each)


def _plain(choice: MachineConfig) -> Machine:
    """What was chosen, and float32 for features, without measuring."""
    number = choice.threads or torch.get_num_threads()
    chosen = {k: v for k, v in vars(choice).items() if v}
    return Machine(**{**chosen, "device": choice.device or best_device(), "threads": number})


def _size(size: tuple[int, ...]) -> tuple[int, int] | None:
    if not size:
        return None
    if len(size) != 2 or min(size) < 1:
        raise UsageError(
            f"`data.size` is two integers, rows and columns, got {short_repr(size)}. "
            "Write size = [64, 64]."
        )
    return (size[0], size[1])


def _same_data(recipe: Recipe, source: Source) -> Recipe:
    known = recipe.data.fingerprint
    if known and known != source.fingerprint:
        raise RunError(
            f"A resumed or repeated run needs its original samples; "
            f"`{printable(recipe.data.path)}` has changed since. Restore it, or start a new run; "
            "with --recipe, `--set data.fingerprint=` accepts the new samples."
        )
    height, width, channels = source.splits["train"].x.shape[1:]
    data = replace(
        recipe.data,
        size=(height, width),
        channels=channels,
        fingerprint=source.fingerprint,
    )
    return replace(recipe, data=data)


def _with_val(splits: dict[str, Split]) -> dict[str, Split]:
    """The validation samples behind the training ones; copies both into memory."""
    train, val = splits["train"], splits["val"]
    if not len(val):
        return splits
    joined = Split(
        np.concatenate([train.x, val.x]),
        np.concatenate([train.y, val.y]),
        [*train.names, *val.names],
        None if train.ids is None or val.ids is None else np.concatenate([train.ids, val.ids]),
    )
    return {**splits, "train": joined, "val": val.subset([])}


def without_labels(source: Source) -> Source:
    """The same images, all of one class: nothing that is given them can use a label."""
    splits = {
        n: replace(s, y=np.zeros_like(s.y)) if len(s) else s for n, s in source.splits.items()
    }
    return replace(source, splits=splits, classes=(UNLABELED,))


def _check(source: Source, recipe: Recipe) -> list[str]:
    if recipe.pretrain is not None:
        return _check_unlabeled(source, recipe)
    if source.target.kind not in recipe.objective.task().targets:
        arrays = source.kind not in ("folder", "digits")
        raise DataError(unlabeled(recipe.data.path, source.whole.names, arrays=arrays))
    train = source.splits["train"]
    counts = torch.bincount(torch.from_numpy(train.y), minlength=len(source.classes))
    present = int((counts > 0).sum())
    lost = [f"`{printable(f.path)}` is skipped: {_why(f)}" for f in source.sheet.unusable_classes]
    every = np.bincount(source.whole.y[source.whole.y >= 0], minlength=1)
    if every.max() < 2 and recipe.labels is None:
        raise DataError(
            "A class needs at least two images, one to train on and one to measure on; every class "
            f"of `{printable(recipe.data.path)}` has only one. Add images."
        )
    if present < 2 and recipe.labels is not None and recipe.labels.file:
        raise DataError(
            "A classifier needs labels of at least two classes; of the training images, "
            f"`{printable(recipe.labels.file)}` labels those of {present}. Label images of a "
            "second class."
        )
    if present < 2:
        raise DataError(
            f"A classifier needs samples of at least two classes; the training split of "
            f"`{printable(recipe.data.path)}` has {present}. "
            + "".join(f"Class {reason}. " for reason in lost[:5])
            + "Give a folder with one sub-folder of readable images per class."
        )
    notes = [*source.sheet.warnings, *(f"Class {reason}." for reason in lost)]
    if not len(source.splits["test"]) and len(source.splits["val"]):
        notes.append(
            "There is no test split: figures are of val, which also monitors the training. `--set "
            "data.cut_test=true` splits a test set off train."
        )
    if not any(len(source.splits[s]) for s in ("test", "val")):
        notes.append(
            "No sample is held out, so nothing can be measured on new images. Add images, or "
            "folders val/ and test/ beside train/."
        )
    if present < len(source.classes):
        unseen = [c for c, n in zip(source.classes, counts.tolist(), strict=True) if not n]
        names = ", ".join(f"`{printable(c)}`" for c in unseen)
        notes.append(
            f"No training sample is of class {names}: the model cannot learn to predict it."
        )
    return [*notes, *_left_out(source)]


def _check_raw(spec: ModelSpec, recipe: Recipe) -> None:
    """Refuse what is in units of white, which raw values do not have."""
    signal, augment = spec.input, recipe.augment
    if signal.values != "raw" or augment is None:
        return
    if recipe.semi_supervised:
        raise UsageError(
            "--semi changes the contrast of unlabeled images, which raw values do not have. Leave "
            "it out, or save the images as pixels."
        )
    wrong = [n for n in OF_PIXELS if getattr(augment, n)]
    if wrong:
        raise UsageError(
            f"`augment.{wrong[0]}` changes pixels in [0, 1]; these are raw values, which have no "
            "white. Leave it out, or save the images as pixels."
        )


def _check_semi(few: FewLabels, recipe: Recipe) -> None:
    if recipe.train.batch_size < 2:
        raise UsageError(
            "A batch of --semi needs at least one labeled and one unlabeled image; got "
            f"{recipe.train.batch_size}. Give 2 or more."
        )
    semi_task(recipe)
    if not len(few.unlabeled):
        raise UsageError(
            "Every training image has a label, so --semi has no unlabeled images. Leave it out."
        )
    if recipe.transfer is not None:
        raise UsageError(
            "Unlabeled images train all layers; a linear classifier on frozen layers cannot use "
            "them. Leave --freeze out, or --semi."
        )


def _check_unlabeled(source: Source, recipe: Recipe) -> list[str]:
    train, (height, width) = source.splits["train"], recipe.data.size
    if len(train) < LEAST_UNLABELED:
        raise DataError(
            f"Pretraining needs at least {LEAST_UNLABELED} training images, preferably thousands; "
            f"`{printable(recipe.data.path)}` has {len(train)}. Add images; they need no labels."
        )
    assert recipe.pretrain is not None
    method, size = recipe.pretrain.method, recipe.train.batch_size
    if size < METHODS[method].least:
        raise UsageError(
            f"{method} compares the images of a batch with each other, at least "
            f"{METHODS[method].least}; got {size}. Give a larger --batch-size, as 256."
        )
    if recipe.augment is not None and recipe.augment.mixup:
        raise UsageError(
            "Mixup mixes the labels of two images, and pretraining uses none. Leave augment.mixup "
            "out."
        )
    if method == "rotation" and height != width:
        raise UsageError(
            f"Rotation by 90° needs square images; these are {height} × {width}. Give "
            f"--size {min(height, width)}, or another --method."
        )
    return [*source.sheet.warnings, *_left_out(source)]


def _left_out(source: Source) -> list[str]:
    """Count of skipped files and folders; a class without images is reported elsewhere."""
    faults = [f for f in source.sheet.faults if f not in source.sheet.unusable_classes]
    folders = sum(f.is_folder for f in faults)
    files = len(faults) - folders
    remarks = [f"{files:,} file{'s' * (files > 1)} could not be used"] if files else []
    if folders:
        remarks.append(f"{folders:,} folder{'s are' if folders > 1 else ' is'} left out")
    if not remarks:
        return []
    return [f"{' and '.join(remarks)}; `neocog data` names each (the rest is used)."]


def _why(fault: Fault) -> str:
    return fault.reason.partition(": ")[2]


def _taken_over(recipe: Recipe, started: Start | None) -> tuple[Recipe, InputSpec | None]:
    """The recipe at the size of its initial weights, and what these take; None for their own way.

    Weights of somebody else mean nothing under another normalization, and neither do frozen ones.
    """
    if started is None or (signal := started.input) is None:
        return recipe, None
    if not started.external and recipe.transfer is None:
        return recipe, None
    data = recipe.data
    size = data.size or backbone_size(signal, shapes_of(data.path))
    interpolation = signal.resize_mode.partition("-")[2]
    if interpolation and "-" not in data.resize_mode:
        data = replace(data, resize_mode=f"{data.resize_mode}-{interpolation}")
    data = replace(data, size=size, channels=data.channels or signal.channels)
    return replace(recipe, data=data), signal


def _spec(source: Source, recipe: Recipe, taken: InputSpec | None) -> ModelSpec:
    channels, values = recipe.data.channels, source.values
    if taken is None:
        mean, std = spec_statistics(source.splits["train"])
    elif taken.values != values:
        raise UsageError(
            f"The initial weights take {taken.values} values, and `{printable(source.path)}` holds "
            f"{values} values{'' if values == 'pixels' else ' of any range'}. Train from random "
            "weights, --init none, or give data of that kind."
        )
    elif taken.channels == channels:
        mean, std = taken.mean, taken.std
    else:  # the same for every channel, gray as the gray of a color image
        mean = (math.fsum(taken.mean) / taken.channels,) * channels
        std = (math.fsum(taken.std) / taken.channels,) * channels
    height, width = recipe.data.size
    return ModelSpec(
        task="classify",
        classes=source.classes,
        input=InputSpec(
            channels=channels,
            size=(height, width),
            mean=mean,
            std=std,
            resize_mode=recipe.data.resize_mode,
            values=values,
        ),
    )


def spelled_out(network: ModelConfig) -> ModelConfig:
    """With all defaults of the options, which may change some day.

    Raises:
        UsageError: there is no such network or option.
    """
    defaults = {o.name: o.default for o in schema(network.name)}
    for key in network.options:
        if key not in defaults:
            raise unknown_option(network.name, key)
    return replace(network, options=defaults | dict(network.options))


def _network(spec: ModelSpec, recipe: Recipe) -> nn.Module:
    try:
        return build(
            recipe.model.name,
            num_classes=len(spec.classes),
            in_channels=spec.input.channels,
            size=spec.input.image_size,
            options=recipe.model.options,
        )
    except NeocogError:
        raise
    except (RuntimeError, ValueError, ZeroDivisionError) as e:
        raise UsageError(
            f"The options of {recipe.model.name} do not make a valid network "
            f"({printable(str(e))}). `neocog models` lists them."
        ) from e


def _preflight(spec: ModelSpec, recipe: Recipe, device: str) -> Cost:
    """Count before anything large is made."""
    with torch.device("meta"):
        outline = _network(spec, recipe)
    spent = cost(outline, (spec.input.channels, *spec.input.size))
    need = training_bytes(spent, recipe)
    room = available_bytes(device)
    if room is not None and need > room:
        raise TooLarge(
            f"Training {printable(recipe.model.name)} ({spent.params:,} parameters) in batches "
            f"of {recipe.train.batch_size} needs about {need / 1e9:.1f} GB; {device} has "
            f"{room / 1e9:.1f} GB free. Use a smaller batch, size or model."
        )
    return spent
