"""All downsampling of networks, through one table.

A network never writes a stride by itself. It asks here, naming one of `DOWNSAMPLINGS`, and a new
kind of downsampling reaches all networks by a line in that table. Downsampling is written as

    operator at stride 1  →  reduce: keep every s-th sample

which for `stride` is the same, sample for sample, as the operator at stride s; so that kind is
*folded*: the operator gets the stride and nothing follows, plain PyTorch modules with the
parameter names they always had. A kind that is not folded leaves the operator at stride 1 and
puts its own `reduce` behind it, where the names of the parameters before and after stay the same.

Polyphase downsampling with circular padding is the exception: its phase is chosen from what goes
into the operator, which then keeps its stride (`layers.strided`, `layers.windows`).

A residual block reduces two branches, which must keep *the same* samples. It asks for a
`reduce_pair`, a module of (main, shortcut): a kind that looks at the values to choose its samples
looks once, at the main branch.

An operator at stride 1 must leave a multiple of the stride, or the last samples lie in no
phase: a window of 2 on 8 samples leaves 7. Where the window reaches beyond the border that the
operator has, it gets as many samples more on the far side, right and bottom, as that takes
(`far_border`). With wrap-around it then sees every window that there is on the circle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from neocog.errors import UsageError, did_you_mean
from neocog.layers.blocks import Pair, border, conv, pair
from neocog.layers.blur import BlurPool
from neocog.layers.lowpass import IdealDown
from neocog.layers.polyphase import (
    ChoosePhase,
    LearnedChoice,
    PolyphaseDown,
    PolyphasePair,
    TakePhase,
)
from neocog.layers.subsample import (
    AsTheyAre,
    Both,
    FarBorder,
    Steps,
    Subsample,
    SubsamplePair,
    Windows,
)
from neocog.layers.windows import ChooseWindows, TakeWindows

__all__ = [
    "DOWNSAMPLINGS",
    "POOLS",
    "Downsampling",
    "activation_then_reduce",
    "average_pool",
    "downsampling_of",
    "far_border_of",
    "max_pool",
    "operator_stride",
    "pool",
    "reduce",
    "reduce_pair",
    "windows_before",
]

POOLS = ("max", "average", "conv")
"""What may summarize a window: its largest value, its mean, or a learned convolution and ReLU."""


@dataclass(frozen=True, kw_only=True)
class Downsampling:
    """One kind of downsampling.

    A kind that chooses among samples is also there in its parts, for graphs in which more than two
    maps must keep the same ones: `choose` from one map as it is, `prepare` each, `take` of all.

    Args:
        folded: the stride may stay in the operator before; else that runs at stride 1.
        reduce: (channels, stride, padding) to a module of one map.
        reduce_pair: ((channels of main, of shortcut), stride, padding) to a module of two maps
            that returns both, the same samples of each.
        choose: (channels, stride, padding) to a module of map → phase; None without a choice.
        take: stride to a module of (map, phase) → map; None without a choice.
        prepare: (stride, padding) to a module that each map goes through, at stride 1, between
            `choose` and `take`; None where there is nothing to do.
        choose_windows: stride to a module that finds the phase in what goes into the operator, so
            that this can keep its stride; None where what comes out decides, or is prepared.
    """

    folded: bool
    reduce: Callable[[int, Steps, str], nn.Module]
    reduce_pair: Callable[[tuple[int, int], Steps, str], nn.Module]
    choose: Callable[[int, Steps, str], nn.Module] | None = None
    take: Callable[[Steps], nn.Module] | None = None
    prepare: Callable[[Steps, str], nn.Module] | None = None
    choose_windows: Callable[[Steps], nn.Module] | None = None


def _blur(stride: Steps, padding: str, *, keep: bool = False) -> BlurPool:
    """Zeros beyond the border would darken the rim: a blur mirrors the map there instead."""
    return BlurPool(stride, padding="reflect" if padding == "zeros" else padding, keep=keep)


DOWNSAMPLINGS: dict[str, Downsampling] = {
    "stride": Downsampling(
        folded=True,
        reduce=lambda channels, stride, padding: Subsample(stride),
        reduce_pair=lambda channels, stride, padding: SubsamplePair(stride),
    ),
    "blur": Downsampling(
        folded=False,
        reduce=lambda channels, stride, padding: _blur(stride, padding),
        reduce_pair=lambda channels, stride, padding: Both(_blur(stride, padding)),
    ),
    "polyphase": Downsampling(
        folded=False,
        reduce=lambda channels, stride, padding: PolyphaseDown(stride),
        reduce_pair=lambda channels, stride, padding: PolyphasePair(stride),
        choose=lambda channels, stride, padding: ChoosePhase(stride),
        take=TakePhase,
        choose_windows=ChooseWindows,
    ),
    "polyphase_blur": Downsampling(
        folded=False,
        reduce=lambda channels, stride, padding: PolyphaseDown(
            stride, prepare=_blur(stride, padding, keep=True)
        ),
        reduce_pair=lambda channels, stride, padding: PolyphasePair(
            stride, prepare=_blur(stride, padding, keep=True)
        ),
        choose=lambda channels, stride, padding: ChoosePhase(stride),
        take=TakePhase,
        prepare=lambda stride, padding: _blur(stride, padding, keep=True),
    ),
    "learned_polyphase": Downsampling(
        folded=False,
        reduce=lambda channels, stride, padding: PolyphaseDown(
            stride, choose=LearnedChoice(channels, stride)
        ),
        reduce_pair=lambda channels, stride, padding: PolyphasePair(
            stride, choose=LearnedChoice(channels[0], stride)
        ),
        choose=lambda channels, stride, padding: LearnedChoice(channels, stride),
        take=TakePhase,
    ),
    "ideal": Downsampling(
        folded=False,
        reduce=lambda channels, stride, padding: IdealDown(stride),
        reduce_pair=lambda channels, stride, padding: Both(IdealDown(stride)),
    ),
}
"""Name to kind.

