"""Types that every room uses.

Axis letters, used in all names and annotations:
    B batch · C channels · H W rows, columns · N samples of a series · K classes
Pixels are in [0, 1] everywhere outside a model; a model holds its own normalization.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from neocog.errors import ModelError, UsageError, did_you_mean, printable
from neocog.fields import Fields
from neocog.jsonable import Jsonable, keys
from neocog.legacy import spec_of_today

if TYPE_CHECKING:  # options of the command line are read without PyTorch
    from torch import Tensor

__all__ = [
    "OUTPUTS",
    "RESIZE_MODES",
    "VALUES",
    "Batch",
    "FieldWindow",
    "InputSpec",
    "ModelSpec",
    "OutputSpec",
    "Stage",
    "not_of_pixels",
]

RESIZE_MODES = ("crop", "stretch", "pad", "crop-bicubic", "stretch-bicubic", "pad-bicubic")
"""How an image is brought to a size: scaled to cover it and cut, without its aspect, or framed;
with bilinear interpolation, or with bicubic as networks of others may have been trained. Both are
antialiased."""


VALUES = ("pixels", "raw")
"""What the values of images are: pixels in [0, 1], or numbers of any range as a file has them."""

LARGEST = 65_536
"""Channels, rows or columns of a sample, at most."""

NUMBER = 1e9
"""Size of a mean or a standard deviation, at most."""


class Batch(NamedTuple):
    """Some samples of one split."""

    x: Tensor
    """Values in [0, 1] or raw, float32, (B, C, H, W), channels_last in memory."""
    y: Tensor
    """What the task understands; class indices, int64, (B,), for a classifier."""
    index: Tensor  # type: ignore[assignment]  # hides tuple.index, which a batch does not need
    """Position in the split, int64, (B,): every result can name its sample."""


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """What a model takes: the size of one sample and how its values are normalized.

    Args:
        channels: 1 for gray, 3 for red, green, blue; of a series as many as it has.
        size: of the axes of space: (H, W) of an image, (N,) of a series; () where unknown.
        mean: subtracted from the values, one number per channel; those of images are in [0, 1].
        std: what the difference is divided by, one number per channel.
        resize_mode: how an image of another size is brought to `size`: `crop` scales it until it
            covers the frame and cuts the middle out; `stretch` ignores its aspect; `pad` scales
            it until it lies in the frame, and leaves the rest of the frame black; bilinearly, or
            with `-bicubic` behind it so.
        values: `pixels` in [0, 1], or `raw`: numbers of any range, as the file or the array has
            them, neither scaled nor clipped; mean and std are of these numbers then.
    """

    JSON: ClassVar[Mapping[str, str]] = keys(
        "channels", "size", "mean", "std", "resize_mode", "values?=stated_values"
    )

    channels: int
    size: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize_mode: str = "crop"
    values: str = "pixels"

    @property
    def stated_values(self) -> str | None:
        """What a file says of the values: nothing of pixels, which all models took once."""
        return None if self.values == "pixels" else self.values

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample: (C, H, W) or (C, N); () where unknown."""
        return (self.channels, *self.size) if self.size else ()

    @property
    def axes(self) -> int:
        """Of space: 2 for images, 1 for series."""
        return len(self.size)

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) of an image.

        Raises:
            UsageError: it is none.
        """
        if len(self.size) != 2:
            raise UsageError(
                f"This is done with images, (C, H, W); the model takes series, {self.shape}. "
                "Take `neocog audit`, `explain` or `explore`, which know series."
            )
        return (self.size[0], self.size[1])

    def misfit(self) -> str | None:
        """Why mean and std cannot normalize such values; None if they can."""
        if self.axes == 2 and self.values == "pixels":
            return not_of_pixels(self.mean, self.std)
        if not all(map(math.isfinite, (*self.mean, *self.std))):
            return "mean and std are not finite numbers"
        least = min(self.std, default=1)
        return None if least > 0 else f"std {least:g} is not positive"


TASKS = ("classify", "segment", "regress")
"""What a model may do: logits (B, K), maps of logits (B, K, h, w), or numbers (B, M)."""


def check_task(task: str) -> str:
    """A task that a model may do.

    Raises:
        UsageError: it is none.
    """
    if task not in TASKS:
        raise UsageError(
            f"`task` is what a model does, got `{printable(task)}`. {did_you_mean(task, TASKS)}"
        )
    return task


OUTPUTS = ("logits", "probabilities", "log_probabilities", "sigmoid")
"""What outputs may be; see `neocog.graph.output_kind`."""


@dataclass(frozen=True, kw_only=True)
class OutputSpec:
    """What a network returns.

    Args:
        kind: one of `OUTPUTS`: logits, or probabilities already, of which logits are made.
        name: which of several tensors is the prediction, by name or number; "" for one alone.
    """

    kind: str = "logits"
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelSpec(Jsonable):
    """What a saved model promises: everything one must know to use it on a file.

    Args:
        task: one of `TASKS`.
        classes: names, in the order of the outputs.
        input: what the model takes.
        output: what the network returns.
    """

    task: str
    classes: tuple[str, ...]
    input: InputSpec
    output: OutputSpec = OutputSpec()

    @classmethod
    def from_json(cls, plain: Mapping[str, Any] | Fields, source: str = "a spec") -> Self:
        """The inverse of `to_json`.

        Args:
            plain: what a file holds.
            source: where it is from, for messages.

        Raises:
            ModelError: a field is missing, of another kind or out of its range.
        """
        fields = plain if isinstance(plain, Fields) else Fields(plain, source, error=ModelError)
        fields.values = spec_of_today(fields.values)
        signal = fields.table("input")
        channels = signal.integer("channels", low=1, high=LARGEST)
        size = signal.integers("size", low=1, high=LARGEST)
        if len(size) not in (1, 2):
            signal.bad("size", "(H, W) of an image or (N,) of a series", size)
        output = fields.table("output") if "output" in fields else None  # older have none
        return cls(
            task=fields.text("task", among=TASKS),
            classes=fields.texts("classes"),
            input=InputSpec(
                channels=channels,
                size=size,
                mean=signal.numbers("mean", count=channels, low=-NUMBER, high=NUMBER),
                std=signal.numbers("std", count=channels, low=-NUMBER, high=NUMBER),
                resize_mode=signal.text("resize_mode", among=RESIZE_MODES),
                values=signal.text("values", among=VALUES) if "values" in signal else "pixels",
            ),
            output=OutputSpec()
            if output is None
            else OutputSpec(kind=output.text("kind", among=OUTPUTS), name=output.text("name")),
        )


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of a network: an intermediate output, shallow to deep.

    Args:
        name: of the submodule whose output it is.
        channels: of that output.
        stride: input pixels from one of its samples to the next.
    """

    name: str
    channels: int
    stride: int


