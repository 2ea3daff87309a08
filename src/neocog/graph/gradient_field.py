"""Fields by gradients: which samples of the image move an element, and how much.

`gradient_support` finds which samples *can*: in a copy of the network all weights are positive and
nothing saturates or picks a winner, so that no gradient vanishes by chance. It is the second
opinion on `receptive_field`. `effective_field` finds which samples *do*, in the network as it is.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from neocog.errors import ModelError, UsageError, did_you_mean
from neocog.exhibits import Map
from neocog.graph.hooks import hooked
from neocog.graph.ops import ACTIVATIONS
from neocog.graph.preserve import preserved
from neocog.keywords import known_keywords

__all__ = ["EffectiveField", "effective_field", "gradient_support"]

_SHARE = 1 - 0.9545
"""Of the peak, from which a sample counts: what a bell curve has left at two deviations."""


@dataclass(frozen=True, kw_only=True)
class EffectiveField:
    """How much each sample of the image moves the middle of a layer, on average.

    Args:
        layer: the submodule whose output was looked at.
        gradient: mean over images of the gradient's absolute value, summed over channels,
            divided by its peak; one number per sample of space.
        side: side of the square (length of the interval, for series) that has as many samples as
            there are with more than 4.55 % of the peak.
        spread: standard deviation of the map around its center, along each axis, in samples.
        images: how many were averaged.
    """

    layer: str
    gradient: np.ndarray
    side: float
    spread: tuple[float, ...]
    images: int

    def map(self) -> Map:
        """Drawn."""
        values = self.gradient if self.gradient.ndim == 2 else self.gradient[None]
        return Map(
            title=f"Effective field of {self.layer or 'the output'}",
            values=values,
            note=f"Mean absolute gradient of the central unit over {self.images} "
            f"images, peak 1; the area above 4.55 % is that of a square with side {self.side:.1f}.",
        )


@known_keywords
def effective_field(
    module: nn.Module, x: Float[Tensor, "B C *space"], layer: str = ""
) -> EffectiveField:
    """Where the gradient of one element in the middle of a layer falls on the image.

    The element is the one at half of each axis of space, its channels summed; for tokens (B, N, C)
    the one at half of N. The module keeps its mode, parameters, buffers, gradients and hooks.

    Args:
        module: any module of one tensor.
        x: images, or noise to see the architecture apart from them.
        layer: name of a submodule; "" is the module itself.

    Raises:
        UsageError: no such layer.
        ModelError: the layer was not reached, gives no tensor, or no gradient comes back.

    Example:
        >>> net = nn.Conv1d(1, 1, 5)
        >>> found = effective_field(net, torch.ones(1, 1, 12))
        >>> found.gradient.nonzero()[0].tolist()
        [4, 5, 6, 7, 8]

    Source: W. Luo et al., "Understanding the Effective Receptive Field in Deep Convolutional
    Neural Networks", NeurIPS 2016: the threshold, and the side as the root of the area.
    """
    gradient = _gradient(module, x, layer, lambda y: _middle(y, x.dim()))
    mean = gradient.abs().sum(1).mean(0).double()
    peak = mean.max()
    if not float(peak):
        raise ModelError(
            f"No gradient of `{layer or 'the output'}` reaches the image: its central unit is "
            "saturated or does not depend on the image. Use an earlier layer, or other images."
        )
    share = (mean / peak).cpu()
    area, axes = int((share > _SHARE).sum()), share.dim()
    return EffectiveField(
        layer=layer,
        gradient=share.numpy(),
        side=area ** (1 / axes),
        spread=tuple(_spread(share.movedim(k, 0).reshape(share.shape[k], -1)) for k in range(axes)),
        images=len(x),
    )


@known_keywords
def gradient_support(
    module: nn.Module, size: tuple[int, ...], layer: str = "", *, seed: int = 0
) -> Bool[Tensor, " *space"]:
    """Which samples of the image the middle element of a layer depends on.

    In a deep copy in float64, every parameter is a random positive number, batch norms pass, the
    common activations are left out and the largest value of a window is its sum. What is left can
    only add, so a gradient is zero where nothing leads.

    Args:
        module: any module of one tensor; the copy needs its memory, also for a meta module.
        size: of one sample, (C, H, W) or (C, N).
        layer: name of a submodule; "" is the module itself.
        seed: of the random numbers.

    Raises:
        UsageError: no such layer.
        ModelError: the layer was not reached or gives no tensor.
    """
    twin = _positive(module, seed)
    draw = torch.Generator().manual_seed(seed)
    x = torch.rand((1, *size), generator=draw, dtype=torch.float64) + 0.5
    with _Passing():
        gradient = _gradient(twin, x, layer, lambda y: y[tuple(n // 2 for n in y.shape)])
    return (gradient != 0).any(1)[0]


def _gradient(module: nn.Module, x: Tensor, layer: str, of: Any) -> Tensor:
    """Of a number made from a layer's output, at the image."""
    known = dict(module.named_modules())
    if layer not in known:
        raise UsageError(f"`{layer}` is not a layer. {did_you_mean(layer, known)}")
    x = x.detach().clone().requires_grad_()
    with preserved(module, x.detach()), torch.inference_mode(False), torch.enable_grad():
        tensors: list[Tensor] = []

        def keep(name: str, m: nn.Module, args: Any, out: Any) -> None:
            first = out[0] if isinstance(out, (tuple, list)) and out else out
            if isinstance(first, Tensor) and first.is_floating_point():
                tensors.append(first.clone())  # which later work in place spares

        with hooked([(layer, known[layer])], after=keep):
            module(x)
        if not tensors:
            raise ModelError(
                f"A receptive field needs a layer that returns a tensor; `{layer}` did not run, or "
                "returns none. Name a layer whose output is one tensor."
            )
        y = of(tensors[-1])
        if not y.requires_grad:
            return torch.zeros_like(x)
        (gradient,) = torch.autograd.grad(y, x, materialize_grads=True)
    return gradient


