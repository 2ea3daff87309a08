"""Train a network on a data set, keep it and report it."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from neocog.data.array_files import KINDS
from neocog.errors import RunError, UsageError, did_you_mean, printable
from neocog.exhibits import Section
from neocog.files import read_text
from neocog.keywords import known_keywords
from neocog.models.model import Model
from neocog.render.page import page, write
from neocog.runs.choose import AUTO
from neocog.runs.claim import Claim, claimed, vacant
from neocog.runs.events import Decoded, Finished
from neocog.runs.exhibits import run_first_screen, run_sections
from neocog.runs.folder import RECIPE
from neocog.runs.initial import IMAGENET, is_pretrained, network_of
from neocog.runs.load import load
from neocog.runs.nearest_images import nearest_section
from neocog.runs.network_choice import AUTO_NETWORK
from neocog.runs.pretrain_report import pretrain_first_screen, pretrain_sections
from neocog.runs.recipe import Recipe, changed, from_toml
from neocog.runs.train import train as train_run
from neocog.stats import student_t
from neocog.training.augment import Augment
from neocog.training.machine import check_device
from neocog.verbs.watch import Progress, watching

__all__ = [
    "NO_AUGMENT",
    "Spread",
    "finish",
    "free_folder",
    "label_settings",
    "read_recipe",
    "resume",
    "settle",
    "spread",
    "train",
    "with_network",
]

StrPath = str | os.PathLike[str]
NO_AUGMENT = {f"augment.{f.name}": f.default for f in fields(Augment)}
"""Settings that leave every change out."""


@known_keywords
def train(
    data: StrPath | None,
    *,
    model: str | None = None,
    epochs: float | None = None,
    budget: float | None = None,
    seed: int | None = None,
    labels: int | StrPath | None = None,
    semi: str | None = None,
    settings: Mapping[str, Any] | None = None,
    recipe: StrPath | None = None,
    out: StrPath | None = None,
    overwrite: bool = False,
    strict: bool = False,
    progress: Progress = True,
    began: float | None = None,
) -> Model:
    """Train a classifier and keep it, with its report, in a run folder.

    Args:
        data: `digits`, a folder of class folders, a folder of idx files, an .npz, .npy or
            HDF5 file, as FILE:IMAGES,LABELS too; None for the recipe's.
        model: one of `neocog models`; `auto` for what the priors of the data say, see
            `neocog.runs.network_choice`.
        epochs: passes over the training samples.
        budget: seconds for the whole command, instead of epochs.
        seed: of all random numbers.
        labels: of each class that are used, a number; or a CSV or JSON file of path and label. All
            labels of the data if left out.
        semi: `fixmatch` or `pseudo`, how training images without a label are trained on; `none`.
        settings: any other key of a recipe, as `{"optimizer.lr": 0.05}`.
        recipe: a recipe.toml to start from; the arguments beside it go before it.
        out: the run folder; one below `runs` that is named after the data if left out.
        overwrite: replace a run that is there.
        strict: stop at the first image that cannot be used.
        progress: True for a line on standard error, False for none, or a function that is
            called with everything that happens, see `neocog.runs.events`.
        began: `time.monotonic()` when the budget began; now if left out.

    Returns:
        The trained model; its figures are in `.card["metrics"]`.

    Raises:
        NeocogError: the data, the recipe, the machine or the disk does not allow it.

    Example:
        >>> import neocog
        >>> model = neocog.train("digits", epochs=5)              # doctest: +SKIP
        >>> model.card["metrics"]["test"]["accuracy"] > 0.95     # doctest: +SKIP
        True
    """
    for name, amount in (("epochs", epochs), ("budget", budget)):
        if amount is not None and not 0 < amount < math.inf:
            raise UsageError(f"`{name}` must be a positive number, got {amount:g}. Try 10.")
    if epochs is not None and budget is not None:
        raise UsageError(
            "A training is limited by `epochs` or by `budget`, and both were given. Give one."
        )
    direct = {
        "model.name": model,
        "train.epochs": float(epochs) if epochs is not None else None,
        "train.budget": float(budget) if budget is not None else None,
        "train.seed": seed,
    }
    keys = dict(settings or {}) | {k: v for k, v in direct.items() if v is not None}
    keys |= label_settings(labels, semi)
    by_size = recipe is None and "train.batch_size" not in keys
    if recipe is None:
        keys = by_the_data(keys)
    elif _semi(keys):
        keys.setdefault("objective.label_smoothing", 0.0)  # predictions must get confident
    settled = settle(data, keys, read_recipe(recipe))
    check_device(settled.machine.device)
    where = Path(out) if out else free_folder(settled.data.path)
    with claimed(where, overwrite=overwrite) as claim:
        return finish(
            settled, claim, strict=strict, by_size=by_size, progress=progress, began=began
        )


@known_keywords
def resume(run: StrPath, *, progress: Progress = True) -> Model:
    """Take up a training that was stopped; it ends with the bits it would have had.

    Args:
        run: its folder.
        progress: as for `train`.

    Raises:
        NeocogError: there is no run, something else than a training made it, or its data or
            recipe has changed.
    """
    with claimed(Path(run), resume=True) as claim:
        recipe = claim.folder.recipe
        if not recipe.data.path:  # which would be the current folder
            raise RunError(
                f"A recipe of a run names its data; that of `{printable(Path(run))}` names none. "
                "Write `path` below [data], or take an undamaged copy."
            )
        return finish(recipe, claim, resume=True, progress=progress)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """What several seeds scored.

    Args:
        values: test accuracy, one a seed.
        mean: their mean.
        interval: 95 % interval of the mean (Student's t).
    """

    values: tuple[float, ...]
    mean: float
    interval: tuple[float, float] | None


def spread(values: list[float]) -> Spread:
    """Mean and 95 % interval of the mean, from Student's t.

    Example:
        >>> s = spread([0.97, 0.98, 0.99])
        >>> round(s.mean, 3), round(s.interval[0], 4)
        (0.98, 0.9552)
    """
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return Spread(values=tuple(values), mean=mean, interval=None)
    half = student_t(n - 1) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return Spread(values=tuple(values), mean=mean, interval=(mean - half, mean + half))


def read_recipe(file: StrPath | None) -> Recipe:
    """A recipe from its file, or the default one.

    Raises:
        UsageError: the file cannot be read, is not a recipe, or that of something else.
    """
    if file is None:
        return Recipe()
    text = read_text(file, limit=RECIPE, what="A recipe, as --recipe names it,", error=UsageError)
    recipe = from_toml(text, printable(file))
    if recipe.provenance.command != "train":
        raise UsageError(
            f"`--recipe` takes the recipe of a training; `{printable(file)}` is that of a "
            f"`neocog {recipe.provenance.command}`, which a training does not make again. Run that "
            "command again, or start from its weights with --init."
        )
    return recipe


NONE = "none"
"""Initial weights that are random, as `--init` names them."""


def by_the_data(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a new recipe, with where it starts left to the data if nothing speaks of it.

    Args:
        keys: `table.key` to value, as they were given.

    Example:
        >>> by_the_data({"train.epochs": 3})
        {'model.init': 'auto', 'train.epochs': 3}
        >>> by_the_data({"optimizer.lr": 0.01, "transfer.balanced": True})
        {'model.init': 'auto', 'optimizer.lr': 0.01, 'transfer.balanced': True}
        >>> by_the_data({"model.padding": "circular"})
        {'model.init': 'auto', 'model.padding': 'circular'}
        >>> by_the_data({"model.name": "resnet18"})
        {'model.name': 'resnet18'}

    Raises:
        UsageError: layers are frozen without weights.
    """
    out: dict[str, Any] = {}
    decided = {"model.name", "model.init", "transfer.freeze"}
    if keys.get("model.name") == AUTO_NETWORK:
        decided.discard("model.name")
    if _of_transfer(keys):  # of weights that a network of one's own does not have
        decided |= {k for k in keys if k.startswith("model.")}
    if not decided & keys.keys():
        out["model.init"] = AUTO
    given = _without_none(keys)
    if "transfer.freeze" in given and not given.get("model.init"):
        if "model.init" in given or "model.name" in given:
            raise UsageError(
                "Freezing keeps trained weights, and these are random. "
                "Give --init imagenet or --init RUN, or leave --freeze out."
            )
        given["model.init"] = IMAGENET
    start = str(given.get("model.init") or "")
    if start and given.get("model.name") == AUTO_NETWORK:  # the network that the weights are of
        del given["model.name"]
    if _semi(given):
        given.setdefault("objective.label_smoothing", 0.0)  # predictions must get confident
        out.pop("model.init", None)
    elif start and _few_labels(given) and is_pretrained(start):
        given.setdefault("transfer.freeze", "")
    given = with_network(given, start)
    if start == IMAGENET and not _semi(given):  # unlabeled images train all layers
        given.setdefault("transfer.freeze", "")
    return out | given


def label_settings(labels: int | StrPath | None, semi: str | None) -> dict[str, Any]:
    """Keys of a recipe that say which labels are used.

    Args:
        labels: how many of each class, as a number or its digits, or a file; None for all.
        semi: how images without a label are trained on, or None.

    Raises:
        UsageError: it is neither a number from 1 nor a file.

    Example:
        >>> label_settings(10, "fixmatch")
        {'labels.semi': 'fixmatch', 'labels.per_class': 10, 'labels.file': ''}
    """
    keys: dict[str, Any] = {} if semi is None else {"labels.semi": semi}
    if labels is None:
        return keys
    text = str(labels) if isinstance(labels, int) else os.fspath(labels)
    if isinstance(labels, int) or (text.isascii() and text.isdecimal() and len(text) < 10):
        if int(text) < 1 or isinstance(labels, bool):
            raise UsageError(
                f"--labels is a number per class, 1 at least; got {text}. Try --labels 10."
            )
        return keys | {"labels.per_class": int(text), "labels.file": ""}
    if not os.path.exists(text):  # noqa: PTH110 (a name may be too long)
        raise UsageError(
            f"--labels is a number per class, or a CSV or JSON file of path,label; "
            f"`{printable(text[:200])}` is neither. Try --labels 10."
        )
    return keys | {"labels.file": text, "labels.per_class": 0}


def _few_labels(keys: Mapping[str, Any]) -> bool:
    return any(keys.get(k) for k in ("labels.per_class", "labels.file"))


def _semi(keys: Mapping[str, Any]) -> bool:
    """Whether unlabeled images are to be trained on."""
    return str(keys.get("labels.semi", "none")) != "none"


def with_network(keys: Mapping[str, Any], start: str) -> dict[str, Any]:
    """Keys with the network that initial weights are of, where none is named.

    Args:
        keys: of a recipe, dotted.
        start: the initial weights; "" for random ones.
    """
    network = network_of(start) if start and "model.name" not in keys else None
    if network is None:
        return dict(keys)
    options = {f"model.{k}": v for k, v in network.options.items()}
    return {"model.name": network.name, **options, **keys}


def settle(data: StrPath | None, keys: Mapping[str, Any], recipe: Recipe) -> Recipe:
    """A recipe with dotted keys set, on a data set.

    The initial weights `none` are random ones: what the recipe says of a transfer goes with them.

    Args:
        data: of the data, or None to keep the recipe's.
        keys: `table.key` to value.
        recipe: where all else is from.

    Raises:
        UsageError: a key is unknown or a value does not fit.
    """
    tables: dict[str, dict[str, Any]] = {}
    if keys.get("model.init") == NONE and not _of_transfer(keys):
        recipe = replace(recipe, transfer=None)
    for key, value in _without_none(keys).items():
        table, dot, name = key.partition(".")
        if not dot:
            raise UsageError(
                f"A setting is named TABLE.KEY, got `{printable(key)}`. "
                f"{did_you_mean(key, ['optimizer.lr', 'train.batch_size', 'augment.shift'])}"
            )
        tables.setdefault(table, {})[name] = value
    if "train" in tables and {"epochs", "budget"} & tables["train"].keys():
        # The given one replaces the other one of the recipe.
        tables["train"] = {"epochs": 0.0, "budget": 0.0, "plan": ()} | tables["train"]
    settled = changed(recipe, tables)
    if data is not None:
        data = os.fspath(data)
        if any("\udc80" <= c <= "\udcff" for c in data):
            raise UsageError(
                f"A recipe is UTF-8 text and names the data, and `{printable(data)}` is not "
                "UTF-8. Rename it, or name it by a symbolic link."
            )
        settled = replace(settled, data=replace(settled.data, path=data))
    settled = _forgetting(settled, recipe)
    if not settled.data.path:
        raise UsageError("A training needs data, and none was named. Try `neocog train digits`.")
    return settled


def _without_none(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keys with the empty text for the initial weights `none`."""
    return {k: "" if k == "model.init" and v == NONE else v for k, v in keys.items()}


def _of_transfer(keys: Mapping[str, Any]) -> list[str]:
    return [k for k in keys if k.partition(".")[0] == "transfer"]


def _forgetting(settled: Recipe, run: Recipe) -> Recipe:
    """Without what a run measured on samples, steps or weights that differ now."""
    one, two = settled.model, run.model
    if one.init != two.init and one.init_digest == two.init_digest:
        settled = replace(settled, model=replace(one, init_digest=""))
    if not run.data.fingerprint or (settled.data, settled.train.batch_size) == (
        run.data,
        run.train.batch_size,
    ):
        return settled
    # The plan counts steps; the number of epochs stands beside it and holds for other steps too.
    fingerprint = settled.data.fingerprint if settled.data == run.data else ""
    return replace(
        settled,
        data=replace(settled.data, fingerprint=fingerprint),
        train=replace(settled.train, plan=()),
    )


def finish(
    recipe: Recipe,
    claim: Claim,
    *,
    resume: bool = False,
    strict: bool = False,
    by_size: bool = False,
    progress: Progress = True,
    began: float | None = None,
) -> Model:
    """Train a recipe to the end, write the report and open the model; as for `train`."""
    with watching(progress) as on_progress:
        events = train_run(
            recipe,
            claim,
            resume=resume,
            strict=strict,
            by_size=by_size,
            began=began,
            on_decoded=lambda done, total: on_progress(Decoded(done, total)),
        )
        with closing(events):
            for event in events:
                if isinstance(event, Finished):
                    write(claim.folder.path / "report.html", _report(event, claim))
                    claim.finish()
                on_progress(event)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This network was pretrained without labels")
        return load(claim.path)


def _report(end: Finished, claim: Claim) -> str:
    """The page of a finished training."""
    recipe, rows = end.experiment.recipe, claim.folder.metrics()  # chosen by the data, perhaps
    title = f"{recipe.model.name} on {Path(recipe.data.path).name}"
    near = nearest_section(end)
    if recipe.pretrain is not None:
        first = pretrain_first_screen(end, rows, str(claim.path))
        return page(title, _with(pretrain_sections(end, rows), near), first=first)
    sections = _with(run_sections(end, rows), near)
    return page(title, sections, first=run_first_screen(end, str(claim.path)))


def _with(sections: list[Section], more: Section | None) -> list[Section]:
    """Sections with one more, behind the errors of an evaluation, else behind the first."""
    if more is None:
        return sections
    at = next((i for i, s in enumerate(sections) if s.title == "Errors"), 0) + 1
    return [*sections[:at], more, *sections[at:]]


def free_folder(source: StrPath) -> Path:
    """The first of runs/NAME, runs/NAME-2, … that is free: missing or empty."""
    path = Path(os.fspath(source).partition(":")[0])
    stem = (path.stem if path.suffix.lower() in KINDS else path.name) or "run"
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in stem).strip(".-") or "run"
    for n in range(1, 10_000):
        folder = Path("runs") / (name if n == 1 else f"{name}-{n}")
        if vacant(folder):
            return folder
    raise RunError(
        "There are ten thousand runs of that name below `runs`. Choose a folder with --out."
    )
