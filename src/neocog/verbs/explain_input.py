"""What is explained: a model, opened, and the pictures it is shown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from neocog.data.batches import pixels
from neocog.data.open import open_data, parse_place
from neocog.data.samples import Samples
from neocog.data.split import Split
from neocog.errors import DataError, ModelError, UsageError, did_you_mean, printable
from neocog.networks.model import Model
from neocog.probe.activations import find_layer
from neocog.runs.opened import open_model
from neocog.runs.trained import Trained

__all__ = ["Explained", "Place", "Shown", "open_explained", "samples_of", "shown_pictures"]

Place = str | os.PathLike[str]
Pictures = Place | Sequence[Place] | Tensor | np.ndarray | None


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A model that can be looked into.

    Args:
        module: values in [0, 1] to answers.
        title: as it was named.
        task: classify, segment or regress.
        classes: names of the outputs; empty where nobody knows.
        shape: (C, H, W) of what it takes; None where it takes any.
        trained: the model as it was opened; None for a module.
    """

    module: nn.Module
    title: str
    task: str
    classes: tuple[str, ...] = ()
    shape: tuple[int, ...] | None = None
    trained: Trained | None = None

    def inner(self, layer: str) -> str:
        """The name of a layer in the module, from the one that the user knows.

        Raises:
            ModelError: there is no such layer.
        """
        if not isinstance(self.module, Model):
            find_layer(self.module, layer)
            return layer
        known = dict(self.module.network.named_modules(remove_duplicate=False))
        own = layer if layer in known else layer.removeprefix("network.")
        find_layer(self.module.network, own)
        return f"network.{own}"

    def label(self, layer: str) -> str:
        """A layer as the user knows it, without the wrapper that normalises."""
        return layer.removeprefix("network.") if isinstance(self.module, Model) else layer

    def target(self, wanted: int | str | None) -> int | None:
        """The number of an output, from its name or number.

        Raises:
            UsageError: there is no such class.
        """
        if wanted is None or isinstance(wanted, int):
            return wanted
        if wanted in self.classes:
            return self.classes.index(wanted)
        if wanted.isascii() and wanted.isdigit():
            return int(wanted)
        raise UsageError(
            f"A class is the name or the number of an output; `{printable(wanted)}` is none. "
            + (did_you_mean(wanted, self.classes) if self.classes else "Give its number.")
        )


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Pictures, as the model takes them.

    Args:
        x: (B, C, H, W) or (B, C, N), in [0, 1].
        names: one a picture.
        skipped: names of files that cannot be used, and why.
        left: pictures that were named and are not looked at.
    """

    x: Tensor
    names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    left: int = 0


def open_explained(model: Place | Trained | nn.Module, task: str) -> Explained:
    """A model, whatever it is.

    Args:
        model: a place, what `open_model` opened, or any module.
        task: of a module.

    Raises:
        ModelError: it cannot be opened, or is a black box.
    """
    if isinstance(model, nn.Module):
        if isinstance(model, Model):
            c = model.contract
            shape = (c.signal.channels, *c.signal.size)
            title = type(model.network).__name__
            return Explained(module=model, title=title, task=c.task, classes=c.classes, shape=shape)
        return Explained(module=model, title=type(model).__name__, task=task)
    trained = model if isinstance(model, Trained) else open_model(model)
    if trained.black_box:
        raise ModelError(
            f"Explaining looks at layers and gradients; `{printable(trained.place)}` is a black "
            "box that only answers. Take the network that it was exported from."
        )
    c = trained.contract
    return Explained(
        module=trained.module,
        title=printable(trained.place),
        task=c.task,
        classes=c.classes,
        shape=(c.signal.channels, *c.signal.size),
        trained=trained,
    )


def samples_of(of: Explained, data: Place | Split | Samples | Tensor, *, strict: bool) -> Samples:
    """Data as the model takes it.

    Args:
        of: the model.
        data: a place (`DATA:val` picks a split, the test split else), a split, samples or values.
        strict: stop at the first picture that cannot be used.

    Raises:
        DataError: the data cannot be opened or has no such split.
    """
    if not isinstance(data, (str, os.PathLike)):
        return Samples.of(data)
    if of.trained is not None and of.task == "classify":
        return Samples.of(of.trained.samples(data, strict=strict).split)
    where, name = parse_place(data)
    size = None if of.shape is None else (of.shape[1], of.shape[2])
    fit = of.trained.contract.signal.fit if of.trained is not None else "cover"
    source = open_data(
        where,
        size=size,
        channels=None if of.shape is None else of.shape[0],
        fit=fit,
        strict=strict,
    )
    split = source.split(name or "test")
    return Samples(split, None, split.names)


def shown_pictures(
    of: Explained, pictures: Pictures, samples: Samples | None, *, n: int, seed: int, strict: bool
) -> Shown | None:
    """The pictures to look at: those that were named, else some of the data; None without both.

    Args:
        of: the model.
        pictures: files and folders, single samples as `DATA:test[17]`, or values (B, C, H, W).
        samples: of the data.
        n: pictures at most.
        seed: of the draw from the data.
        strict: stop at the first picture that cannot be used.

    Raises:
        DataError: none of the files can be used, or with `strict` one of them.
    """
    if isinstance(pictures, (Tensor, np.ndarray)):
        x = _values(pictures)
        names = tuple(f"picture {i}" for i in range(len(x)))
        return Shown(x=x[:n], names=names[:n], left=max(0, len(x) - n))
    named = [pictures] if isinstance(pictures, (str, os.PathLike)) else list(pictures or ())
    if named:
        return _read(of, named, n=n, strict=strict)
    if samples is None:
        return None
    some = samples.first(n, seed=seed)
    taken = range(len(some))
    names = tuple(printable(some.name(i) or f"sample {i}") for i in taken)
    return Shown(x=some.take(slice(0, len(some))), names=names)


def _values(pictures: Tensor | np.ndarray) -> Tensor:
    """Pictures or series that were given as numbers."""
    x = torch.as_tensor(pictures).detach().cpu()
    if x.ndim < 3:
        raise UsageError(
            "Pictures are (B, C, H, W) and series (B, C, N) with values in [0, 1]; "
            f"{tuple(x.shape)} came. Add the missing axes."
        )
    if not x.is_floating_point():
        raise UsageError(
            "Values are fractions in [0, 1], as the model takes them; whole numbers "
            f"({x.dtype}) came. Divide them by the largest that there can be, bytes by 255."
        )
    return x.float()


_SAMPLE = re.compile(r"(?P<place>.+:(?:train|val|test))\[(?P<row>\d+)\]")


def _read(of: Explained, named: Iterable[Place], *, n: int, strict: bool) -> Shown:
    """Files, folders, and samples of data, in their order."""
    rows: list[tuple[str, Tensor]] = []
    skipped: list[tuple[str, str]] = []
    left = 0
    for one in named:
        text = os.fspath(one)
        sample = _SAMPLE.fullmatch(text)
        if sample and not os.path.exists(text):  # noqa: PTH110 (names too long are none)
            found = [(text, _sample(of, sample["place"], int(sample["row"]), strict))]
        else:
            found, bad = _files(of, text, max(0, n - len(rows)))
            skipped += bad
            if strict and bad:
                raise DataError(f"{printable(bad[0][0])}: {bad[0][1]}.")
        left += max(0, len(rows) + len(found) - n)
        rows += found[: max(0, n - len(rows))]
    if not rows:
        name, why = skipped[0] if skipped else ("", "there is none")
        raise DataError(
            f"Explaining needs a picture that can be used; of {len(skipped)} none can "
            f"({printable(name)}: {why}). Check the paths."
        )
    shapes = {tuple(x.shape) for _, x in rows}
    if len(shapes) > 1:
        raise DataError(
            f"Pictures that are explained together have one size; {len(shapes)} sizes came. "
            "Explain them one by one."
        )
    return Shown(
        x=torch.stack([x for _, x in rows]),
        names=tuple(name for name, _ in rows),
        skipped=tuple(skipped),
        left=left,
    )


def _sample(of: Explained, place: str, row: int, strict: bool) -> Tensor:
    samples = samples_of(of, place, strict=strict)
    if row >= len(samples):
        raise UsageError(
            f"`{printable(place)}` has {len(samples)} samples, counted from 0; number {row} came. "
            "Name one of them."
        )
    return samples.take(slice(row, row + 1))[0]


def _files(
    of: Explained, path: str, room: int
) -> tuple[list[tuple[str, Tensor]], list[tuple[str, str]]]:
    """Pictures of a file or folder; of a folder one more than there is room for, not all."""
    if of.trained is None:
        raise UsageError(
            "A module says not what size and how many channels its pictures have; give them as "
            "values (B, C, H, W) in [0, 1], or open the model with `neocog.open_model`."
        )
    good: list[tuple[str, Tensor]] = []
    bad: list[tuple[str, str]] = []
    for name, found in of.trained.pictures(path):
        if isinstance(found, str):
            bad.append((name, found))
            continue
        split = Split(found[None], np.zeros(1, np.int64), [name])
        good.append((name, pixels(split, slice(None))[0]))
        if len(good) > room:
            break
    return good, bad


def short(name: str) -> str:
    """The last part of a path."""
    return Path(name).name or name
