"""The recipe of a fine-tune after a conversion, and the run folder that keeps its result.

A network of ours becomes an ordinary run; an external one is saved as a program (`model.pt2`)
beside its weights, under their original names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from neocog.data.split import Split
from neocog.errors import ModelError
from neocog.layers.symmetrized import Symmetrized
from neocog.models.external import SPEC_FILE
from neocog.models.model import Model
from neocog.models.seen_samples import SeenSamples, write_seen
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.convert import ConvertedModel, example_of
from neocog.runs.folder import RunFolder
from neocog.runs.machine_search import best_device, fastest
from neocog.runs.recipe import (
    DataConfig,
    MachineConfig,
    ModelConfig,
    Provenance,
    Recipe,
    TrainConfig,
)
from neocog.store.exported import save_exported
from neocog.surgery.symmetrize import symmetry_of
from neocog.training.augment import Augment, suited
from neocog.training.loop import Objective
from neocog.training.machine import Machine
from neocog.training.optimize import ScheduleConfig, suited_rate
from neocog.types import InputSpec, ModelSpec
from neocog.version import __version__

__all__ = [
    "FinetuneOptions",
    "SavedFix",
    "fixed_model",
    "keep",
    "origin",
    "original_model",
    "recipe_of",
    "with_machine",
]


RATE = 1 / 3
"""The learning rate of a fine-tune, as a share of that of a training from scratch."""


@dataclass(frozen=True, kw_only=True)
class FinetuneOptions:
    """Settings of a fine-tune.

    Args:
        epochs: passes over the training samples, each in two views; 0 for none.
        lr: peak learning rate; 0 for a third of the default of the network.
        batch_size: samples per step.
        seed: of the order, the augmentation and dropout.
        device: `cpu`, `cuda`, `mps`; the fastest available if left out.
        val: the validation samples are not trained on, before or now.
    """

    epochs: float = 1.0
    lr: float = 0.0
    batch_size: int = 128
    seed: int = 0
    device: str = ""
    val: bool = True


def recipe_of(
    trained: Model,
    conversion: ConvertedModel,
    finetune_options: FinetuneOptions,
    *,
    path: str,
    fingerprint: str,
) -> Recipe:
    """What a fine-tune does.

    Of a run of ours it is what its training did, but for the learning rate and its schedule, the
    length, the size of a batch, the mean of weights, mixtures of samples and the machine.

    Args:
        trained: what is fixed.
        conversion: the converted model.
        finetune_options: of the fine-tune.
        path: of the data.
        fingerprint: of the samples.
    """
    signal = conversion.model.spec.input
    data = DataConfig(
        path=path,
        size=signal.size,
        channels=signal.channels,
        resize_mode=signal.resize_mode,
        val=finetune_options.val,
        **trained.drawn,
        fingerprint=fingerprint,
    )
    base = Recipe(
        objective=Objective(label_smoothing=0.0),
        augment=_moved(signal),
    )
    if conversion.network is not None:
        base = _recipe_before(trained)
    optimizer = base.optimizer
    rate = finetune_options.lr or RATE * (
        optimizer.lr or suited_rate(conversion.model, optimizer.name)
    )
    chosen = conversion.network or ModelConfig(name=str(trained.path), options=conversion.options)
    return replace(
        base,
        data=data,
        model=chosen,
        train=TrainConfig(
            epochs=finetune_options.epochs,
            batch_size=finetune_options.batch_size,
            ema_decay=0.0,
            seed=finetune_options.seed,
        ),
        optimizer=replace(optimizer, lr=rate),
        schedule=ScheduleConfig(name="cosine", warmup=0.1),
        # A mixture of two samples has no second view whose prediction it should share.
        augment=replace(base.augment or _moved(signal), mixup=0.0),
        machine=MachineConfig(device=finetune_options.device),
        provenance=Provenance(command="fix"),
    )


def _recipe_before(trained: Model) -> Recipe:
    """Of a network of ours: that of its training, or of none where its weights come with it."""
    if trained.path.is_dir():
        return RunFolder.open(trained.path).recipe
    network = trained.card["network"]
    return Recipe(model=ModelConfig(name=network["name"], options=dict(network["options"])))


def _moved(signal: InputSpec) -> Augment:
    """Shift augmentation as large as the shifts of an audit, with the same border."""
    size = signal.image_size
    plain = suited(signal.channels, size, raw=signal.values == "raw")
    return replace(plain, shift=float(max(1, min(size) // 8)), border="reflect")


STEPS = 8
"""Least number of steps of a pass, while a batch still shows four samples."""


def with_machine(
    recipe: Recipe, model: SpecifiedNetwork, split: Split, *, timed: bool = True
) -> Recipe:
    """With batches that few samples fill, and the fastest way to train here, if it may be timed."""
    batch = min(recipe.train.batch_size, 2 * max(4, len(split) // STEPS))  # each is shown twice
    recipe = replace(recipe, train=replace(recipe.train, batch_size=batch))
    if not timed:
        machine = Machine(device=recipe.machine.device or best_device())
    else:
        machine = fastest(recipe.machine, model, split, recipe)
    return replace(recipe, machine=MachineConfig(**vars(machine)))


@dataclass(frozen=True, kw_only=True)
class SavedFix:
    """What goes into the run folder: the fixed model, or the original model.

    Args:
        network: whose weights.
        spec: of the model.
        choice: name and options of a network of ours; None for an external one.
        recipe: of the fine-tune, or of the training of the original model.
        data: what model.json says of the data.
        rows: an epoch of the fine-tune each.
        seen: which samples it has seen; None where it is unknown.
    """

    network: nn.Module
    spec: ModelSpec
    choice: ModelConfig | None
    recipe: Recipe
    data: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    seen: SeenSamples | None = None


def fixed_model(
    conversion: ConvertedModel, recipe: Recipe, rows: Sequence[Mapping[str, Any]]
) -> SavedFix:
    """The fixed model, to save."""
    data = {k: getattr(recipe.data, k) for k in ("path", "seed", "val", "cut_test", "fingerprint")}
    return SavedFix(
        network=conversion.model.network,
        spec=conversion.model.spec,
        choice=conversion.network and recipe.model,
        recipe=recipe,
        data=data,
        rows=rows,
    )


def original_model(trained: Model, conversion: ConvertedModel, recipe: Recipe) -> SavedFix:
    """The original model, to save, with the class names of the data."""
    ours = conversion.network is not None
    before = _recipe_before(trained) if ours else recipe
    before = replace(before, provenance=recipe.provenance)  # no training to resume
    return SavedFix(
        network=trained.module.network,
        spec=conversion.model.spec,
        choice=before.model if ours else None,
        recipe=before,
        data=trained.card.get("data", {}),
        rows=(),
    )


def origin(trained: Model) -> dict[str, Any]:
    """Source of a model and its options, for model.json."""
    signal = trained.spec.input
    opening: dict[str, Any] = {
        "size": [signal.channels, *signal.size],
        "mean": list(signal.mean),
        "std": list(signal.std),
        "resize_mode": signal.resize_mode,
    }
    if signal.stated_values:
        opening["values"] = signal.values
    if trained.spec.output.name:
        opening["output"] = trained.spec.output.name
    if trained.card.get("weights"):
        opening["weights"] = trained.card["weights"]
    return {"from": str(trained.path), "opened": opening}


def keep(
    folder: RunFolder, kept: SavedFix, fixed: Mapping[str, Any], measured: Mapping[str, Any]
) -> list[str]:
    """Write the run folder.

    Args:
        folder: an empty one.
        kept: the model.
        fixed: history of the fix, for model.json.
        measured: of the model that is kept.

    Returns:
        Notes on what could not be saved.
    """
    notes: list[str] = []
    name = kept.choice or kept.recipe.model
    network, symmetry = kept.network, symmetry_of(kept.network)
    if isinstance(network, Symmetrized):  # which the folder states, and `load` makes again
        network = network.inner
    card: dict[str, Any] = {
        "neocog": __version__,
        "spec": kept.spec.to_json(),
        "network": {"name": name.name, "options": dict(name.options)},
        "data": dict(kept.data),
        "fixed": dict(fixed),
        "metrics": dict(measured),
    }
    if symmetry is not None:
        card["symmetry"] = {"group": symmetry.group, "by": symmetry.by}
    folder.write_weights(network.state_dict())
    folder.write_metrics(kept.rows)
    if kept.seen is not None:
        write_seen(folder.path, kept.seen)
    if kept.choice is not None:
        folder.write_recipe(kept.recipe)
    else:
        text = {SPEC_FILE: json.dumps(kept.spec.to_json())}
        try:
            file = folder.path / "model.pt2"
            card["parity"] = save_exported(network, file, example_of(kept.spec), texts=text)
        except ModelError as e:
            notes.append(
                f"It cannot be saved as a program, only as weights (model.safetensors): {e}"
            )
    folder.write_card(card)
    return notes