- `stride`: every s-th sample, as it comes.
- `blur`: every s-th sample of a blurred map.
- `polyphase`: every s-th sample, from the phase of the largest norm.
- `polyphase_blur`: the same of a blurred map.
- `learned_polyphase`: every s-th sample, from a phase that a small network chooses.
- `ideal`: every s-th sample of the frequencies that these can hold.
"""


def downsampling_of(name: str) -> Downsampling:
    """The kind of that name.

    Raises:
        UsageError: no such downsampling.
    """
    if name not in DOWNSAMPLINGS:
        raise UsageError(
            f"`{name}` is not a downsampling operator. {did_you_mean(name, DOWNSAMPLINGS)}"
        )
    return DOWNSAMPLINGS[name]


def operator_stride(downsampling: str, stride: Pair) -> tuple[int, int]:
    """The stride that a convolution or pool gets itself; a `reduce` must follow it.

    Example:
        >>> operator_stride("stride", 2)
        (2, 2)
    """
    return pair(stride) if downsampling_of(downsampling).folded else (1, 1)


def reduce(
    downsampling: str, channels: int, *, stride: Pair, padding: str, folds: bool = True
) -> nn.Module:
    """What follows a convolution (with its norm and activation) that had `operator_stride`.

    Args:
        downsampling: one of `DOWNSAMPLINGS`.
        channels: of the map.
        stride: the downsampling factor.
        padding: padding mode.
        folds: an operator before has the stride already where the kind is folded; False where
            there is none and samples must be dropped here in any case.
    """
    kind, steps = downsampling_of(downsampling), pair(stride)
    if steps == (1, 1) or (folds and kind.folded):
        return nn.Identity()
    return kind.reduce(channels, steps, padding)


def reduce_pair(
    downsampling: str, channels: tuple[int, int], *, stride: Pair, padding: str
) -> nn.Module:
    """What a residual block calls with (main, shortcut) where its main branch had the stride.

    Where the kind is folded both come back unchanged: the shortcut has its own stride then,
    again `operator_stride`.

    Args:
        downsampling: one of `DOWNSAMPLINGS`.
        channels: of the main branch at that point, of the shortcut.
        stride: the downsampling factor.
        padding: padding mode.
    """
    kind, steps = downsampling_of(downsampling), pair(stride)
    if steps == (1, 1) or kind.folded:
        return AsTheyAre()
    return kind.reduce_pair(channels, steps, padding)


def activation_then_reduce(
    activation: nn.Module, downsampling: str, channels: int, *, stride: Pair, padding: str
) -> nn.Module:
    """One module for one slot of an `nn.Sequential`, so that later slots keep their numbers.

    Returns:
        `activation` itself where nothing has to follow.
    """
    after = reduce(downsampling, channels, stride=stride, padding=padding)
    return activation if isinstance(after, nn.Identity) else nn.Sequential(activation, after)


def windows_before(
    downsampling: str, kernel_size: Pair, stride: Pair, pad: Pair, padding: str
) -> tuple[nn.Module, TakeWindows] | None:
    """How the phase is chosen and taken before an operator; None where what comes out decides.

    Before it, where the map is a circle and the operator gives size / stride samples of it.
    """
    kind, steps = downsampling_of(downsampling), pair(stride)
    taps, frame = pair(kernel_size), pair(pad)
    if kind.choose_windows is None or padding != "circular" or steps == (1, 1):
        return None
    if not all(1 <= k - 2 * p <= s for k, p, s in zip(taps, frame, steps, strict=True)):
        return None
    sides = [(p, p) for p in frame]
    return kind.choose_windows(steps), TakeWindows(steps, reach=taps, sides=sides)


def max_pool(
    downsampling: str,
    channels: int,
    *,
    kernel_size: Pair,
    stride: Pair,
    padding: str,
    pad: Pair = 0,
) -> nn.Module:
    """The maximum of each window, then samples dropped; `nn.MaxPool2d` for `stride`.

    Args:
        downsampling: one of `DOWNSAMPLINGS`.
        channels: of the map.
        kernel_size: size of the window.
        stride: of the window.
        padding: padding mode; for `zero` it is left out of the maximum.
        pad: samples added on each side.
    """
    windows = windows_before(downsampling, kernel_size, stride, pad, padding)
    if windows is not None:
        return nn.Sequential(Windows(*windows), nn.MaxPool2d(pair(kernel_size), pair(stride)))
    step, frame = operator_stride(downsampling, stride), pair(pad)
    far = far_border_of(kernel_size, stride, pad, "-inf" if padding == "zeros" else padding, step)
    if padding == "zeros" or frame == (0, 0):
        operator: nn.Module = nn.MaxPool2d(pair(kernel_size), step, frame)
    else:
        operator = _chain(border(pad, padding=padding), nn.MaxPool2d(pair(kernel_size), step))
    return _chain(far, operator, reduce(downsampling, channels, stride=stride, padding=padding))


def average_pool(
    downsampling: str,
    channels: int,
    *,
    kernel_size: Pair,
    stride: Pair,
    padding: str,
    pad: Pair = 0,
) -> nn.Module:
    """The mean of each window, then samples dropped; `nn.AvgPool2d` for `stride`.

    The arguments are those of `max_pool`, but that zeros outside the image do count. Where a
    window only reaches beyond the far side because it now runs at stride 1, the edge is repeated.
    """
    windows = windows_before(downsampling, kernel_size, stride, pad, padding)
    if windows is not None:
        return nn.Sequential(Windows(*windows), nn.AvgPool2d(pair(kernel_size), pair(stride)))
    step = operator_stride(downsampling, stride)
    far = far_border_of(
        kernel_size, stride, pad, "replicate" if padding == "zeros" else padding, step
    )
    operator = nn.AvgPool2d(pair(kernel_size), step)
    after = reduce(downsampling, channels, stride=stride, padding=padding)
    return _chain(far, border(pad, padding=padding), operator, after)


def pool(
    kind: str,
    downsampling: str,
    channels: int,
    *,
    kernel_size: Pair,
    stride: Pair,
    padding: str,
    pad: Pair = 0,
) -> nn.Module:
    """A pool of any kind.

    Args:
        kind: one of `POOLS`; "conv" is a convolution of the same kernel and stride, channels to
            channels, and ReLU (J. Springenberg et al., "Striving for Simplicity", 2015).
        downsampling: one of `DOWNSAMPLINGS`.
        channels: of the map.
        kernel_size: size of the window.
        stride: of the window.
        padding: padding mode.
        pad: samples added on each side.

    Raises:
        UsageError: no such pool.
    """
    if kind == "max":
        return max_pool(
            downsampling, channels, kernel_size=kernel_size, stride=stride, padding=padding, pad=pad
        )
    if kind == "average":
        return average_pool(
            downsampling, channels, kernel_size=kernel_size, stride=stride, padding=padding, pad=pad
        )
    if kind == "conv":
        learned = nn.Sequential()
        windows = windows_before(downsampling, kernel_size, stride, pad, padding)
        if windows is not None:
            learned.add_module("windows", Windows(*windows))  # a name, as below
            learned.add_module(
                "0",
                conv(
                    channels,
                    channels,
                    kernel_size=kernel_size,
                    stride=stride,
                    pad=0,
                    padding="zeros",
                ),
            )
            learned.add_module("1", nn.ReLU())
            return learned
        step = operator_stride(downsampling, stride)
        far = far_border_of(kernel_size, stride, pad, padding, step)
        if not isinstance(far, nn.Identity):
            learned.add_module("far", far)  # a name: the parameters keep their number
        learned.add_module(
            "0",
            conv(
                channels, channels, kernel_size=kernel_size, stride=step, padding=padding, pad=pad
            ),
        )
        learned.add_module("1", nn.ReLU())
        after = reduce(downsampling, channels, stride=stride, padding=padding)
        if not isinstance(after, nn.Identity):
            learned.add_module("2", after)
        return learned
    raise UsageError(f"`{kind}` is not a pool. {did_you_mean(kind, POOLS)}")


def far_border_of(
    kernel_size: Pair, stride: Pair, pad: Pair, padding: str, step: tuple[int, int]
) -> nn.Module:
    """The `FarBorder` before an operator that does not have the stride itself.

    Args:
        kernel_size: taps of the operator's window.
        stride: that it stands for.
        pad: samples that it adds a side.
        padding: what is added, one of `layers.blocks.PADDINGS`; or `-inf`.
        step: its own stride.
    """
    taps, steps, frame = pair(kernel_size), pair(stride), pair(pad)
    reaches = any(k - 1 > 2 * p for k, p in zip(taps, frame, strict=True))
    if step == steps or not reaches:
        return nn.Identity()
    return FarBorder(taps, stride=steps, pad=frame, padding=padding)


def _chain(*parts: nn.Module) -> nn.Module:
    """The parts that do something: one as it is, several as a sequence."""
    real = [p for p in parts if not isinstance(p, nn.Identity)]
    return real[0] if len(real) == 1 else nn.Sequential(*real)
