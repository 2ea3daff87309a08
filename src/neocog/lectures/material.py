"""What claims are measured on: images of a data set, and small networks trained on them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from neocog.data.batches import pixels
from neocog.data.open import Source, open_data, parse_source
from neocog.data.samples import Samples
from neocog.data.split import Split
from neocog.errors import DataError, printable
from neocog.networks.catalog import build
from neocog.tasks.classify import Classification
from neocog.tasks.pretext.method import repeated
from neocog.tasks.task import Task
from neocog.training.augment import Augment
from neocog.training.label_symmetries import squares
from neocog.training.loop import StepPlan, fit, step_seed
from neocog.training.machine import Machine
from neocog.training.optimize import OptimizerConfig, ScheduleConfig, build_optimizer
from neocog.types import Batch

__all__ = ["Material", "ShortTraining", "accuracy_of", "random_network", "train_network"]

T = TypeVar("T")

LEAST = 200
"""Labeled images without which no claim is measured."""

TRAINED_ON, HELD_OUT = 2_000, 500
"""Images that networks are trained on, and others that they are measured on, at most."""

BATCH = 64


@dataclass(frozen=True, kw_only=True)
class LabeledPart:
    """Images with their classes.

    Args:
        x: in [0, 1], (N, C, S, S).
        y: class indices, int64, (N,).
    """

    x: Tensor
    y: Tensor

    def first(self, n: int) -> LabeledPart:
        """The first so many."""
        return LabeledPart(x=self.x[:n], y=self.y[:n])

    def of_class(self, k: int) -> Tensor:
        """The images of one class."""
        return self.x[self.y == k]

    @property
    def samples(self) -> Samples:
        """As audits and explainers take them."""
        return Samples.of((self.x, self.y))


class Material:
    """What claims are measured on; everything is made when it is first used.

    Args:
        source: `digits`, a folder or a file, labeled; squares of 16 to 32 pixels are cut from the
            middle of its images.
        seed: of weights, noise and draws.
    """

    def __init__(self, source: str = "digits", *, seed: int = 0) -> None:
        self.source, self.seed = source, seed
        self._made: dict[Hashable, object] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is made for several claims, made once and kept for as long as this material.

        Args:
            key: its name.
            make: called the first time.
        """
        if key not in self._made:
            self._made[key] = make()
        return cast(T, self._made[key])

    @cached_property
    def opened(self) -> Source:
        """The data set.

        Raises:
            DataError: it has fewer than 200 labeled images or a single class.
        """
        path, part = parse_source(self.source)
        opened = open_data(path, part=part)
        labeled = sum(int((s.y >= 0).sum()) for s in self._splits(opened))
        if labeled < LEAST or len(opened.classes) < 2:
            raise DataError(
                f"The claims are measured on {LEAST} labeled images of two classes at least; "
                f"`{printable(path)}` has {labeled} of {len(opened.classes)}. Bring more."
            )
        return opened

    @staticmethod
    def _splits(opened: Source) -> list[Split]:
        return [opened.splits[n] for n in ("train", "val", "test") if len(opened.splits.get(n, ()))]

    @cached_property
    def _all(self) -> LabeledPart:
        parts = list[LabeledPart]()
        budget = TRAINED_ON + HELD_OUT
        for split in self._splits(self.opened):
            rows = np.flatnonzero(split.y >= 0)
            order = np.random.default_rng([self.seed, 0x1EC7]).permutation(rows)[:budget]
            y = torch.from_numpy(np.ascontiguousarray(split.y[order], np.int64))
            parts.append(LabeledPart(x=squares(pixels(split, order)), y=y))
        mixed = torch.randperm(
            sum(len(p.y) for p in parts), generator=torch.Generator().manual_seed(self.seed)
        )[:budget]
        x, y = torch.cat([p.x for p in parts]), torch.cat([p.y for p in parts])
        return LabeledPart(x=x[mixed], y=y[mixed])

    @property
    def _held(self) -> int:
        return min(HELD_OUT, len(self._all.y) // 4)

    @cached_property
    def train(self) -> LabeledPart:
        """Images that networks are trained on."""
        return LabeledPart(x=self._all.x[self._held :], y=self._all.y[self._held :])

    @cached_property
    def test(self) -> LabeledPart:
        """Others, that they are measured on."""
        return self._all.first(self._held)

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.opened.classes)

    @property
    def in_channels(self) -> int:
        """C."""
        return int(self.train.x.shape[1])

    @property
    def size(self) -> tuple[int, int]:
        """(S, S), of the squares."""
        return int(self.train.x.shape[2]), int(self.train.x.shape[3])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, S, S)."""
        return (self.in_channels, *self.size)

    @cached_property
    def image(self) -> Tensor:
        """One image, (C, S, S): the held-out one of the most contrast."""
        return self.test.x[int(self.test.x.flatten(1).std(1).argmax())]

    @cached_property
    def sheet(self) -> Tensor:
        """Sixteen held-out images side by side as one of four times the side, (C, 4S, 4S)."""
        c, h, w = self.shape
        tiles = self.test.x[:16].view(4, 4, c, h, w)
        return tiles.permute(2, 0, 3, 1, 4).reshape(c, 4 * h, 4 * w).contiguous()

    @property
    def named(self) -> str:
        """The data, in words."""
        return f"{printable(self.source)}, {self.size[0]} × {self.size[1]} pixels"

    def build(
        self, name: str, options: Mapping[str, object] | None = None, *, seed: int = 0
    ) -> nn.Module:
        """A network of the catalog for these images, with random weights.

        Args:
            name: of the network.
            options: of the network.
            seed: of its weights, beside that of the material.
        """
        return random_network(name, self, seed=self.seed + seed, options=options or {})

    def trained(self, name: str, options: Mapping[str, object] | None = None) -> nn.Module:
        """The same, trained for a few seconds; the same network is trained once.

        Args:
            name: of the network.
            options: of the network.
        """
        chosen = dict(options or {})

        def make() -> nn.Module:
            network = random_network(name, self, seed=self.seed, options=chosen)
            return train_network(network, self.train, ShortTraining(seed=self.seed))

        return self.once(("trained", name, tuple(sorted(chosen.items()))), make)

    @cached_property
    def classifier(self) -> nn.Module:
        """A LeNet-5 in its modern form, trained on these images."""
        return self.trained("lenet5_modern")


def random_network(
    name: str, material: Material, *, seed: int, options: Mapping[str, object]
) -> nn.Module:
    """A network with the random weights of a seed; the global random state is left as it was.

    Args:
        name: of the catalog.
        material: images that it takes.
        seed: of the weights.
        options: of the network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(step_seed(seed, 0))
        return build(
            name,
            num_classes=material.num_classes,
            in_channels=material.in_channels,
            size=material.size,
            options=options,
        ).eval()


