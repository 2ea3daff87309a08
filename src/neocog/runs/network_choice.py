"""The network of `--model auto`: what the priors of this very data say.

What `neocog priors` measured of the data before is kept in the cache and taken; else its first
twins are trained within a tenth of the budget. A prior counts where its 95 % interval leaves out 0:

- weight sharing and locality cost accuracy: `dense`, as on pixels without neighborhoods;
- anti-aliased downsampling is worth something: the default network with `blur`, narrower, so that
  it has as many MACs;
- else the default network.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from neocog.data.batches import pixels
from neocog.data.cache import default_folder
from neocog.data.open import Source, open_data
from neocog.errors import DataError, NeocogError, printable
from neocog.fields import Fields
from neocog.files import read_json
from neocog.graph.cost import cost
from neocog.networks.catalog import build
from neocog.runs.budget import Budget
from neocog.runs.recipe import ModelConfig, Recipe
from neocog.stats import mean_interval
from neocog.training.label_symmetries import squares
from neocog.training.priors import (
    CONTRASTS,
    LabeledImages,
    Training,
    Trainings,
    trained_accuracy,
)

__all__ = [
    "AUTO_NETWORK",
    "MeasuredPrior",
    "keep_priors",
    "kept_priors",
    "labeled_images",
    "network_of_priors",
    "split_names",
]

AUTO_NETWORK = "auto"
"""`model.name` of a recipe that leaves it to this module; never written to a file."""

MOST = 12_000
"""Samples that are drawn from; more change no figure by more than its interval."""

LEAST = 60
"""Samples without which nothing is measured."""

HELD_OUT, HELD_MOST = 0.25, 2_000
"""Fraction of the samples that a draw holds out, and their number, at most."""

BLOCK = 256
"""Images that are opened at their full size at a time."""

IMAGES, SEEDS, SECONDS = 500, 3, 20.0
"""Of a short measurement: images to train on, draws, and seconds where there is no budget."""

SHORTEST = 6.0
"""Seconds below which nothing is measured: a single training may take longer."""

SHARING, BLUR = CONTRASTS[0], CONTRASTS[3]
"""The priors that a network is chosen by."""

STEP = 8
"""Widths are multiples of it."""


@dataclass(frozen=True, kw_only=True)
class MeasuredPrior:
    """What a prior is worth.

    Args:
        difference: accuracy with it less without, a mean over draws.
        low: of its 95 % interval; NaN for a single draw.
        high: likewise.
        n: images that were trained on.
    """

    difference: float
    low: float
    high: float
    n: int

    @property
    def words(self) -> str:
        """In points of accuracy, with the interval."""
        return (
            f"{100 * self.difference:+.1f} points (95 % CI {100 * self.low:.1f} to "
            f"{100 * self.high:.1f}, {self.n:,} images)"
        )


def network_of_priors(
    recipe: Recipe,
    budget: Budget,
    *,
    strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Recipe, tuple[str, ...]]:
    """A recipe with a network, and a sentence on why.

    Args:
        recipe: with the default network in place of `AUTO_NETWORK`.
        budget: of the command.
        strict: stop at the first image that cannot be used.
        progress: called with (images done, images in all) while they are decoded.
    """
    if recipe.model != ModelConfig():
        why = "settings of the network are given, which are kept"
        return recipe, (f"--model auto takes {recipe.model.name}: {why}.",)
    try:
        source = open_data(recipe.data.path, seed=0, strict=strict, progress=progress)
        priors = kept_priors(source.fingerprint)
        how = "as `neocog priors` measured before"
        if not priors:
            seconds = budget.measuring if budget.seconds else SECONDS
            priors = _measured(source, seconds)
            how = f"a tenth of the budget is {seconds:.3g} s" if budget.seconds else "measured now"
    except NeocogError as e:
        return recipe, (f"--model auto takes {recipe.model.name}, the default: {e}",)
    size = (recipe.data.size[0], recipe.data.size[1]) if recipe.data.size else source.sheet.size
    model, why = _chosen(recipe.model, priors, source, size)
    return replace(recipe, model=model), (f"--model auto takes {why}; {how}.",)


def _chosen(
    default: ModelConfig,
    priors: Mapping[str, MeasuredPrior],
    source: Source,
    size: tuple[int, int],
) -> tuple[ModelConfig, str]:
    """A network and the reason for it."""
    sharing, blur = priors.get(SHARING.prior), priors.get(BLUR.prior)
    if sharing is not None and sharing.high < 0:
        return replace(default, name="dense"), f"dense: {SHARING.prior} costs {sharing.words}"
    if blur is not None and blur.low > 0:
        widths = _narrower(source, size)
        options = {"downsampling": "blur", "widths": widths}
        listed = ", ".join(map(str, widths))
        reason = f"{BLUR.prior} is worth {blur.words}; its widths {listed} give it no more MACs"
        return replace(default, options=options), f"{default.name} with blur: {reason}"
    if sharing is None:
        return default, f"{default.name}, the default: there was no time to measure more"
    reason = f"{SHARING.prior} is worth {sharing.words}"
    if blur is not None:
        reason += f", {BLUR.prior} {blur.words}, which is not decided"
    return default, f"{default.name}, the default: {reason}"


def _narrower(source: Source, size: tuple[int, int]) -> tuple[int, ...]:
    """Widths of the default network with blurred downsampling at the MACs of that without."""
    height, width = size
    channels, classes = source.sheet.channels, max(2, len(source.classes))

    def macs(**options: object) -> int:
        with torch.device("meta"):
            network = build(
                ModelConfig().name,
                num_classes=classes,
                in_channels=channels,
                size=(height, width),
                options=options,
            )
        return cost(network, (channels, height, width)).macs

    most, first = macs(), 48
    while first > STEP and macs(downsampling="blur", widths=(first, 2 * first, 4 * first)) > most:
        first -= STEP
    return (first, 2 * first, 4 * first)


def _measured(source: Source, seconds: float) -> dict[str, MeasuredPrior]:
    """What the priors are worth, from as many trainings of their twins as there is time for."""
    if seconds < SHORTEST:
        return {}
    samples = labeled_images(source, None)
    n = min(IMAGES, samples.most)
    twins = (SHARING.without, SHARING.with_, BLUR.with_)
    plan = [Training(name, n, False, seed) for seed in range(SEEDS) for name in twins]
    done, last, end = Trainings(), 0.0, time.monotonic() + seconds
    for training in plan:
        began = time.monotonic()
        if began + last > end:
            break
        done.accuracy[training], _ = trained_accuracy(samples, training)
        last = time.monotonic() - began
    out = {}
    for contrast in (SHARING, BLUR):
        differences = done.differences(contrast, n, shuffled=False)
        if (interval := mean_interval(differences)) is not None:
            low, high = interval
            mean = float(np.mean(differences))
            out[contrast.prior] = MeasuredPrior(difference=mean, low=low, high=high, n=n)
    return out


# ---- what was measured before


def _file(fingerprint: str) -> Path:
    return default_folder() / "priors" / f"{fingerprint}.json"


def keep_priors(fingerprint: str, priors: Mapping[str, MeasuredPrior]) -> None:
    """Keep what was measured of a data set; where that fails, it is measured again.

    Args:
        fingerprint: of the data.
        priors: by name.
    """
    plain = {name: vars(p) for name, p in priors.items() if math.isfinite(p.low)}
    file = _file(fingerprint)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(plain), encoding="utf-8")
    except OSError:
        return


def kept_priors(fingerprint: str) -> dict[str, MeasuredPrior]:
    """What was measured of a data set before; nothing where that is unknown or damaged.

    Args:
        fingerprint: of the data.
    """
    try:
        plain = Fields(read_json(_file(fingerprint), limit=1 << 16), "priors", error=DataError)
        tables = {name: plain.table(name) for name in plain.values}
        return {
            name: MeasuredPrior(
                difference=t.number("difference", low=-1, high=1),
                low=t.number("low", low=-9, high=9),
                high=t.number("high", low=-9, high=9),
                n=t.integer("n", low=1),
            )
            for name, t in tables.items()
        }
    except DataError:
        return {}


# ---- images of twins


def split_names(opened: Source, part: str | None) -> list[str]:
    """Splits that samples are drawn from: no test sample chooses a network.

    Args:
        opened: the data.
        part: a split that was named.
    """
    return [part] if part else [n for n in ("train", "val") if len(opened.splits.get(n, ()))]


def labeled_images(opened: Source, part: str | None) -> LabeledImages:
    """Images as squares of 16 to 32 pixels per side, with their classes.

    Args:
        opened: the data.
        part: a split that was named.

    Raises:
        DataError: there are no labels, or fewer than 60 images of two classes.
    """
    splits = [opened.split(name) for name in split_names(opened, part)]
    y = np.concatenate([s.y for s in splits]) if splits else np.zeros(0, np.int64)
    named = printable(opened.path)
    if not opened.classes or (len(y) and (y < 0).all()):
        raise DataError(
            f"A prior is measured by its gain in accuracy, and `{named}` has no labels. Put the "
            "images of each class into a folder with the name of the class."
        )
    labeled = np.flatnonzero(y >= 0)
    if len(labeled) < LEAST or len(np.unique(y[labeled])) < 2:
        raise DataError(
            f"Measuring a prior needs {LEAST} images of two classes at least; "
            f"`{named}` has {len(labeled)} of {len(np.unique(y[labeled]))}. Add more."
        )
    rows = np.sort(np.random.default_rng([0, 0x9A]).permutation(labeled)[:MOST])
    starts = np.cumsum([0, *(len(s) for s in splits)])
    parts = []
    for split, start in zip(splits, starts, strict=False):
        own = rows[(rows >= start) & (rows < start + len(split))] - start
        parts += [squares(pixels(split, b)) for b in _blocks(own)]
    held = min(HELD_MOST, round(HELD_OUT * len(rows)))
    return LabeledImages(
        x=torch.cat(parts), y=y[rows], num_classes=len(opened.classes), held_out=held, rows=rows
    )


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[i : i + BLOCK] for i in range(0, len(rows), BLOCK)]
