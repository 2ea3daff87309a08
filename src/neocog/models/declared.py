"""Options of an external model: input size, normalization, class names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from neocog.errors import ModelError, UsageError, did_you_mean, printable
from neocog.files import read_text
from neocog.types import RESIZE_MODES, VALUES, InputSpec

__all__ = ["ModelOptions", "count", "input_spec", "output_names"]

LIST = 16 * 2**20
"""Bytes of a list of classes, at most."""

Classes = str | os.PathLike[str] | int | Sequence[str]


class ModelOptions(TypedDict, total=False):
    """What is given of an external model, in a verb, on the command line and to `neocog.load`.

    Keys:
        weights: a file for the network that a factory makes.
        size: (C, H, W) of a sample.
        mean: of pixels in [0, 1], one number per channel or one for all.
        std: their standard deviation, likewise.
        classes: names, a text file of them, or their number.
        init: `none` for random weights of a network of a library.
        output: of a network that returns several tensors, the one that is the prediction.
        allow_random: take a model whose predictions are not a function of the image alone.
        resize_mode: `crop`, `stretch` or `pad`, how images are brought to that size.
        values: `raw` for a model of arrays whose values are of any range, taken as they are.
    """

    weights: str | os.PathLike[str] | None
    size: Sequence[int] | None
    mean: Sequence[float] | None
    std: Sequence[float] | None
    classes: Classes | None
    init: str | None
    output: str | None
    allow_random: bool
    resize_mode: str | None
    values: str | None


def input_spec(
    text: str,
    given: Mapping[str, Any],
    *,
    own: InputSpec | None,
    shape: tuple[int, ...] | None,
) -> tuple[InputSpec, tuple[str, ...]]:
    """The input of a model, and notes on it.

    Args:
        text: the model, for messages.
        given: of size, mean and std those that were given.
        own: the model's own spec, where it has one.
        shape: of a sample, where the model knows only that.

    Raises:
        UsageError: the size is not known, or numbers do not fit the channels or pixels in [0, 1].
    """
    size = given.get("size", (own.channels, *own.size) if own else shape)
    if size is None:
        raise UsageError(
            f"An external model needs an input size, and `{printable(text)}` does not state one. "
            "Give --size C,H,W, as --size 3,224,224, with --mean and --std."
        )
    shape = tuple(int(n) for n in size)
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise UsageError(
            "The size of a sample is C,H,W, or C,N of a series, integers from 1; "
            f"got {shape}. Write 3,32,32 for 32 × 32 pixels in color."
        )
    images = len(shape) == 3  # values of a series are taken as they are
    assumed = [n for n in ("mean", "std") if n not in given and own is None and images]
    channels = shape[0]
    signal = InputSpec(
        channels=channels,
        size=shape[1:],
        mean=_each(given.get("mean", own.mean if own else (0.0,)), channels, "mean"),
        std=_each(given.get("std", own.std if own else (1.0,)), channels, "std"),
        resize_mode=_mode(given.get("resize_mode", own.resize_mode if own else "crop")),
        values=_values(given.get("values", own.values if own else "pixels")),
    )
    if (wrong := signal.misfit()) is not None:
        rule = (
            "Pixels are in [0, 1] when they are normalized"
            if images and signal.values == "pixels"
            else "Values are normalized"
        )
        mine = [n for n in ("mean", "std") if n in given]
        if not mine:
            raise ModelError(
                f"{rule}, and `{printable(text)}` states that its {wrong}. Give --mean and --std."
            )
        raise UsageError(
            f"{rule}, and the {wrong}. Correct {' and '.join(f'--{n}' for n in mine)}."
            + (" Of arrays of any range they are with --values raw." if images else "")
        )
    if not assumed or signal.values == "raw":
        return signal, ()
    words = {"mean": "a mean of 0", "std": "a standard deviation of 1"}
    sentence = (
        f"Pixels from 0 to 1 are normalized with {' and '.join(words[n] for n in assumed)}, as no "
        f"{' and no '.join(f'--{n}' for n in assumed)} was given. If the model was trained with "
        "others, its predictions are worse, without an error."
    )
    return signal, (sentence,)


def _mode(name: str) -> str:
    if name not in RESIZE_MODES:
        raise UsageError(
            f"`resize_mode` is how images are resized; got {name!r}. "
            f"{did_you_mean(name, RESIZE_MODES)}"
        )
    return name


def _values(name: str) -> str:
    if name not in VALUES:
        raise UsageError(
            f"`values` says what a model takes, pixels in [0, 1] or raw values; got {name!r}. "
            f"{did_you_mean(name, VALUES)}"
        )
    return name


def _each(values: Sequence[float], channels: int, name: str) -> tuple[float, ...]:
    """One number per channel."""
    numbers = tuple(float(v) for v in values)
    if len(numbers) not in (1, channels):
        raise UsageError(
            f"`{name}` is one number per channel, or one for all; got {len(numbers)} for "
            f"{channels} channels. Check --size and --{name}."
        )
    return numbers * channels if len(numbers) == 1 else numbers


def count(classes: Classes | None) -> int | None:
    """How many classes were given."""
    if classes is None:
        return None
    return classes if isinstance(classes, int) else len(_listed(classes))


def output_names(
    text: str, classes: Classes | None, *, known: tuple[str, ...], outputs: int
) -> tuple[tuple[str, ...], bool]:
    """Names of a model's outputs, and whether they are names or only numbers.

    Args:
        text: the model, for messages.
        classes: names, a file of them, or their number.
        known: names that the model brings.
        outputs: how many it has.

    Raises:
        UsageError: the names cannot be read, or one occurs twice.
        ModelError: there are more or fewer than outputs.

    Example:
        >>> output_names("x.pt2", None, known=(), outputs=3)
        (('0', '1', '2'), False)
    """
    names = known if classes is None else ()
    if isinstance(classes, int):
        names = tuple(map(str, range(classes)))
    elif classes is not None:
        names = _listed(classes)
    if names and len(names) != outputs:
        raise ModelError(
            f"A model has one output per class; `{printable(text)}` has {outputs} outputs and "
            f"{len(names)} classes. Correct --classes."
        )
    numbers = tuple(map(str, range(outputs)))
    return names or numbers, names not in ((), numbers)


def _listed(classes: str | os.PathLike[str] | Sequence[str]) -> tuple[str, ...]:
    """Names, from a file if they are in one."""
    if isinstance(classes, (str, os.PathLike)):
        what = "A list of classes, one per line,"
        lines = read_text(classes, limit=LIST, what=what, error=UsageError).splitlines()
        names = tuple(line.strip() for line in lines if line.strip())
    else:
        names = tuple(map(str, classes))
    twice = [name for name, n in Counter(names).items() if n > 1]
    if len(names) < 2 or twice:
        what = f"`{printable(twice[0])}` is listed twice" if twice else f"got {len(names)}"
        raise UsageError(
            f"Class names are unique, and there are at least two; {what}. Correct --classes."
        )
    return names
