"""A recipe: everything that reproduces a run, typed, to and from TOML.

Each table of the file is one record; the record's fields are the only list of its keys. The
options of a network are the parameters of its builder.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, get_type_hints

import tomli_w

from neocog.errors import UsageError, did_you_mean, printable
from neocog.fields import INT64, short_repr
from neocog.files import parse_toml
from neocog.legacy import recipe_of_today
from neocog.tasks.pretext.table import METHODS
from neocog.training.augment import Augment
from neocog.training.loop import Objective
from neocog.training.machine import Machine
from neocog.training.optimize import OptimizerConfig, ScheduleConfig

__all__ = [
    "DataConfig",
    "LabelsConfig",
    "MachineConfig",
    "ModelConfig",
    "PretrainConfig",
    "Provenance",
    "Recipe",
    "TrainConfig",
    "TransferConfig",
    "changed",
    "from_toml",
    "to_toml",
]


FLOAT = 1e30
"""Size of a number in a recipe, at most: the arithmetic has float32."""

TEXT = 4096
"""Letters of a text in a recipe, at most; the longest path of a file."""

KEY = 60
"""Max characters of a name, and max items of an option."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The data.

    Args:
        path: `digits`, a folder or a file, see `neocog data --help`.
        size: (H, W) in pixels; empty to choose it from the data.
        channels: 1 or 3; 0 to choose it from the data.
        resize_mode: how images of other sizes are resized to `size`: `crop`,
            `stretch` or `pad` (`fit` in old recipes).
        val: hold out the validation samples to monitor the training; false trains on them too,
            once nothing is left to select.
        seed: of the splits.
        cut_test: split a test set off train even where the data has its own train and val.
        fingerprint: of the samples of the run; empty before.
    """

    path: str = ""
    size: tuple[int, ...] = ()
    channels: int = 0
    resize_mode: str = "crop"
    val: bool = True
    seed: int = 0
    cut_test: bool = False
    fingerprint: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The model.

    Args:
        name: one of `neocog models`.
        init: initial weights: a run folder or a safetensors file; empty for random ones.
        init_digest: of the file of those weights; empty before.
        options: of the network's builder.
    """

    name: str = "convnet"
    init: str = ""
    init_digest: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How long, with which batch size, from which seed.

    Args:
        epochs: passes over the training samples; 0 until a budget has been turned into epochs.
        budget: seconds for the whole command; 0 for none.
        plan: how a budget was turned into steps, as pairs of numbers: from step, to step. A
            training that fell behind its budget has a pair for each time it was shortened.
        batch_size: samples per step.
        drop_last: a rest that is smaller than a batch waits for the next pass; else every pass has
            all samples, in batches of nearly equal size.
        ema_decay: of the exponential moving average of the weights, per step; 0 for none.
        seed: of the weights, the order, the augmentation and dropout.
    """

    epochs: float = 0.0
    budget: float = 0.0
    plan: tuple[int, ...] = ()
    batch_size: int = 128
    drop_last: bool = True
    ema_decay: float = 0.998
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            UsageError: one is out of its range.
        """
        if not (0 <= self.epochs < math.inf and 0 <= self.budget < math.inf):
            raise UsageError(
                f"`train.epochs` and `train.budget` must be positive, got {self.epochs} and "
                f"{self.budget}. Try `--epochs 10`."
            )
        if self.batch_size < 1:
            raise UsageError(
                f"`train.batch_size` must be at least 1, got {self.batch_size}. Try 128."
            )
        if not 0 <= self.ema_decay < 1:
            raise UsageError(
                f"`train.ema_decay` must be at least 0 and below 1, got {self.ema_decay}. "
                "Try 0.998."
            )
        if self.seed < 0:
            raise UsageError(f"`train.seed` must not be negative, got {self.seed}. Try 0.")


@dataclass(frozen=True, kw_only=True)
class TransferConfig:
    """How a training starts from the weights of another network; see `neocog.runs.transfer`.

    Args:
        freeze: what stays as it is: `all` but the head, which a linear classifier takes the place
            of; `none`; or the number of stages, counted from the input; empty to decide by the
            number of images and the time there is.
        l2: strength of the linear classifier; 0 to choose it by cross-validation.
        balanced: the linear classifier weighs all classes alike, however many images each has.
        images: training images that it is fitted to; 0 for as many as there is time for.
        lowest_lr_factor: learning rate of the lowest layer, as a fraction of that of the head.
    """

    freeze: str = ""
    l2: float = 0.0
    balanced: bool = False
    images: int = 0
    lowest_lr_factor: float = 0.3

    def __post_init__(self) -> None:
        """Check what is frozen, and the numbers.

        Raises:
            UsageError: one is out of its range.
        """
        if self.freeze not in ("", "all", "none") and not self.freeze.isdecimal():
            raise UsageError(
                "`transfer.freeze` is all, none or a number of stages, counted from the input; "
                f"got `{printable(self.freeze[:KEY])}`. Try `--freeze all`."
            )
        if not (0 <= self.l2 < math.inf and self.images >= 0 and 0 < self.lowest_lr_factor <= 1):
            raise UsageError(
                "`transfer.l2` and `transfer.images` must not be negative, and "
                f"`transfer.lowest_lr_factor` is a fraction; got {self.l2:g}, {self.images} and "
                f"{self.lowest_lr_factor:g}. Leave them out for the defaults."
            )


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """Self-supervised pretraining: labels are not used; see `neocog.runs.pretrain`.

    Args:
        method: one of `neocog.tasks.pretext.table.METHODS`.
    """

    method: str = "vicreg"

    def __post_init__(self) -> None:
        """Check the method.

        Raises:
            UsageError: there is no such method.
        """
        if self.method not in METHODS:
            raise UsageError(
                f"`pretrain.method` names a self-supervised method, got "
                f"`{printable(self.method[:KEY])}`. {did_you_mean(self.method[:KEY], METHODS)}"
            )


