"""Learn to tell which transformation was applied to an image, and of which class it is.

A network that sees T x and says how probable each T is knows how the data is distributed over T:
where images of every orientation occur, nobody can tell that one was rotated. So its predictions
measure the symmetries of a data set, without an assumption on what the images show.

Source: S. Gidaris, P. Singh, N. Komodakis, "Unsupervised Representation Learning by Predicting
Image Rotations", ICLR 2018, where rotations are predicted to learn features.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.layers.blocks import conv_norm_activation
from neocog.symmetry.families import FAMILIES, Family
from neocog.tasks.task import Target
from neocog.training.augment import Augment
from neocog.training.loop import StepPlan, fit, step_seed
from neocog.training.machine import Machine
from neocog.training.optimize import ScheduleConfig
from neocog.types import Batch

__all__ = ["AmountNet", "AmountPrediction", "Predicted", "predict_amounts", "train_amount_net"]

BATCH = 96
"""Images of a step, each seen twice: with any element of its family, and unchanged."""

_WEIGHTS = {"orientation": 3}
"""Images of a family in a batch, against 1 for every other: it has the most elements."""


class AmountNet(nn.Module):
    """Images to logits of each family's elements and of the classes.

    Args:
        in_channels: of the images.
        side: of the square images, 16 or more.
        num_classes: may be 0.
        mean: of all pixels.
        std: of all pixels.
        families: what may have been applied.
    """

    def __init__(
        self,
        in_channels: int,
        side: int,
        *,
        num_classes: int,
        mean: float,
        std: float,
        families: tuple[Family, ...] = FAMILIES,
    ) -> None:
        super().__init__()
        self.families = families
        self.mean, self.std = mean, max(std, 1e-3)
        self.body = nn.Sequential(
            conv_norm_activation(in_channels, 32, kernel_size=5, stride=2),
            conv_norm_activation(32, 64, kernel_size=3),
            nn.MaxPool2d(2),
            conv_norm_activation(64, 128, kernel_size=3),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.LazyLinear(128),
            nn.ReLU(),
            nn.Dropout(0.3),
        )
        self.sizes = [*(f.count for f in families), num_classes]
        self.head = nn.Linear(128, sum(self.sizes))
        with torch.no_grad():
            self.eval()(torch.zeros(1, in_channels, side, side))

    def forward(self, x: Float[Tensor, "B C S S"]) -> Float[Tensor, "B K"]:
        """Logits of all families one after the other, then of the classes."""
        logits: Tensor = self.head(self.body((x - self.mean) / self.std))
        return logits

    def split(self, logits: Float[Tensor, "B K"]) -> list[Tensor]:
        """Logits of each family, then of the classes."""
        return list(torch.split(logits.float(), self.sizes, dim=1))


@dataclass(frozen=True)
class _Output:
    logits: Tensor
    element: Tensor
    family: Tensor


@dataclass(frozen=True)
class AmountPrediction:
    """The task: which element of its family was applied to an image, and what is its class.

    The class is learned from images to which nothing was applied.

    Args:
        families: one of them is applied to each image.
    """

    families: tuple[Family, ...] = FAMILIES
    paired: bool = False
    targets: tuple[str, ...] = ("class", "none")

    def forward(self, model: nn.Module, x: Float[Tensor, "B C S S"]) -> _Output:
        """Logits of each image with an element applied, and of each image without."""
        with torch.autocast(x.device.type, enabled=False):
            seen, element, family = self._views(x)
        return _Output(model(seen), element, family)

    def loss(self, output: _Output, target: Target) -> Tensor:
        """Cross-entropy of the elements, a mean over images, and of the classes."""
        assert isinstance(output, _Output)
        n = len(output.element)
        sizes = [*self._counts, output.logits.shape[1] - sum(self._counts)]
        *logits, labels = torch.split(output.logits.float(), sizes, dim=1)
        total: Tensor = labels.new_zeros(())
        for i, part in enumerate(logits):
            rows = output.family == i
            total = total + F.cross_entropy(part[:n][rows], output.element[rows], reduction="sum")
        total = total / n
        if labels.shape[1]:
            total = total + F.cross_entropy(labels[n:], target.target(labels.shape[1]))
        return total

    @property
    def _counts(self) -> list[int]:
        return [f.count for f in self.families]

    def _views(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weights = [_WEIGHTS.get(f.name, 1) for f in self.families]
        turns = [i for i, w in enumerate(weights) for _ in range(w)]
        family = torch.tensor(list(itertools.islice(itertools.cycle(turns), len(x))))
        element = torch.empty(len(x), dtype=torch.int64)
        seen = x.new_empty(2 * len(x), *x.shape[1:])
        for i, f in enumerate(self.families):
            rows = (family == i).nonzero()[:, 0]
            if not len(rows):
                continue
            element[rows] = torch.randint(f.count, rows.shape)
            none = torch.full(rows.shape, f.identity)
            within = torch.rand(2, len(rows)) - 0.5
            seen[rows] = f.views(x[rows], element[rows], within[0])
            seen[rows + len(x)] = f.views(x[rows], none, within[1])
        return seen.contiguous(memory_format=torch.channels_last), element, family


def train_amount_net(
    net: AmountNet,
    x: Float[Tensor, "B C S S"],
    y: Int[Tensor, " B"],
    *,
    steps: int,
    seed: int = 0,
    callback: Callable[[int, int], None] | None = None,
) -> None:
    """Train the network in place, on the processor.

    Args:
        net: with random weights.
        x: square images in [0, 1].
        y: class indices; of no meaning where the network has no classes.
        steps: of 96 images.
        seed: of the order and of what is applied.
        callback: called with (steps done, steps in all).
    """

    def feed(epoch: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(step_seed(seed, epoch, stream=2))
        for _ in range(steps):
            rows = torch.randint(len(x), (BATCH,), generator=generator)
            yield Batch(x[rows], y[rows], rows)

    task = AmountPrediction(net.families)
    optimizer = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=0.05)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for step in fit(
        net,
        feed,
        optimizer,
        plan=StepPlan(steps=steps, steps_per_epoch=steps, seed=seed),
        schedule=ScheduleConfig(name="cosine", warmup=0.2),
        task=task,
        augmentation=Augment(),
        machine=Machine(precision="bfloat16"),
        max_grad_norm=5.0,
    ):
        if callback is not None:
            callback(step.number, steps)
    net.eval()


@dataclass(frozen=True)
class Predicted:
    """What the network says of images to which each element of a family was applied.

    Args:
        family: of transformations.
        elements: probability of each element, (B, applied, predicted).
        classes: probability of each class, (B, applied, K).
        unchanged: probability of each class, of the image without, at another position within
            the bin, (B, K).
    """

    family: Family
    elements: Tensor
    classes: Tensor
    unchanged: Tensor


@torch.no_grad()
def predict_amounts(
    net: AmountNet,
    family: Family,
    x: Float[Tensor, "B C S S"],
    *,
    seed: int = 0,
    batch: int = 512,
) -> Predicted:
    """Every element of a family applied to held-out images.

    Probabilities are calibrated by a temperature (Guo et al. 2017).

    Args:
        net: trained.
        family: one of the network's.
        x: square images in [0, 1] that it was not trained on.
        seed: of positions within a bin.
        batch: images at a time.
    """
    which = net.families.index(family)
    generator = torch.Generator().manual_seed(step_seed(seed, which, stream=3))
    logits, labels = [], []
    for element in (*range(family.count), family.identity):
        parts = []
        for some in torch.split(x, batch):
            within = torch.rand(len(some), generator=generator) - 0.5
            seen = family.views(some, torch.full((len(some),), element), within)
            parts.append(net(seen.contiguous(memory_format=torch.channels_last)))
        each = net.split(torch.cat(parts))
        logits.append(each[which])
        labels.append(each[-1])
    applied = torch.stack(logits[:-1], 1)
    classes = torch.stack(labels, 1).softmax(-1)
    elements = (applied / _temperature(applied)).softmax(-1)
    return Predicted(family, elements, classes[:, :-1], classes[:, -1])


def _temperature(logits: Float[Tensor, "B n n"]) -> float:
    """By which logits are divided so that the log-likelihood of what was applied is largest."""
    applied = torch.arange(logits.shape[1]).expand(logits.shape[:2]).flatten()
    grid = torch.logspace(-0.5, 1.0, 31).tolist()
    losses = [F.cross_entropy(logits.flatten(0, 1) / t, applied).item() for t in grid]
    return float(grid[losses.index(min(losses))])
