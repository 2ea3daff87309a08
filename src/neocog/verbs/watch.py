"""A training as it goes, on standard error: a bar on a terminal, a line per epoch elsewhere.

Everything that trains takes one `progress`: True shows it so, False shows nothing, and a function
is called with every event.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from types import TracebackType
from typing import Any, Self

from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bar,
)

from neocog.render.terminal import screen
from neocog.runs.events import Decoded, Epoch, Event, Finished, Started
from neocog.tasks.pretext.table import METHODS
from neocog.training.augment import Augment
from neocog.training.loop import Step
from neocog.verbs.progress import Progress

__all__ = ["Progress", "Watch", "watching"]

REFRESH = 0.1
"""Seconds between two changes of the bar."""


class Watch:
    """Shows the events of a training."""

    def __init__(self) -> None:
        self.console = screen(err=True)
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task: TaskID | None = None
        self.finished: Finished | None = None
        self.images: TaskID | None = None
        self._drawn = 0.0
        self._seen = 0
        self._clock = 0.0

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None
    ) -> None:
        self.bar.stop()

    def __call__(self, event: Event | dict[str, Any] | str) -> None:
        """Show an event; a row of an epoch and words, as a fix has them, likewise."""
        match event:
            case str():
                self.say(event)
            case dict():
                self._epoch(Epoch(row=event))
            case Decoded():
                self._decoded(event)
            case Started():
                self._started(event)
            case Step():
                self._step(event)
            case Epoch():
                self._epoch(event)
            case Finished():
                self.finished = event
                self._finished()
                for note in event.notes:
                    self._note(note)

    def _decoded(self, event: Decoded) -> None:
        if self.images is None:
            self.images = self.bar.add_task("decoding", total=event.total, speed="images")
        self.bar.update(self.images, completed=event.done, total=event.total)
        if event.done >= event.total:
            self.bar.remove_task(self.images)
            self.images = None

    def _started(self, event: Started) -> None:
        experiment, recipe = event.experiment, event.experiment.recipe
        machine, splits = experiment.machine, experiment.source.splits
        counts = ", ".join(f"{len(s):,} {name}" for name, s in splits.items())
        size = " × ".join(str(n) for n in (*recipe.data.size, recipe.data.channels))
        classes = f"{len(experiment.source.classes)} classes"
        classes = "labels not used" if recipe.pretrain is not None else classes
        self._line(f"data     {recipe.data.path}: {counts}; {size}, {classes}")
        self._line(
            f"model    {recipe.model.name}: {experiment.cost.params:,} parameters, "
            f"{experiment.cost.macs / 1e6:.1f} M MACs per sample"
        )
        self._line(f"machine  {machine.device}, {machine.memory_format}, {machine.precision}")
        frozen = recipe.transfer is not None and recipe.transfer.freeze == "all"
        augment = "none (frozen features)" if frozen else _augmentations(experiment.augment)
        self._line(f"augment  {augment}")
        if recipe.pretrain is not None:
            method = recipe.pretrain.method
            self._line(f"method   {method}: {METHODS[method].about}")
        for note in event.notes:
            self._note(note)
        self.task = self.bar.add_task("training", total=event.steps, completed=event.done, speed="")
        self._clock = time.monotonic()

    def _step(self, step: Step) -> None:
        self._seen += step.samples
        now = time.monotonic()
        if now - self._drawn < REFRESH or self.task is None:
            return
        speed = self._seen / max(now - self._clock, 1e-9)
        self._drawn = now
        self.bar.update(
            self.task,
            completed=step.number,
            description=f"epoch {step.epoch}  loss {step.loss:.3f}",
            speed=f"{speed:,.0f} images/s",
        )

    def _epoch(self, event: Epoch) -> None:
        row = event.row
        val = f"  val {row['val_accuracy']:.2%}" if "val_accuracy" in row else ""
        if "embedding_std" in row:
            val = f"  kNN {row['knn_accuracy']:.2%}" if "knn_accuracy" in row else ""
            val += f"  std {row['embedding_std']:.2f}  rank {row['embedding_rank']:.1f}"
        self._line(
            f"epoch {row['epoch']:>3}  loss {row['train_loss']:.4f}{val}  "
            f"{row['images_per_second']:,.0f} images/s  {row['seconds']:.1f} s"
        )
        for note in event.notes:
            self._note(note)

    def _finished(self) -> None:
        if self.task is not None:
            self.bar.remove_task(self.task)
            self.task = None

    def say(self, text: str) -> None:
        """A line between two trainings."""
        self.console.print(f"[bold]{escape(text)}[/bold]")

    def _line(self, text: str) -> None:
        self.console.print(escape(text))

    def _note(self, text: str) -> None:
        self.console.print(f"[yellow]note[/yellow]     {escape(text)}")


@contextmanager
def watching(progress: Progress) -> Iterator[Callable[[Any], None]]:
    """What is called with every event.

    Args:
        progress: as given.
    """
    if progress is True:
        with Watch() as watch:
            yield watch
    else:
        yield progress or (lambda event: None)


def _augmentations(augment: Augment) -> str:
    """Those that change anything, and by how much."""
    values = {f.name: getattr(augment, f.name) for f in fields(Augment)}
    parts = [
        f"{k} {v:g}" if not isinstance(v, (bool, str)) else k
        for k, v in values.items()
        if v and k not in ("border", "erasing_size")
    ]
    return ", ".join(parts) or "none"
