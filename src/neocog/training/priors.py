"""What a prior is worth: twins with and without it, trained on the same samples.

Each seed draws which samples are trained on and which are held out, the same ones for every twin,
so that differences are paired. All twins get the same number of steps, the same optimizer and no
augmentation, which would be a prior of its own. Shuffled pixels are those of the same images, in
one fixed order for all of them: what an image holds is all there, and its neighborhoods are gone.

Nested training sets of growing size make the learning curve of a twin. "As good as N times the
labels" is read off the curve of the twin without the prior: how many samples it needs for the
accuracy that the twin with the prior has, interpolated over the logarithm of their number.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.networks.twins import TWINS, DeepTwin, twin
from neocog.stats import mean_interval
from neocog.tasks.classify import Classification
from neocog.training.augment import Augment
from neocog.training.linear import fit_linear
from neocog.training.loop import StepPlan, fit, step_seed
from neocog.training.machine import Machine
from neocog.training.optimize import OptimizerConfig, ScheduleConfig, build_optimizer
from neocog.types import Batch

__all__ = [
    "CONTRASTS",
    "PRETRAINED",
    "Contrast",
    "LabeledImages",
    "Labels",
    "Training",
    "Trainings",
    "draw",
    "gradient_norms",
    "labels_worth",
    "measure",
    "trained_accuracy",
]

BATCH = 64
"""Samples of a step."""

PRETRAINED = "pretrained"
"""In place of a twin: a linear classifier on features of a pretrained network."""

_PIXELS = 0x5AFF
"""Seed of the one order in which pixels are shuffled."""

_EVALUATED = 512
"""Samples of a forward pass."""

RATE, DECAY = 4e-3, 0.05
"""Learning rate and weight decay of AdamW, the same for all twins."""


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A prior, and the two twins that differ in nothing else.

    Args:
        prior: in the field's words.
        with_: twin that has it.
        without: twin that has not.
    """

    prior: str
    with_: str
    without: str


CONTRASTS = (
    Contrast(prior="weight sharing and locality", with_="convolutional", without="dense"),
    Contrast(prior="locality", with_="local", without="dense"),
    Contrast(prior="weight sharing", with_="convolutional", without="local"),
    Contrast(prior="anti-aliased downsampling", with_="anti-aliased", without="convolutional"),
    Contrast(prior="batch norm", with_="deep, batch norm", without="deep"),
    Contrast(prior="residual connections", with_="deep, residual", without="deep"),
    Contrast(
        prior="residual connections, with batch norm",
        with_="deep, residual, batch norm",
        without="deep, batch norm",
    ),
    Contrast(prior="pretrained weights", with_=PRETRAINED, without="convolutional"),
)
"""In reading order."""


@dataclass(frozen=True)
class Training:
    """One training: what it is of.

    Args:
        twin: one of `TWINS`, or `PRETRAINED`.
        n: samples that are trained on.
        shuffled: whether the pixels are.
        seed: of the draw, the weights and the batches.
    """

    twin: str
    n: int
    shuffled: bool
    seed: int

    @property
    def steps(self) -> int:
        """Of the optimizer: more for more samples, by their root; half for deep twins, which have
        four times as many layers.
        """
        return round((4 if self.twin.startswith("deep") else 8) * math.sqrt(self.n))


@dataclass(frozen=True, eq=False, kw_only=True)
class LabeledImages:
    """Labeled images.

    Args:
        x: in [0, 1], (N, C, H, W).
        y: class indices, (N,).
        num_classes: K.
        held_out: how many of them a draw holds out.
        rows: where they stand in the data they are from, (N,).
        features: of a pretrained network, (N, D); or None.
    """

    x: Tensor
    y: np.ndarray
    num_classes: int
    held_out: int
    rows: np.ndarray
    features: Tensor | None = None

    def with_features(self, features: Tensor) -> LabeledImages:
        """The same with features of a pretrained network, (N, D)."""
        return replace(self, features=features)

    @property
    def most(self) -> int:
        """Samples that can be trained on."""
        return len(self.y) - self.held_out


@dataclass(frozen=True, kw_only=True)
class Labels:
    """How many times the labels a prior is worth.

    Args:
        times: the factor; a geometric mean over seeds.
        interval: 95 %, of Student's t over seeds on a logarithmic scale; None with a single seed,
            or where a seed is out of range.
        bound: "at least" or "at most" where the learning curve of the twin without the prior ends
            before it reaches the accuracy, in any seed; else empty.
    """

    times: float
    interval: tuple[float, float] | None = None
    bound: str = ""


