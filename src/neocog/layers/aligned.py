"""Windows and downsampling that see a map of a given size from all sides alike.

Turning an image by 90° must map every grid of windows onto itself. Along an axis of n samples, with
kernel K, stride S and padding P a side, that is (n + 2P - K) mod S = 0 (`neocog.graph.alignment`).
For each size there is a kernel, the wanted one or a little larger, with which a layer gives
ceil(n / S) samples so.
"""

from __future__ import annotations

from torch import Tensor, nn

from neocog.errors import UsageError, did_you_mean
from neocog.layers.blocks import border
from neocog.layers.blur import BlurPool
from neocog.layers.polyphase import ChoosePhase, PolyphaseDown, TakePhase
from neocog.symmetry.fields import FieldType, declared

__all__ = [
    "ALIGNED",
    "AlignedPair",
    "aligned_down",
    "aligned_pool",
    "aligned_window",
]

ALIGNED = ("stride", "blur", "polyphase", "polyphase_blur")
"""Kinds of downsampling that can keep quarter turns."""


def aligned_window(size: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """The nearest window that keeps quarter turns and gives ceil(size / stride) samples.

    Args:
        size: samples of an axis.
        kernel_size: taps that are wanted.
        stride: of the window.

    Returns:
        Taps, at least as many, and padding on each side.

    Example:
        >>> aligned_window(29, 5, 2), aligned_window(28, 5, 2)
        ((5, 2), (6, 2))
        >>> aligned_window(28, 2, 2), aligned_window(7, 2, 2)
        ((2, 0), (3, 1))
    """
    span = (-(-size // stride) - 1) * stride
    while span + kernel_size < size or (span + kernel_size - size) % 2:
        kernel_size += 1
    return kernel_size, (span + kernel_size - size) // 2


def aligned_down(
    downsampling: str, field: FieldType, *, size: tuple[int, int], padding: str, stride: int = 1
) -> nn.Module:
    """Every second sample of a map that an operator gave at stride 1.

    Args:
        downsampling: one of `ALIGNED`, but "stride", which is that of the operator.
        field: what the channels mean.
        size: (H, W) of the map.
        padding: padding mode; a blur reflects in place of zeros.
        stride: pixels of the image from one sample of the map to the next, for messages.

    Raises:
        UsageError: there is no such downsampling, or it cannot keep quarter turns at this size.
    """
    if downsampling not in ALIGNED[1:]:
        raise UsageError(
            f"`{downsampling}` is no downsampling that keeps quarter turns. "
            f"{did_you_mean(downsampling, ALIGNED)}"
        )
    _check_size(downsampling, size, stride)
    mode = "reflect" if padding == "zeros" else padding
    if downsampling == "blur":
        return declared(BlurPool(2, taps=4 + size[0] % 2, padding=mode), field)
    prepare = BlurPool(2, padding=mode, keep=True) if downsampling == "polyphase_blur" else None
    layer = PolyphaseDown(2, prepare=prepare)
    for part in layer.modules():
        declared(part, field)
    return layer


def _check_size(downsampling: str, size: tuple[int, int], stride: int) -> None:
    """Refuse a size that a kind of downsampling cannot halve from all sides alike."""
    if downsampling == "blur":
        _check_sides_alike(size, stride)
    elif size[0] % 2 or size[1] % 2:
        raise UsageError(
            f"Polyphase downsampling keeps quarter turns on maps of even height and width; got "
            f"{size[0]}×{size[1]}. Take square images of {stride * (max(size) + max(size) % 2)} "
            "pixels per side, or downsampling blur."
        )


class AlignedPair(nn.Module):
    """The same samples of both branches of a residual block, each with the fields that it has.

    Args:
        downsampling: one of `ALIGNED`, but "stride".
        fields: of the main branch, which decides where there is a choice, and of the shortcut.
        size: (H, W) of both maps.
        padding: padding mode.
        stride: pixels of the image from one sample of the maps to the next, for messages.
    """

    def __init__(
        self,
        downsampling: str,
        fields: tuple[FieldType, FieldType],
        *,
        size: tuple[int, int],
        padding: str,
        stride: int = 1,
    ) -> None:
        super().__init__()
        main, short = (
            aligned_down(downsampling, f, size=size, padding=padding, stride=stride) for f in fields
        )
        self.chooses = isinstance(main, PolyphaseDown)
        if isinstance(main, PolyphaseDown) and isinstance(short, PolyphaseDown):
            self.choose = ChoosePhase(2)
            self.prepare = nn.ModuleList(
                declared(m.prepare or nn.Identity(), f)
                for m, f in zip((main, short), fields, strict=True)
            )
            self.take = nn.ModuleList(declared(TakePhase(2), f) for f in fields)
        else:
            self.both = nn.ModuleList((main, short))

    def forward(self, main: Tensor, short: Tensor) -> tuple[Tensor, Tensor]:
        """Every second sample of both."""
        if not self.chooses:
            return self.both[0](main), self.both[1](short)
        phase = self.choose(main)
        main, short = self.prepare[0](main), self.prepare[1](short)
        return self.take[0](main, phase), self.take[1](short, phase)


def aligned_pool(
    kind: str,
    downsampling: str,
    field: FieldType,
    *,
    size: tuple[int, int],
    padding: str,
    stride: int = 1,
) -> nn.Module:
    """A pool of stride 2 that keeps quarter turns.

    Args:
        kind: "max", of fields that permute, or "average".
        downsampling: one of `ALIGNED`.
        field: what the channels mean.
        size: (H, W) of the map.
        padding: padding mode; zeros are left out of a maximum.
        stride: pixels of the image from one sample of the map to the next, for messages.

    Raises:
        UsageError: such a pool does not commute with these fields, or cannot at this size.
    """
    if kind not in ("max", "average"):
        raise UsageError(
            f"A pool that keeps quarter turns is max or average; got `{kind}`. Take max."
        )
    if kind == "max" and not field.permutes:
        raise UsageError(
            "The largest of several values commutes with fields whose values are permuted, and "
            "those of irreps are mixed. Take pool=average."
        )
    if kind == "average" and downsampling == "blur":
        return aligned_down("blur", field, size=size, padding=padding, stride=stride)
    if downsampling == "stride":
        _check_sides_alike(size, stride)
        taps, pad = aligned_window(size[0], 2, 2)
        step = 2
    else:
        taps, pad, step = 3, 1, 1
    pool = nn.MaxPool2d(taps, step, pad if padding == "zeros" else 0)
    operator: nn.Module = pool if kind == "max" else nn.AvgPool2d(taps, step)
    layer = nn.Sequential()
    if pad and (padding != "zeros" or kind == "average"):
        mode = "replicate" if padding == "zeros" else padding
        layer.append(declared(border(pad, padding=mode), field))
    layer.append(declared(operator, field))
    if downsampling != "stride":
        layer.append(aligned_down(downsampling, field, size=size, padding=padding, stride=stride))
    return layer[0] if len(layer) == 1 else layer


def _check_sides_alike(size: tuple[int, int], stride: int) -> None:
    """Refuse sides of which one is even and one is odd: one window cannot suit both."""
    if (size[0] - size[1]) % 2:
        raise UsageError(
            f"One window keeps the symmetry of both sides where both are even or both are odd; a "
            f"map here has {size[0]}×{size[1]} samples. Take square images, --size "
            f"{max(size) * stride},{max(size) * stride}."
        )
