"""Chapter F: fine-tuning, self-supervision, augmentation and priors, as small experiments."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from neocog.exhibits import Bars, Curve, Gallery
from neocog.lectures.evidence import Comparison, Evidence, LectureClaim
from neocog.lectures.material import (
    LabeledPart,
    Material,
    ShortTraining,
    accuracy_of,
    train_network,
)
from neocog.render.pixels import as_image
from neocog.stats import mean_interval
from neocog.tasks.pretext.method import Encoder, Pretext, Pretraining
from neocog.tasks.pretext.table import build_method
from neocog.training.augment import Augment, equalize
from neocog.training.label_symmetries import label_symmetries
from neocog.training.priors import LabeledImages, Training, measure
from neocog.training.views import suited_views

__all__ = ["CLAIMS"]

FEW, FEWER = 5, 2
"""Labeled images per class that remain for fine-tuning, from other labels and from none."""

SEEDS = 8
"""Of each experiment whose difference is decided by an interval."""

SMALL = "A small version: seconds of training, few images, {} seeds."


def fine_tuning(material: Material) -> Evidence:
    """F1: weights of half of the classes, fine-tuned on the other half."""
    half = material.num_classes // 2
    first, rest = (_classes(material.train, k) for k in (range(half), range(half, 2 * half)))
    test = _classes(material.test, range(half, 2 * half))
    start = train_network(
        material.build("lenet5_modern"), first, ShortTraining(steps=150, seed=material.seed)
    )
    tuned, scratch = [], []
    for seed in range(SEEDS):
        some = _few(rest, seed)
        tuned.append(_fitted(_with_new_head(start, seed), some, test, seed))
        scratch.append(_fitted(material.build("lenet5_modern", seed=1 + seed), some, test, seed))
    gain, missing = paired_gain("fine-tuned less from random weights", tuned, scratch)
    return Evidence(
        measured_on=f"{material.named}: weights of {half} classes, fine-tuned on {FEW} images of "
        "each other class",
        comparisons=gain,
        exhibits=[_both("fine-tuned", tuned, scratch)],
        missing=missing,
        note=f"{SMALL.format(SEEDS)} {_means(tuned, scratch)} Seeds draw the labeled images, "
        "the new layer and the order; the weights that are tuned are the same.",
    )


def self_supervision(material: Material) -> Evidence:
    """F2: pretraining without labels."""
    start = _pretrained(material)
    pretrained, scratch = [], []
    for seed in range(SEEDS):
        some = _few(material.train, seed, FEWER)
        pretrained.append(_fitted(_with_new_head(start, seed), some, material.test, seed))
        scratch.append(
            _fitted(material.build("lenet5_modern", seed=1 + seed), some, material.test, seed)
        )
    gain, missing = paired_gain(
        "pretrained by VICReg less from random weights", pretrained, scratch
    )
    return Evidence(
        measured_on=f"{len(material.train.y):,} images of {material.named} without labels, then "
        f"{FEWER} labels per class",
        comparisons=gain,
        exhibits=[_both("pretrained", pretrained, scratch)],
        missing=missing,
        note=f"{SMALL.format(SEEDS)} {_means(pretrained, scratch)} Seeds draw the labeled "
        "images, the new layer and the order; the pretrained weights are the same. "
        "`neocog pretrain` trains longer, and `train --init` goes on.",
    )


def _pretrained(material: Material) -> nn.Module:
    """A LeNet-5 whose layers but the last one are pretrained without labels."""
    net = material.build("lenet5_modern")
    name, head = [(k, m) for k, m in net.named_modules() if isinstance(m, nn.Linear)][-1]
    net.set_submodule(name, nn.Identity())
    encoder = Encoder(net, width=head.in_features)
    method = build_method("vicreg", encoder, channels=material.in_channels)
    how = ShortTraining(
        steps=250,
        seed=material.seed,
        task=Pretext(),
        views=method.views,
        augment=suited_views(material.in_channels, material.size),
    )
    train_network(Pretraining(encoder, method), material.train, how)
    net.set_submodule(name, head)
    return net


def augmentation(material: Material) -> Evidence:
    """F3: augmentation, and an augmentation that changes the label."""
    few = material.train.first(600)
    test = label_symmetries(
        few.x, few.y, num_classes=material.num_classes, steps=80,
        seed=material.seed,
    )  # fmt: skip
    rotation = next(s for s in test.each if s.name == "rotation")
    changed = [(s, c) for s in test.each for c in s.confusions]
    turned = [pair for pair in changed if pair[0].name == "rotation"]
    turned.sort(key=lambda pair: -pair[1].interval[0])
    some = material.train.first(300)
    plain, moved = (
        accuracy_of(
            train_network(material.build("lenet5_modern"), some, how),
            material.test.x, material.test.y,
        )
        for how in (
            ShortTraining(steps=200, seed=material.seed),
            ShortTraining(steps=200, seed=material.seed, augment=Augment(shift=2, rotate=10)),
        )
    )  # fmt: skip
    classes = material.opened.classes
    return Evidence(
        measured_on=material.named,
        comparisons=(
            Comparison(
                name="transformations that turn a class into another",
                value=len(changed),
                expected=1,
                relation=">=",
            ),
            Comparison(
                name="rotation that keeps every label, of 180°",
                value=rotation.kept,
                expected=180.0,
                relation="<",
                unit="°",
            ),
            Comparison(
                name="300 images with shifts and rotations: accuracy",
                value=moved,
                expected=plain - 0.01,
                relation=">",
                unit="%",
            ),
        ),
        exhibits=[
            Curve(
                title="does the data hold rotations?",
                x=list(rotation.amounts),
                lines={"relative probability": list(rotation.curve)},
                x_label="rotation (°)",
                y_label="%",
            ),
            Gallery(
                title="augmentation",
                captions=["image", "histogram equalized", "by 180°"],
                images=[
                    as_image(i)
                    for i in (
                        material.image,
                        equalize(material.image[None])[0],
                        material.image.flip((1, 2)),
                    )
                ],
            ),
        ],
        note="; ".join(
            f"{s.name} by {c.amount:g}°: {classes[c.label]} is recognized as "
            f"{classes[c.recognized_as]} ({100 * c.rate:.0f} %)"
            for s, c in turned[:4]
        ),
    )


def priors(material: Material) -> Evidence:
    """F4: a convolutional network against a dense one, also on shuffled pixels."""
    part = material.train
    samples = LabeledImages(
        x=part.x, y=np.asarray(part.y), num_classes=material.num_classes,
        held_out=min(500, len(part.y) // 4), rows=np.arange(len(part.y)),
    )  # fmt: skip
    n = min(300, samples.most)
    plan = [
        Training(twin, n, shuffled, seed)
        for seed in range(SEEDS)
        for twin in ("dense", "convolutional")
        for shuffled in (False, True)
    ]
    done = measure(samples, plan)
    each = {
        shuffled: [
            done.accuracy[Training("convolutional", n, shuffled, s)]
            - done.accuracy[Training("dense", n, shuffled, s)] for s in range(SEEDS)
        ]
        for shuffled in (False, True)
    }  # fmt: skip
    gains = {shuffled: float(np.mean(values)) for shuffled, values in each.items()}
    worth, missing = paired_gain("convolutional less dense", each[False], [0.0] * SEEDS)
    lost, also_missing = paired_gain(
        "half of that gain less the gain on shuffled pixels",
        [value / 2 for value in each[False]], each[True],
    )  # fmt: skip
    return Evidence(
        measured_on=f"{n} images of {material.named}, twins of equal size, {SEEDS} seeds",
        comparisons=worth + lost,
        exhibits=[
            Bars(title="what the prior is worth", names=["images", "shuffled pixels"], unit="%",
                series={"convolutional less dense": [gains[False], gains[True]]}),
        ],
        missing="; ".join(m for m in (missing, also_missing) if m),
        note="On shuffled pixels less than half of the gain may be left; `neocog priors DATA` "
        "measures more sizes and twins.",
    )  # fmt: skip


def paired_gain(
    name: str, better: Sequence[float], worse: Sequence[float]
) -> tuple[tuple[Comparison, ...], str]:
    """Whether one accuracy is above another over the same seeds, by the interval of the difference.

    Args:
        name: of the difference.
        better: one a seed, of what should be better.
        worse: the other, of the same seeds.

    Returns:
        what must hold; and what is not shown, where the interval includes 0. One of them is empty.
    """
    differences = [a - b for a, b in zip(better, worse, strict=True)]
    low, high = mean_interval(differences) or (-math.inf, math.inf)
    seeds = len(differences)
    if low <= 0 <= high:
        return (), (
            f"a difference: {name} is {100 * low:.1f} to {100 * high:.1f} pp in accuracy (95 % CI "
            f"over {seeds} seeds)"
        )
    lower = Comparison(
        name=f"{name}, accuracy: lower end of the 95 % CI over {seeds} seeds",
        value=low, expected=0.0, relation=">", unit="%",
    )  # fmt: skip
    return (lower,), ""


def _means(better: Sequence[float], worse: Sequence[float]) -> str:
    return f"Means: {100 * np.mean(better):.1f} % against {100 * np.mean(worse):.1f} %."


def _classes(part: LabeledPart, classes: range) -> LabeledPart:
    """Images of some classes, numbered from 0."""
    rows = (part.y >= classes.start) & (part.y < classes.stop)
    return LabeledPart(x=part.x[rows], y=part.y[rows] - classes.start)


def _few(part: LabeledPart, seed: int, each: int = FEW) -> LabeledPart:
    order = torch.randperm(len(part.y), generator=torch.Generator().manual_seed(seed))
    rows = torch.cat([order[part.y[order] == k][:each] for k in sorted(set(part.y.tolist()))])
    return LabeledPart(x=part.x[rows], y=part.y[rows])


def _with_new_head(network: nn.Module, seed: int) -> nn.Module:
    """A copy whose last linear layer is random again."""
    net = copy.deepcopy(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        [m for m in net.modules() if isinstance(m, nn.Linear)][-1].reset_parameters()
    return net


def _fitted(network: nn.Module, some: LabeledPart, test: LabeledPart, seed: int) -> float:
    how = ShortTraining(steps=60, lr=2e-3, seed=seed)
    return accuracy_of(train_network(network, some, how), test.x, test.y)


def _both(name: str, with_: list[float], without: list[float]) -> Bars:
    return Bars(
        title="held-out accuracy",
        names=[name, "from random weights"],
        series={f"seed {i}": [a, b] for i, (a, b) in enumerate(zip(with_, without, strict=True))},
        unit="%",
        high=1.0,
    )


CLAIMS = (
    LectureClaim(id="F1", decks=(1,), measure=fine_tuning, slow=True,
        text="Weights learned on another set are a better start than random ones."),
    LectureClaim(id="F2", decks=(1,), measure=self_supervision, slow=True,
        text="Self-supervised pretraining helps where labels are few."),
    LectureClaim(id="F3", decks=(1,), measure=augmentation, slow=True,
        text="Augmentation helps, unless it changes the label: a 6 is no 9."),
    LectureClaim(id="F4", decks=(0, 1, 2, 4), measure=priors, slow=True,
        text="With few images convolutions beat dense layers; on shuffled pixels they do not."),
)  # fmt: skip
"""In reading order."""