SEMI = ("none", "fixmatch", "pseudo")
"""What unlabeled training images are used for."""


@dataclass(frozen=True, kw_only=True)
class LabelsConfig:
    """Few labels; see `neocog.runs.labels`.

    Args:
        per_class: training images of each class that keep their label, drawn by `train.seed`; 0
            where a file says which.
        file: CSV of path,label or JSON; empty where they are drawn.
        file_digest: of its content; empty before.
        semi: what the others are used for: `none`, `fixmatch` or `pseudo`.
        threshold: probability from which on a prediction is the target of an unlabeled image.
        unlabeled_ratio: unlabeled images in a batch for each labeled one.
        unlabeled_weight: of their loss.
    """

    per_class: int = 0
    file: str = ""
    file_digest: str = ""
    semi: str = "none"
    threshold: float = 0.95
    unlabeled_ratio: int = 7
    unlabeled_weight: float = 1.0

    def __post_init__(self) -> None:
        """Check the method and the numbers.

        Raises:
            UsageError: one is out of its range.
        """
        if self.semi not in SEMI:
            raise UsageError(
                f"`labels.semi` is the method for unlabeled images, got "
                f"`{printable(self.semi[:KEY])}`. {did_you_mean(self.semi[:KEY], SEMI)}"
            )
        if self.per_class < 0 or (self.per_class and self.file):
            raise UsageError(
                "Labels are a number per class, 1 at least, or a file; got "
                f"{self.per_class}{' and a file' if self.file else ''}. Try `--labels 10`."
            )
        fits = 0 < self.threshold <= 1 and self.unlabeled_ratio >= 1
        if not (fits and 0 <= self.unlabeled_weight < math.inf):
            raise UsageError(
                "`labels.threshold` is a probability, `labels.unlabeled_ratio` a number of at "
                "least 1 and `labels.unlabeled_weight` not negative; got "
                f"{self.threshold:g}, {self.unlabeled_ratio} and {self.unlabeled_weight:g}. Leave "
                "them out for the defaults."
            )


@dataclass(frozen=True, kw_only=True)
class MachineConfig:
    """Device and numerics; empty values are chosen by measuring.

    Args:
        device: `cpu`, `cuda`, `cuda:1`, `mps`.
        memory_format: `channels_last` or `contiguous`.
        precision: `float32` or `bfloat16`.
        threads: of the CPU; 0 for the default of PyTorch. Other numbers give other last bits.
    """

    device: str = ""
    memory_format: str = ""
    precision: str = ""
    threads: int = 0

    def __post_init__(self) -> None:
        """Check the names, as `Machine` does.

        Raises:
            UsageError: the memory format or precision is unknown, or the number is out of range.
        """
        Machine(**{k: v for k, v in vars(self).items() if v})