def _middle(y: Tensor, axes: int) -> Tensor:
    """The element in the middle, summed over channels and samples of the batch."""
    if y.dim() == 3 and axes == 4:  # tokens of an image
        return y.select(1, y.shape[1] // 2).sum()
    for n in y.shape[2:]:
        y = y.select(2, n // 2)
    return y.sum()


def _spread(share: Tensor) -> float:
    """Standard deviation along the first axis."""
    line = share.sum(1)
    places = torch.arange(len(line), dtype=line.dtype)
    weight = line / line.sum()
    center = (weight * places).sum()
    return math.sqrt(max(0.0, float((weight * (places - center) ** 2).sum())))


def _positive(module: nn.Module, seed: int) -> nn.Module:
    twin = copy.deepcopy(module)
    if any(t.is_meta for t in (*twin.parameters(), *twin.buffers())):
        twin = twin.to_empty(device="cpu")
        for b in twin.buffers():
            b.fill_(1)
    twin = twin.double().cpu().eval()
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in twin.parameters():
            fan = max(1, p[0].numel()) if p.dim() > 1 else 1
            p.copy_((torch.rand(p.shape, generator=draw, dtype=torch.float64) + 0.5) / fan)
        for m in twin.modules():
            if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.running_var is not None:
                assert m.running_mean is not None
                m.running_mean.zero_()
                m.running_var.fill_(1)
    return twin


_PASSING = ACTIVATIONS | {"softsign", "logsigmoid", "clamp", "tanhshrink"}
"""Functions of `torch.nn.functional` that are left out."""

_ADAPTIVE: dict[str, Callable[..., Tensor]] = {
    "adaptive_max_pool1d": F.adaptive_avg_pool1d,
    "adaptive_max_pool2d": F.adaptive_avg_pool2d,
    "adaptive_max_pool3d": F.adaptive_avg_pool3d,
}


class _Passing(TorchFunctionMode):
    """Activations pass, the largest of a window is its sum."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "").rstrip("_")
        if name in _PASSING:
            return args[0] if args else kwargs["input"]
        if name in ("max_pool1d", "max_pool2d", "max_pool3d"):
            kwargs.pop("return_indices", None)
            return _sum_pool(func, *args, **kwargs)
        if name in _ADAPTIVE:
            return _ADAPTIVE[name](*args[:2])
        return func(*args, **kwargs)


def _sum_pool(
    func: Any,
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Where a maximum would look, with zeros around."""
    axes = input.dim() - 2
    k, s, p, d = (
        list(v) if isinstance(v, (tuple, list)) else [v] * axes
        for v in (kernel_size, stride or kernel_size, padding, dilation)
    )
    shape = func(input.detach(), k, s, p, d, ceil_mode).shape[2:]
    pads = []
    for n, m, *a in zip(input.shape[2:], shape, k, s, p, d, strict=True):
        taps, step, pad, gap = a
        pads.append((pad, max(0, (m - 1) * step + gap * (taps - 1) + 1 - pad - n)))
    x = F.pad(input, [v for pair in reversed(pads) for v in pair])
    ones = torch.ones(input.shape[1], 1, *k, dtype=input.dtype)
    summed = (F.conv1d, F.conv2d, F.conv3d)[axes - 1](
        x, ones, stride=s, dilation=d, groups=input.shape[1]
    )
    for axis, count in enumerate(shape, 2):
        summed = summed.narrow(axis, 0, count)
    return summed