@dataclass(eq=False)
class Trainings:
    """Accuracies of what has been trained so far.

    Args:
        accuracy: held-out, of each training.
        params: of each twin.
    """

    accuracy: dict[Training, float] = field(default_factory=dict)
    params: dict[str, int] = field(default_factory=dict)

    def seeds(self, twin: str, n: int, *, shuffled: bool = False) -> dict[int, float]:
        """Accuracy of each seed that was trained."""
        return {
            t.seed: a
            for t, a in sorted(self.accuracy.items(), key=lambda item: item[0].seed)
            if (t.twin, t.n, t.shuffled) == (twin, n, shuffled)
        }

    def sizes(self, twin: str, *, shuffled: bool = False) -> list[int]:
        """Numbers of samples that a twin was trained on."""
        return sorted({t.n for t in self.accuracy if (t.twin, t.shuffled) == (twin, shuffled)})

    def differences(self, contrast: Contrast, n: int, *, shuffled: bool) -> list[float]:
        """With the prior minus without, of each seed that both were trained with."""
        a, b = (self.seeds(t, n, shuffled=shuffled) for t in (contrast.with_, contrast.without))
        return [a[seed] - b[seed] for seed in a if seed in b]

    def curve(self, twin: str, seed: int) -> list[tuple[int, float]]:
        """Learning curve of one seed, on the images as they are."""
        points = ((n, self.seeds(twin, n).get(seed)) for n in self.sizes(twin))
        return [(n, a) for n, a in points if a is not None]