COMMANDS = ("train", "fix", "pretrain")
"""What makes runs."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Command, versions and hardware of the run: elsewhere bits may differ.

    Args:
        command: `train`, `fix` or `pretrain`.
        torch: the version of PyTorch; empty before.
        processor: kind of processor and its widest vector instructions; empty before.
    """

    command: str = "train"
    torch: str = ""
    processor: str = ""

    def __post_init__(self) -> None:
        """Check the command.

        Raises:
            UsageError: it makes no runs.
        """
        if self.command not in COMMANDS:
            raise UsageError(
                f"`provenance.command` is what made a run, got `{printable(self.command)}`. "
                f"{did_you_mean(self.command, COMMANDS)}"
            )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that reproduces a run.

    Args:
        data: the data.
        model: the model.
        train: length, batch size and seed.
        objective: the loss.
        optimizer: the optimizer.
        schedule: of the learning rate.
        augment: augmentations; None to choose them from the data.
        machine: device and numerics.
        provenance: command, versions and hardware.
        transfer: how it starts from the weights of another network; None for a plain training.
        pretrain: self-supervised pretraining; None for a training with labels.
        labels: which training images keep their label; None for all.
    """

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    objective: Objective = field(default_factory=Objective)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    augment: Augment | None = None
    machine: MachineConfig = field(default_factory=MachineConfig)
    provenance: Provenance = field(default_factory=Provenance)
    transfer: TransferConfig | None = None
    pretrain: PretrainConfig | None = None
    labels: LabelsConfig | None = None

    @property
    def semi_supervised(self) -> bool:
        """Whether unlabeled images are trained on beside labeled ones."""
        return self.labels is not None and self.labels.semi != "none"


OPTIONAL: Mapping[str, Callable[[], Any]] = {
    "augment": Augment,
    "transfer": TransferConfig,
    "pretrain": PretrainConfig,
    "labels": LabelsConfig,
}
"""Tables that may be missing, and what their keys are changes of."""


def to_toml(recipe: Recipe) -> str:
    """The recipe as TOML; options of the network are in the table of its name.

    Raises:
        UsageError: a name in it is not UTF-8.
    """
    out: dict[str, dict[str, Any]] = {}
    for part in fields(recipe):
        value = getattr(recipe, part.name)
        if value is None:
            continue
        out[part.name] = {f.name: getattr(value, f.name) for f in fields(value)}
    out["model"] |= out["model"].pop("options")
    text = tomli_w.dumps(_lists(out))
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise UsageError(
            "A recipe is UTF-8 text, and a name in it is not. Rename the file or folder, or name "
            "it by a symbolic link."
        )
    return text


def from_toml(text: str, source: str = "recipe") -> Recipe:
    r"""Parse a recipe; missing keys get their defaults.

    Args:
        text: the file's content.
        source: its name, for messages.

    Raises:
        UsageError: it is not TOML, a key is unknown, or a value has another type.

    Example:
        >>> from_toml("[train]\nepochs = 3").train.epochs
        3.0
    """
    tables = parse_toml(text, source=printable(source), error=UsageError)
    return changed(Recipe(), recipe_of_today(tables))


def changed(recipe: Recipe, tables: Mapping[str, Any]) -> Recipe:
    """A recipe with some keys changed.

    Args:
        recipe: with all other keys.
        tables: table to key to value.

    Raises:
        UsageError: a table or key is unknown, or a value has another type.
    """
    known = {f.name for f in fields(recipe)}
    parts: dict[str, Any] = {}
    for table, values in tables.items():
        if table not in known:
            raise UsageError(
                f"A recipe has no table `{_key(table)}`. {did_you_mean(table[:KEY], known)}"
            )
        if not isinstance(values, Mapping):
            raise UsageError(
                f"`{table}` is a table of keys, got {short_repr(values)}. Write `{table}.KEY = "
                "VALUE`."
            )
        old = getattr(recipe, table)
        parts[table] = _part(OPTIONAL[table]() if old is None else old, table, values)
    return replace(recipe, **parts)


def _part(old: Any, table: str, values: Mapping[str, Any]) -> Any:
    hints = get_type_hints(type(old))
    hints.pop("options", None)
    new, options = {}, {}
    for key, value in values.items():
        if key in hints:
            new[key] = _typed(value, hints[key], f"{table}.{key}")
        elif table == "model":
            options[_option(key)] = _plain(value, f"{table}.{key}")
        else:
            raise UsageError(
                f"A recipe has no key `{table}.{_key(key)}`. {did_you_mean(key[:KEY], hints)}"
            )
    if table == "model":
        # Another network takes other options: those of the old one go with it.
        keep = {} if new.get("name", old.name) != old.name else dict(old.options)
        new["options"] = keep | options
    return replace(old, **new)


def _typed(value: Any, hint: Any, key: str) -> Any:
    kind = hint.__origin__ if isinstance(hint, types.GenericAlias) else hint
    if kind is float and type(value) in (int, float) and _sane(value):
        return float(value)
    if kind is tuple and isinstance(value, Iterable) and not isinstance(value, (str, Mapping)):
        numbers = tuple(value)
        if all(type(v) is int and _sane(v) for v in numbers):
            return numbers
    if type(value) is kind and kind not in (tuple, float) and _sane(value):
        return value
    words: dict[Any, str] = {
        float: "a number",
        int: "an integer",
        bool: "true or false",
        str: "a string",
    }
    raise UsageError(
        f"`{key}` is {words.get(kind, 'a list of integers')}, got {short_repr(value)}. "
        "Change it, or leave it out for the default."
    )


def _sane(value: object) -> bool:
    """Whether a value is within the bounds of any key."""
    match value:
        case bool():
            return True
        case int():
            return abs(value) <= INT64
        case float():
            return abs(value) <= FLOAT
        case str():
            return len(value) <= TEXT
    return False


def _plain(value: Any, key: str) -> Any:
    """An option of a network; its builder knows the kind."""
    members = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if len(members) > KEY or not all(map(_sane, members)):
        raise UsageError(
            f"`{_key(key)}` is a number, a string, true, false, or a short list of them, got "
            f"{short_repr(value)}. `neocog models` lists the options."
        )
    return members if isinstance(value, (list, tuple)) else value


def _option(key: str) -> str:
    """The name of an option of a network; its builder knows which there are."""
    if len(key) > KEY:
        raise UsageError(
            f"`network.{_key(key)}` is not an option of a network. `neocog models` lists them."
        )
    return key


def _key(text: str) -> str:
    """A key that is not known, for a message."""
    return printable(text if len(text) <= KEY else text[:KEY] + "…")


def _lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _lists(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_lists(v) for v in value]
    return value
