"""Every place where a network drops samples, through one table.

A network never writes a stride by itself. It asks here, naming one of `SAMPLINGS`, and a new kind
of down-sampling reaches all networks by a line in that table. Dropping samples is written as

    operator at stride 1  →  reduce: keep every s-th sample

which for `stride` is the same, sample for sample, as the operator at stride s; so that kind is
*folded*: the operator gets the stride and nothing follows, plain PyTorch modules with the
parameter names they always had. A kind that is not folded leaves the operator at stride 1 and
puts its own `reduce` behind it, where the names of the parameters before and after stay the same.

A residual block reduces two branches, which must keep *the same* samples. It asks for a
`reduce_pair`, a module of (main, short cut): a kind that looks at the values to choose its samples
looks once, at the main branch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from neocog.errors import UsageError, did_you_mean
from neocog.layers.blocks import Pair, border, conv, pair

__all__ = [
    "POOLS",
    "SAMPLINGS",
    "Sampling",
    "Subsample",
    "SubsamplePair",
    "activation_then_reduce",
    "average_pool",
    "max_pool",
    "operator_stride",
    "pool",
    "reduce",
    "reduce_pair",
    "sampling_of",
    "subsample",
]

POOLS = ("max", "average", "conv")
"""What may summarise a window: its largest value, its mean, or a learned convolution and ReLU."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """One kind of down-sampling.

    Args:
        folded: the stride may stay in the operator before; else that runs at stride 1.
        reduce: (channels, stride, padding) to a module of one map.
        reduce_pair: ((channels of main, of short cut), stride, padding) to a module of two maps
            that returns both, the same samples of each.
    """

    folded: bool
    reduce: Callable[[int, tuple[int, int], str], nn.Module]
    reduce_pair: Callable[[tuple[int, int], tuple[int, int], str], nn.Module]


def subsample(x: Float[Tensor, "B C H W"], stride: tuple[int, int]) -> Float[Tensor, "B C h w"]:
    """Every s-th row and column, from the first; a view.

    Example:
        >>> import torch
        >>> subsample(torch.arange(9.0).reshape(1, 1, 3, 3), (2, 2))
        tensor([[[[0., 2.],
                  [6., 8.]]]])
    """
    return x[:, :, :: stride[0], :: stride[1]]


class Subsample(nn.Module):
    """`subsample` as a module.

    Args:
        stride: (rows, columns).
    """

    def __init__(self, stride: tuple[int, int]) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        """Every s-th row and column."""
        return subsample(x, self.stride)

    def extra_repr(self) -> str:
        """The stride."""
        return f"stride={self.stride}"


class SubsamplePair(nn.Module):
    """`subsample` of two maps.

    Args:
        stride: (rows, columns).
    """

    def __init__(self, stride: tuple[int, int]) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, main: Tensor, short: Tensor) -> tuple[Tensor, Tensor]:
        """Every s-th row and column of both."""
        return subsample(main, self.stride), subsample(short, self.stride)


class AsTheyAre(nn.Module):
    """Two maps, unchanged: the `reduce_pair` where nothing is left to do."""

    def forward(self, main: Tensor, short: Tensor) -> tuple[Tensor, Tensor]:
        """Both."""
        return main, short


SAMPLINGS: dict[str, Sampling] = {
    "stride": Sampling(
        folded=True,
        reduce=lambda channels, stride, padding: Subsample(stride),
        reduce_pair=lambda channels, stride, padding: SubsamplePair(stride),
    ),
}
"""Name to kind. `stride`: every s-th sample, as it comes."""


def sampling_of(name: str) -> Sampling:
    """The kind of that name.

    Raises:
        UsageError: no such sampling.
    """
    if name not in SAMPLINGS:
        raise UsageError(f"`{name}` is no sampling. {did_you_mean(name, SAMPLINGS)}")
    return SAMPLINGS[name]


def operator_stride(sampling: str, stride: Pair) -> tuple[int, int]:
    """The stride that a convolution or pool gets itself; a `reduce` must follow it.

    Example:
        >>> operator_stride("stride", 2)
        (2, 2)
    """
    return pair(stride) if sampling_of(sampling).folded else (1, 1)


def reduce(
    sampling: str, channels: int, *, stride: Pair, padding: str, folds: bool = True
) -> nn.Module:
    """What follows a convolution (with its norm and activation) that had `operator_stride`.

    Args:
        sampling: one of `SAMPLINGS`.
        channels: of the map.
        stride: samples from one that is kept to the next.
        padding: what stands outside the picture.
        folds: an operator before has the stride already where the kind is folded; False where
            there is none and samples must be dropped here in any case.
    """
    kind, steps = sampling_of(sampling), pair(stride)
    if steps == (1, 1) or (folds and kind.folded):
        return nn.Identity()
    return kind.reduce(channels, steps, padding)


def reduce_pair(
    sampling: str, channels: tuple[int, int], *, stride: Pair, padding: str
) -> nn.Module:
    """What a residual block calls with (main, short cut) where its main branch had the stride.

    Where the kind is folded both come back unchanged: the short cut has a stride of its own then,
    again `operator_stride`.

    Args:
        sampling: one of `SAMPLINGS`.
        channels: of the main branch at that point, of the short cut.
        stride: samples from one that is kept to the next.
        padding: what stands outside the picture.
    """
    kind, steps = sampling_of(sampling), pair(stride)
    if steps == (1, 1) or kind.folded:
        return AsTheyAre()
    return kind.reduce_pair(channels, steps, padding)


def activation_then_reduce(
    activation: nn.Module, sampling: str, channels: int, *, stride: Pair, padding: str
) -> nn.Module:
    """One module for one slot of an `nn.Sequential`, so that later slots keep their numbers.

    Returns:
        `activation` itself where nothing has to follow.
    """
    after = reduce(sampling, channels, stride=stride, padding=padding)
    return activation if isinstance(after, nn.Identity) else nn.Sequential(activation, after)


def max_pool(
    sampling: str, channels: int, *, kernel: Pair, stride: Pair, padding: str, pad: Pair = 0
) -> nn.Module:
    """The largest value of each window, then samples dropped; `nn.MaxPool2d` for `stride`.

    Args:
        sampling: one of `SAMPLINGS`.
        channels: of the map.
        kernel: size of the window.
        stride: samples from one window to the next.
        padding: what stands outside the picture; for `zero` it is left out of the maximum.
        pad: samples added a side.
    """
    step = operator_stride(sampling, stride)
    if padding == "zero" or pair(pad) == (0, 0):
        parts: list[nn.Module] = [nn.MaxPool2d(pair(kernel), step, pair(pad))]
    else:
        parts = [border(pad, padding=padding), nn.MaxPool2d(pair(kernel), step)]
    return _chain(*parts, reduce(sampling, channels, stride=stride, padding=padding))


def average_pool(
    sampling: str, channels: int, *, kernel: Pair, stride: Pair, padding: str, pad: Pair = 0
) -> nn.Module:
    """The mean of each window, then samples dropped; `nn.AvgPool2d` for `stride`.

    The arguments are those of `max_pool`, but that zeros outside the picture do count.
    """
    pool = nn.AvgPool2d(pair(kernel), operator_stride(sampling, stride))
    after = reduce(sampling, channels, stride=stride, padding=padding)
    return _chain(border(pad, padding=padding), pool, after)


def pool(
    kind: str, sampling: str, channels: int, *, kernel: Pair, stride: Pair, padding: str
) -> nn.Module:
    """A pool without border, of any kind.

    Args:
        kind: one of `POOLS`; "conv" is a convolution of the same kernel and stride, channels to
            channels, and ReLU (J. Springenberg et al., "Striving for Simplicity", 2015).
        sampling: one of `SAMPLINGS`.
        channels: of the map.
        kernel: size of the window.
        stride: samples from one window to the next.
        padding: what stands outside the picture, for kinds of sampling that look there.

    Raises:
        UsageError: no such pool.
    """
    if kind == "max":
        return max_pool(sampling, channels, kernel=kernel, stride=stride, padding=padding)
    if kind == "average":
        return average_pool(sampling, channels, kernel=kernel, stride=stride, padding=padding)
    if kind == "conv":
        step = operator_stride(sampling, stride)
        learned = conv(channels, channels, kernel=kernel, stride=step, pad=0)
        after = reduce(sampling, channels, stride=stride, padding=padding)
        return _chain(learned, nn.ReLU(), after)
    raise UsageError(f"`{kind}` is no pool. {did_you_mean(kind, POOLS)}")


def _chain(*parts: nn.Module) -> nn.Module:
    """The parts that do something: one as it is, several as a sequence."""
    real = [p for p in parts if not isinstance(p, nn.Identity)]
    return real[0] if len(real) == 1 else nn.Sequential(*real)