def draw(samples: LabeledImages, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which samples are held out, and the order in which others are trained on.

    The first n of that order are a draw of n samples in which each class has as many as its share.

    Args:
        samples: labeled.
        seed: of the draw.
    """
    rng = np.random.default_rng([seed, 0x9210])
    at = np.empty(len(samples.y))
    for k in np.unique(samples.y).tolist():
        rows = rng.permutation(np.flatnonzero(samples.y == k))
        at[rows] = (np.arange(len(rows)) + rng.random(len(rows))) / len(rows)
    order = np.argsort(at, kind="stable")
    return order[: samples.held_out], order[samples.held_out :]


def measure(
    samples: LabeledImages,
    trainings: Sequence[Training],
    *,
    seconds: float = math.inf,
    least: int = 0,
    callback: Callable[[int, int], None] | None = None,
) -> Trainings:
    """Train twins, one after the other.

    Args:
        samples: that are drawn from.
        trainings: in the order of their importance.
        seconds: limit; what would take longer by the speed of its twin so far is left out.
        least: so many of the first are done whatever the time.
        callback: called with (trainings done, trainings in all).
    """
    began, done = time.monotonic(), Trainings()
    pace: dict[str, float] = {}
    for i, training in enumerate(trainings):
        since = time.monotonic()
        predicted = pace.get(training.twin, 0.0) * training.steps
        if i >= least and since - began + predicted > seconds:
            continue
        accuracy, params = trained_accuracy(samples, training)
        done.accuracy[training] = accuracy
        done.params[training.twin] = params
        pace[training.twin] = (time.monotonic() - since) / training.steps
        if callback is not None:
            callback(i + 1, len(trainings))
    return done


def trained_accuracy(samples: LabeledImages, training: Training) -> tuple[float, int]:
    """Train one twin; its accuracy on what its draw holds out, and its parameters.

    Args:
        samples: that are drawn from.
        training: what to do.
    """
    held, order = draw(samples, training.seed)
    rows = order[: training.n]
    if training.twin == PRETRAINED:
        return _pretrained_accuracy(samples, rows, held, training.seed)
    x, test = (_pixels(samples, part, shuffled=training.shuffled) for part in (rows, held))
    mean, std = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True).clamp(min=1e-3)
    x, test = (x - mean) / std, (test - mean) / std
    net = _built(samples, training.twin, training.seed)
    if isinstance(net, DeepTwin):
        x, test = x.contiguous(), test.contiguous()
    y = torch.from_numpy(np.ascontiguousarray(samples.y[rows], np.int64))
    _train(net, x, y, training)
    truth = torch.from_numpy(np.ascontiguousarray(samples.y[held], np.int64))
    with torch.inference_mode():
        predicted = torch.cat([net(part).argmax(1) for part in torch.split(test, _EVALUATED)])
    accuracy = float((predicted == truth).double().mean())
    return accuracy, sum(p.numel() for p in net.parameters())


def gradient_norms(samples: LabeledImages, *, seeds: int) -> dict[str, tuple[float, ...]]:
    """L2 norm of the gradient of each convolution of the deep twins, before the first step.

    Args:
        samples: a batch of which is drawn from.
        seeds: of weights and batches; the norm is a geometric mean over them.

    Returns:
        Name of a twin to a norm a convolution, from the first to the last.
    """
    out = {}
    for name in TWINS:
        logs = []
        for seed in range(seeds):
            net = _built(samples, name, seed)
            if not isinstance(net, DeepTwin):
                break
            rows = draw(samples, seed)[1][:256]
            x = _pixels(samples, rows, shuffled=False)
            x = (x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), keepdim=True).clamp(1e-3)
            target = torch.from_numpy(np.ascontiguousarray(samples.y[rows], np.int64))
            loss = F.cross_entropy(net.train()(x), target)
            weights = [block.get_parameter("0.weight") for block in net.blocks]
            gradients = torch.autograd.grad(loss, weights)
            logs.append([math.log(max(g.norm().item(), 1e-30)) for g in gradients])
        if logs:
            out[name] = tuple(np.exp(np.mean(logs, axis=0)).tolist())
    return out


def labels_worth(trainings: Trainings, contrast: Contrast, n: int) -> Labels | None:
    """How many times the labels the twin without a prior needs for the accuracy with it.

    Args:
        trainings: with the learning curve of the twin without.
        contrast: the prior.
        n: samples that the twin with it was trained on.

    Returns:
        None where there is no curve, or one that ends below the accuracy and has no larger n.
    """
    logs, bounds = list[float](), list[str]()
    for seed, accuracy in trainings.seeds(contrast.with_, n).items():
        curve = trainings.curve(contrast.without, seed)
        if len(curve) < 2:
            continue
        needed, bound = _needed(curve, accuracy)
        if bound == "at least" and needed <= n:
            return None  # nothing is known of more samples
        logs.append(math.log(needed / n))
        bounds.append(bound)
    if not logs:
        return None
    kinds = {b for b in bounds if b}
    times = math.exp(sum(logs) / len(logs))
    if len(kinds) > 1:
        return None  # above the curve in one seed, below it in another
    if kinds:
        return Labels(times=times, bound=kinds.pop())
    interval = mean_interval(logs)
    return Labels(
        times=times,
        interval=None if interval is None else (math.exp(interval[0]), math.exp(interval[1])),
    )


def _needed(curve: Sequence[tuple[int, float]], accuracy: float) -> tuple[float, str]:
    """Samples at which a learning curve reaches an accuracy, and the bound where it does not."""
    best = list(itertools.accumulate((a for _, a in curve), max))  # more labels are never worse
    if accuracy > best[-1]:
        return float(curve[-1][0]), "at least"
    if accuracy <= best[0]:
        return float(curve[0][0]), "" if accuracy == best[0] else "at most"
    i = next(i for i, b in enumerate(best) if b >= accuracy)
    low, high = math.log(curve[i - 1][0]), math.log(curve[i][0])
    part = (accuracy - best[i - 1]) / (best[i] - best[i - 1])
    return math.exp(low + part * (high - low)), ""


def _pretrained_accuracy(
    samples: LabeledImages, rows: np.ndarray, held: np.ndarray, seed: int
) -> tuple[float, int]:
    assert samples.features is not None
    fitted = fit_linear(samples.features[rows], samples.y[rows], samples.num_classes, seed=seed)
    predicted = fitted.logits(samples.features[held]).argmax(1).numpy()
    params = (samples.features.shape[1] + 1) * samples.num_classes
    return float((predicted == samples.y[held]).mean()), params


def _pixels(samples: LabeledImages, rows: np.ndarray, *, shuffled: bool) -> Tensor:
    x = samples.x[torch.from_numpy(np.ascontiguousarray(rows))]
    if shuffled:
        order = np.random.default_rng(_PIXELS).permutation(x[0, 0].numel())
        x = x.flatten(2)[:, :, torch.from_numpy(order)].view_as(x)
    return x.contiguous(memory_format=torch.channels_last)


def _built(samples: LabeledImages, name: str, seed: int) -> nn.Module:
    """A twin with the random weights of a seed; the global random state is left as it was."""
    state = torch.get_rng_state()
    torch.manual_seed(step_seed(seed, -1))
    try:
        net = twin(
            name,
            num_classes=samples.num_classes,
            in_channels=samples.x.shape[1],
            size=(samples.x.shape[2], samples.x.shape[3]),
        )
    finally:
        torch.set_rng_state(state)
    # Narrow stacks with batch norm are slower in channels_last.
    layout = torch.contiguous_format if isinstance(net, DeepTwin) else torch.channels_last
    return net.to(memory_format=layout)  # type: ignore[call-overload, no-any-return]


def _train(net: nn.Module, x: Tensor, y: Tensor, training: Training) -> None:
    def feed(epoch: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(step_seed(training.seed, epoch, stream=2))
        passes = -(-training.steps * BATCH // len(x))
        order = torch.cat([torch.randperm(len(x), generator=generator) for _ in range(passes)])
        for rows in torch.split(order[: training.steps * BATCH], BATCH):
            yield Batch(x[rows], y[rows], rows)

    steps = training.steps
    for _ in fit(
        net,
        feed,
        build_optimizer(net, OptimizerConfig(name="adamw", lr=RATE, weight_decay=DECAY)),
        plan=StepPlan(steps=steps, steps_per_epoch=steps, seed=training.seed),
        schedule=ScheduleConfig(name="cosine", warmup=0.1),
        task=Classification("cross_entropy", 0.0),
        augmentation=Augment(),
        machine=Machine(precision="bfloat16"),
        max_grad_norm=1.0,
    ):
        pass
    net.eval()