@dataclass(frozen=True, kw_only=True)
class ShortTraining:
    """A short training.

    Args:
        steps: of the optimizer, with 64 samples each.
        lr: learning rate at its peak.
        optimizer: its name.
        augment: augmentation; none by default.
        task: what is learned.
        views: of each image in a batch, for self-supervised tasks.
        seed: of the batches and of augmentation.
    """

    steps: int = 300
    lr: float = 3e-3
    optimizer: str = "adamw"
    augment: Augment = field(default_factory=Augment)
    task: Task = field(default_factory=lambda: Classification("cross_entropy", 0.0))
    views: int = 1
    seed: int = 0


def train_network(network: nn.Module, part: LabeledPart, training: ShortTraining) -> nn.Module:
    """Train a network in place, and return it in evaluation mode.

    Args:
        network: from images to what the task takes.
        part: images and targets.
        training: how.
    """

    def feed(epoch: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(step_seed(training.seed, epoch, stream=2))
        passes = -(-training.steps * BATCH // len(part.x))
        order = torch.cat([torch.randperm(len(part.x), generator=generator) for _ in range(passes)])
        for rows in torch.split(order[: training.steps * BATCH], BATCH):
            yield Batch(part.x[rows], part.y[rows], rows)

    optimizer = OptimizerConfig(name=training.optimizer, lr=training.lr, weight_decay=0.01)
    for _ in fit(
        network,
        feed if training.views == 1 else lambda epoch: repeated(feed(epoch), training.views),
        build_optimizer(network, optimizer),
        plan=StepPlan(steps=training.steps, steps_per_epoch=training.steps, seed=training.seed),
        schedule=ScheduleConfig(name="cosine", warmup=0.1),
        task=training.task,
        augmentation=training.augment,
        machine=Machine(precision="float32"),
        max_grad_norm=1.0,
    ):
        pass
    return network.eval()


def accuracy_of(network: nn.Module, x: Tensor, y: Tensor) -> float:
    """Fraction of images that are classified correctly.

    Args:
        network: from images to logits.
        x: (N, C, S, S).
        y: (N,).
    """
    network.eval()
    with torch.inference_mode():
        predicted = torch.cat([network(part).argmax(1) for part in torch.split(x, 256)])
    return float((predicted == y).double().mean())
