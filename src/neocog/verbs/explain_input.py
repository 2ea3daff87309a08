"""What is explained: a model, opened, and the images it is shown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from neocog.data.batches import pixels
from neocog.data.open import open_data, parse_place
from neocog.data.samples import Samples
from neocog.data.split import Split
from neocog.errors import DataError, ModelError, UsageError, did_you_mean, printable
from neocog.graph.activations import find_layer, first_tensor, handed
from neocog.graph.found import as_found
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.opened import open_model
from neocog.runs.trained import TrainedModel
from neocog.store.sound import check_network

__all__ = ["Explained", "Place", "Shown", "open_explained", "samples_of", "shown_images"]

Place = str | os.PathLike[str]
Images = Place | Sequence[Place] | Samples | Tensor | np.ndarray | None


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A model that can be looked into.

    Args:
        module: values in [0, 1] to answers.
        title: as it was named.
        task: classify, segment or regress.
        classes: names of the outputs; empty where nobody knows.
        shape: (C, H, W) or (C, N) of what it takes; None where it takes any.
        trained: the model as it was opened; None for a module.
        wrapped: whether the module is a wrapper that normalizes, the user's own being `network`.
    """

    module: nn.Module
    title: str
    task: str
    classes: tuple[str, ...] = ()
    shape: tuple[int, ...] | None = None
    trained: TrainedModel | None = None
    wrapped: bool = False

    def inner(self, layer: str) -> str:
        """The name of a layer in the module, from the one that the user knows.

        Raises:
            ModelError: there is no such layer.
        """
        if not self.wrapped:
            find_layer(self.module, layer)
            return layer
        network = self.module.get_submodule("network")
        known = dict(network.named_modules(remove_duplicate=False))
        own = layer if layer in known else layer.removeprefix("network.")
        find_layer(network, own)
        return f"network.{own}"

    def label(self, layer: str) -> str:
        """A layer as the user knows it, without the wrapper that normalizes."""
        return layer.removeprefix("network.") if self.wrapped else layer

    def target(self, wanted: int | str | None) -> int | None:
        """The number of an output, from its name or number.

        Raises:
            UsageError: there is no such class.
        """
        if wanted is None or isinstance(wanted, int):
            return wanted
        if wanted in self.classes:
            return self.classes.index(wanted)
        if re.fullmatch(r"[0-9]{1,9}", wanted):
            return int(wanted)
        wanted = wanted[:80]
        raise UsageError(
            f"A class is the name or the number of an output; `{printable(wanted)}` is none. "
            + (did_you_mean(wanted, self.classes) if self.classes else "Give its number.")
        )


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Images, as the model takes them.

    Args:
        x: (B, C, H, W) or (B, C, N), in [0, 1].
        names: one an image.
        skipped: names of files that cannot be used, and why.
        left: images that were named and are not looked at.
    """

    x: Tensor
    names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    left: int = 0


def open_explained(
    model: Place | TrainedModel | nn.Module | Explained, task: str, *, allow_random: bool = False
) -> Explained:
    """A model, whatever it is.

    Args:
        model: a place, what `open_model` opened, any module, or what this function returned.
        task: of a module.
        allow_random: take a model whose predictions are not a function of the image alone.

    Raises:
        ModelError: it cannot be opened, or is a black box.
    """
    if isinstance(model, Explained):
        return model
    if isinstance(model, nn.Module):
        check_network(model, type(model).__name__)
    if isinstance(model, SpecifiedNetwork):
        c = model.spec
        return Explained(
            module=model,
            title=type(model.network).__name__,
            task=c.task,
            classes=c.classes,
            shape=(c.input.channels, *c.input.size),
            wrapped=True,
        )
    if isinstance(model, nn.Module):
        return Explained(module=model, title=type(model).__name__, task=task)
    if isinstance(model, TrainedModel):
        trained = model
    else:
        trained = open_model(model, allow_random=allow_random)
    if trained.black_box:
        raise ModelError(
            f"Explaining looks at layers and gradients; `{printable(trained.place)}` is a black "
            "box that only answers. Take the network that it was exported from."
        )
    c = trained.spec
    return Explained(
        module=trained.module,
        title=printable(trained.place),
        task=c.task,
        classes=c.classes,
        shape=(c.input.channels, *c.input.size),
        trained=trained,
        wrapped=isinstance(trained.module, SpecifiedNetwork),
    )


def samples_of(of: Explained, data: Place | Split | Samples | Tensor, *, strict: bool) -> Samples:
    """Data as the model takes it.

    Args:
        of: the model.
        data: a place (`DATA:val` picks a split, the test split else), a split, samples or values.
        strict: stop at the first image that cannot be used.

    Raises:
        DataError: the data cannot be opened or has no such split.
    """
    if not isinstance(data, (str, os.PathLike)):
        found = Samples.of(data)
        _check_axes(of, found.take(slice(0, 1)))
        return found
    if of.shape is not None and len(of.shape) == 2:
        raise UsageError(
            f"{printable(of.title)} takes series, and `{printable(os.fspath(data))}` is opened as "
            "images. Give values, (B, C, N), or an .npz file with --series."
        )
    where, name = parse_place(data)
    size = None if of.shape is None else (of.shape[1], of.shape[2])
    trained = of.trained
    source = open_data(
        where,
        size=size,
        channels=None if of.shape is None else of.shape[0],
        resize_mode=trained.spec.input.resize_mode if trained is not None else "crop",
        **(trained.drawn if trained is not None else {}),
        strict=strict,
    )
    split = source.split(source.scored(name))
    return Samples(split, None, split.names)  # whatever its classes are: nothing is scored


def shown_images(
    of: Explained, images: Images, samples: Samples | None, *, n: int, seed: int, strict: bool
) -> Shown | None:
    """The images to look at: those that were named, else some of the data; None without both.

    Args:
        of: the model.
        images: files and folders, single samples as `DATA:test[17]`, samples, or values
            (B, C, H, W).
        samples: of the data.
        n: images at most.
        seed: of the draw from the data.
        strict: stop at the first image that cannot be used.

    Raises:
        DataError: none of the files can be used, or with `strict` one of them.
    """
    if isinstance(images, (Tensor, np.ndarray)):
        x = _values(of, images)
        names = tuple(f"image {i}" for i in range(len(x)))
        return Shown(x=x[:n], names=names[:n], left=max(0, len(x) - n))
    if isinstance(images, Samples):
        return _taken(images, n)
    named = [images] if isinstance(images, (str, os.PathLike)) else list(images or ())
    if named:
        return _read(of, named, n=n, strict=strict)
    if samples is None:
        return None
    return replace(_taken(samples.first(n, seed=seed), n), left=0)


def _taken(samples: Samples, n: int) -> Shown:
    """The first of some samples."""
    count = min(n, len(samples))
    names = tuple(printable(samples.name(i) or f"sample {i}") for i in range(count))
    x = samples.take(slice(0, count))
    return Shown(x=x, names=names, left=len(samples) - count)


def _values(of: Explained, images: Tensor | np.ndarray) -> Tensor:
    """Images or series that were given as numbers."""
    x = torch.as_tensor(images).detach().cpu()
    if x.ndim not in (3, 4):
        raise UsageError(
            "Images are (B, C, H, W) and series (B, C, N) with values in [0, 1]; "
            f"{tuple(x.shape)} came. Add the missing axes."
        )
    _check_axes(of, x)
    if not x.is_floating_point():
        raise UsageError(
            "Values are fractions in [0, 1], as the model takes them; whole numbers "
            f"({x.dtype}) came. Divide them by the largest that there can be, bytes by 255."
        )
    return x.float()


def _check_axes(of: Explained, x: Tensor) -> None:
    """Whether images are images and series series: (B, H, W) would be taken for these.

    Raises:
        UsageError: they are not what the model takes.
    """
    axes = _axes(of)
    if axes in (1, 2) and x.ndim != axes + 2 and (of.shape or not _runs(of.module, x[:1])):
        takes = "images, (B, C, H, W)" if axes == 2 else "series, (B, C, N)"
        hint = "Gray ones get their axis of channels by x[:, None]" if axes == 2 else "Give as many"
        raise UsageError(f"{printable(of.title)} takes {takes}; {tuple(x.shape)} came. {hint}.")


def _runs(module: nn.Module, x: Tensor) -> bool:
    """Whether a module takes a sample of that kind: some make the missing axis themselves."""
    try:
        with as_found(module), torch.no_grad():
            answer = first_tensor(module(handed(module, x.repeat(2, *[1] * (x.ndim - 1)))))
    except Exception:  # of any kind: a stranger's forward fails in its own way
        return False
    return answer is not None and answer.ndim > 0 and len(answer) == 2


def _axes(of: Explained) -> int | None:
    """Axes of space of what a model takes: its spec says it, else its first convolution."""
    if of.shape is not None:
        return len(of.shape) - 1
    first = next((m for m in of.module.modules() if isinstance(m, _ConvNd)), None)
    return None if first is None else len(first.kernel_size)


_SAMPLE = re.compile(r"(?P<place>.+?)(?P<split>:(?:train|val|test))?\[(?P<row>\d{1,9})\]")


def _read(of: Explained, named: Iterable[Place], *, n: int, strict: bool) -> Shown:
    """Files, folders, and samples of data, in their order."""
    rows: list[tuple[str, Tensor]] = []
    skipped: list[tuple[str, str]] = []
    left = 0
    for one in named:
        text = os.fspath(one)
        sample = _SAMPLE.fullmatch(text)
        if sample and not os.path.exists(text):  # noqa: PTH110 (names too long are none)
            if sample["split"] is None:
                row = f"{sample['place']}:test[{sample['row']}]"
                raise UsageError(
                    f"A sample of data is named with its split, and `{printable(text)}` names none "
                    f"(nor is it a file). Write `{printable(row)}`, or :train or :val."
                )
            place = sample["place"] + sample["split"]
            found = [(text, _sample(of, place, int(sample["row"]), strict))]
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
            f"Explaining needs an image that can be used; of {len(skipped)} none can "
            f"({printable(name)}: {why}). Check the paths."
        )
    shapes = {tuple(x.shape) for _, x in rows}
    if len(shapes) > 1:
        raise DataError(
            f"Images that are explained together have one size; {len(shapes)} sizes came. "
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
    """Images of a file or folder; of a folder one more than there is room for, not all."""
    if of.trained is None:
        raise UsageError(
            "A module says not what size and how many channels its images have; give them as "
            "values (B, C, H, W) in [0, 1], or open the model with `neocog.open_model`."
        )
    good: list[tuple[str, Tensor]] = []
    bad: list[tuple[str, str]] = []
    for name, found in of.trained.images(path):
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