class FieldWindow(NamedTuple):
    """Which samples of its input one sample of a layer's output may depend on, along one axis.

    Sample i sees start + stride·⌊i / up⌋ and the `kernel_size` - 1 samples behind it.
    """

    kernel_size: int
    """Samples that are seen."""
    stride: int = 1
    """From one window to the next."""
    start: int = 0
    """The first sample that sample 0 sees; negative in the padding."""
    up: int = 1
    """Outputs that share one window."""


_LARGEST = (255, 65535)
"""Of pixels as files hold them, in 8 and in 16 bits."""


def not_of_pixels(mean: Sequence[float], std: Sequence[float]) -> str | None:
    """Why numbers cannot normalize values in [0, 1], with what to give instead; None if they can.

    A mean of such values is in [0, 1]. No standard deviation of them is above 1/2; up to 1 is let
    through, as (0, 1) is how networks that take the values as they are write it.

    Args:
        mean: one number per channel.
        std: one number per channel.

    Example:
        >>> not_of_pixels((0.485,), (0.229,)) is None
        True
        >>> print(not_of_pixels((0.485,), (58.4,)))
        std 58.4 cannot be of values in [0, 1]; of pixels in 0…255 it is 58.4/255 = 0.229
    """
    for name, values in (("mean", mean), ("std", std)):
        bad = next((v for v in values if not math.isfinite(v)), None)
        if bad is not None:
            return f"{name} {bad} is not a finite number"
    least = min(std, default=1)
    if least <= 0:
        return f"std {least:g} is not positive; a channel that is constant may have 1"
    if min(mean, default=0) < 0:
        return (
            f"mean {min(mean):g} is below 0, where no value is; to bring values to [-1, 1], the "
            "mean is 0.5 and the std 0.5"
        )
    slack = 1 + 1e-6  # for numbers that went through float32
    wrong = [n for n, v in (("mean", mean), ("std", std)) if max(v, default=0) > slack]
    if not wrong:
        return None
    above = max((*mean, *std))
    whole = next((n for n in _LARGEST if above <= n), None)
    given = {"mean": mean, "std": std}
    listed = " and ".join(f"{n} {_listed(given[n])}" for n in wrong)
    if whole is None:
        return f"{listed} cannot be of values in [0, 1]; divide by the largest that a pixel can be"
    if wrong == ["mean"] and min(std) == max(std) == 1:
        wrong.append("std")  # of a network that takes its pixels undivided
    values = [v for n in wrong for v in given[n] if v > slack or max(given[n]) <= slack]
    divided = ", ".join(dict.fromkeys(f"{v:.4g}/{whole} = {v / whole:.3g}" for v in values))
    return f"{listed} cannot be of values in [0, 1]; of pixels in 0…{whole} it is {divided}"


def _listed(values: Sequence[float]) -> str:
    """Numbers as an option takes them; one that stands for all channels once."""
    return ",".join(dict.fromkeys(f"{v:.4g}" for v in values))
