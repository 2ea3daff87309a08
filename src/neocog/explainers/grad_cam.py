"""Grad-CAM and its relatives: where in the image the evidence for a class comes from.

The map is signed: positive where the layer increases the output, negative where it decreases it.
The paper shows the positive part, `Cam.positive`. Values are in the unit of the output, not
stretched to 0..1: the map of HiResCAM, and that of Grad-CAM where global average pooling and a
linear layer follow, sums up to the logit minus its bias.

Source: R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017; for the relatives see `channel_weights.METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from neocog.data.samples import batch_for
from neocog.errors import ModelError, ShapeMismatch, printable
from neocog.explainers.layout import SpatialLayout, channels_of, layout_of, size_text
from neocog.explainers.maps.cells import Cells, spread
from neocog.explainers.maps.channel_weights import METHODS, Method, method_of
from neocog.explainers.maps.objective import Target, model_output, rows_of, value
from neocog.explainers.target import Chosen, choose_layer, describe_layer
from neocog.graph.activations import device_and_dtype, differentiable, exchanging
from neocog.graph.output_kind import kind_of, probabilities
from neocog.keywords import known_keywords

__all__ = ["METHODS", "Cam", "as_input", "enlarge", "grad_cam", "resize_map"]


@dataclass(frozen=True, kw_only=True)
class Cam:
    """Maps of some images.

    Args:
        maps: (B, *grid), signed, on the layer's own grid.
        layer: whose output the map is of.
        layer_reason: why this layer, a sentence without its full stop.
        targets: class of each image; None where a function was given, or the method has none.
        values: what is explained: the logit of the class, (B,).
        outputs: of the model, (B, K) or (B, K, *S).
        size: of the images, (H, W) or (N,).
        layout: where the layer's output holds space.
        method: one of `METHODS`.
        cells: where the layer's cells lie in the image; None where unknown.
        kind: of the model's outputs, see `neocog.graph.output_kind`.
    """

    maps: Float[Tensor, B * S]
    layer: str
    layer_reason: str
    targets: tuple[int | None, ...]
    values: Float[Tensor, " B"]
    outputs: Tensor
    size: tuple[int, ...]
    layout: SpatialLayout
    method: str
    cells: Cells | None = None
    kind: str = "logits"

    @property
    def positive(self) -> Float[Tensor, B * S]:
        """The evidence for the output; zero where there is evidence against it."""
        return self.maps.clamp(min=0)

    @property
    def grid(self) -> tuple[int, ...]:
        """Cells of the layer along each axis."""
        return tuple(self.maps.shape[1:])

    @property
    def stride(self) -> tuple[float, ...]:
        """Pixels from one cell to the next: the size over the grid where cells are unknown."""
        if self.cells is not None:
            return self.cells.step
        return tuple(n / g for n, g in zip(self.size, self.grid, strict=True))

    def probability(self, i: int) -> float | None:
        """Of the class that map `i` is of; None where there are no classes to distinguish."""
        target = self.targets[i]
        if target is None or self.outputs.ndim != 2 or self.outputs.shape[1] < 2:
            return None
        return float(probabilities(self.outputs[i].double(), self.kind, dim=0)[target])

    def enlarged(self, maps: Tensor | None = None) -> Tensor:
        """Signed maps at the size of the images, each cell at the center of its receptive field.

        Without `cells` the grid is stretched over the whole image, as is usual: exact where the
        centers of the receptive fields are spread evenly over it, as for patches side by side.
        Without padding this moves what lies near the border outwards, by up to half of a receptive
        field.

        Args:
            maps: others on the same grid, (B, *grid); its own if left out.
        """
        return enlarge(self.maps if maps is None else maps, self.size, self.cells)


@known_keywords
def grad_cam(
    model: nn.Module,
    x: Tensor,
    *,
    layer: str | None = None,
    target: Target = None,
    method: str = "grad_cam",
) -> Cam:
    """A map for each image. The model is left as it was.

    One forward pass, recorded from the layer on, and one backward pass to the layer; no gradient of
    a weight is computed. Images do not depend on each other; many go through in several batches.

    Args:
        model: any module from (B, C, H, W) or (B, C, N) to an output, see `maps.objective`.
        x: its input, (B, C, *S).
        layer: a submodule, by its name; chosen and explained if left out, see `target`.
        target: a class for all images, one per image, a function of the output that returns (B,),
            or None for the predicted class.
        method: one of `METHODS`.

    Raises:
        ModelError: no such layer, or it has no space, or the output does not depend on it.
        UsageError: no such method or class.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> cam = grad_cam(net, torch.rand(3, 1, 8, 8), target=1)
        >>> cam.layer, cam.grid, cam.targets
        ('0', (8, 8), (1, 1, 1))
    """
    return explained(model, x, layer=layer, target=target, method=method)


def explained(
    model: nn.Module,
    x: Tensor,
    *,
    layer: str | None,
    target: Target,
    method: str,
    layout: SpatialLayout | None = None,
    weights: Mapping[str, Tensor] | None = None,
) -> Cam:
    """`grad_cam` where a layer's layout is known, or with other weights, by their names."""
    x = as_input(model, x)
    at_once = batch_for(x[0].numel())
    parts: list[Cam] = []
    for begin in range(0, len(x), at_once):
        rows = slice(begin, begin + at_once)
        part = _explained(
            model,
            x[rows],
            layer=parts[0].layer if parts else layer,
            target=rows_of(target, len(x), rows),
            method=method,
            layout=parts[0].layout if parts else layout,
            weights=weights,
        )
        parts.append(part)
    return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts: list[Cam]) -> Cam:
    """Maps of all images, of one layer."""
    return replace(
        parts[0],
        maps=torch.cat([p.maps for p in parts]),
        targets=tuple(t for p in parts for t in p.targets),
        values=torch.cat([p.values for p in parts]),
        outputs=torch.cat([p.outputs for p in parts]),
    )


def _explained(
    model: nn.Module,
    x: Tensor,
    *,
    layer: str | None,
    target: Target,
    method: str,
    layout: SpatialLayout | None,
    weights: Mapping[str, Tensor] | None,
) -> Cam:
    """Of as many images as fit into a batch."""
    rule = method_of(method)
    size = tuple(x.shape[2:])
    with differentiable(model, weights=weights) as run:
        chosen = choose_layer(run, model, x, target) if layer is None else None
        name = chosen.name if chosen is not None else str(layer)
        output, calls = _forward(run, model, x, name, leaf=not rule.class_free)
        if rule.class_free:
            numbers = output.new_full((len(output),), torch.nan)
            targets: tuple[int | None, ...] = (None,) * len(output)
            a, g = calls[-1], calls[-1]
        else:
            numbers, targets = value(output, target)
            a, g = _gradient(numbers, calls, name)
        if layout is None:
            layout = chosen.layout if chosen is not None else _layout(run, model, x, name, a)
        maps = _maps(rule, layout, a, g)
    return Cam(
        maps=maps,
        layer=name,
        layer_reason=_reason(chosen, layout),
        targets=targets,
        values=numbers.detach().float(),
        outputs=output.detach(),
        size=size,
        layout=layout,
        method=method,
        kind=kind_of(model),
    )


def as_input(model: nn.Module, x: Tensor) -> Tensor:
    """Images on the device of the model, in its dtype and memory format.

    Raises:
        ShapeMismatch: they are not a batch of images or series.
    """
    if x.ndim not in (3, 4) or not len(x):
        hint = "Add the batch axis with x[None]" if len(x) else "Give one"
        raise ShapeMismatch(
            "Images are (B, C, H, W) and series (B, C, N), one at least; "
            f"got {tuple(x.shape)}. {hint}.",
            expected=(1, 3, 32, 32),
            actual=tuple(x.shape),
        )
    device, dtype = device_and_dtype(model)
    with torch.inference_mode(False):
        plain = x.clone() if x.is_inference() else x.detach()
        moved = plain.to(device, dtype)
        if moved.ndim == 4:
            moved = moved.contiguous(memory_format=torch.channels_last)
        # A network may modify its input in place.
        return moved.clone() if moved.data_ptr() == x.data_ptr() else moved


def enlarge(maps: Float[Tensor, B * S], size: Sequence[int], cells: Cells | None) -> Tensor:
    """Maps at the size of the image, by `spread` where their cells are known, else stretched."""
    return resize_map(maps, size) if cells is None else spread(maps, size, cells)


def resize_map(maps: Float[Tensor, B * S], size: Sequence[int]) -> Tensor:
    """Maps at another size: linear between the centers of cells, constant beyond the outermost.

    Example:
        >>> resize_map(torch.tensor([[0.0, 1.0]]), (4,))
        tensor([[0.0000, 0.2500, 0.7500, 1.0000]])
    """
    mode = "linear" if maps.ndim == 2 else "bilinear"
    return F.interpolate(maps[:, None], size=tuple(size), mode=mode, align_corners=False)[:, 0]


def _forward(
    run: Callable[[Tensor], Any], model: nn.Module, x: Tensor, layer: str, *, leaf: bool
) -> tuple[Tensor, list[Tensor]]:
    """The output, and the layer's output in each of its calls, as leaves of the graph.

    A copy is passed on: an in-place operation after the layer would change it.
    """
    calls: list[Tensor] = []

    def exchange(t: Tensor) -> Tensor:
        if not t.is_floating_point():
            raise ModelError(
                f"An explained layer must output floating-point values; `{printable(layer)}` "
                f"outputs {t.dtype}. Name another."
            )
        calls.append(t.detach().requires_grad_(leaf))
        return calls[-1].clone()

    with exchanging(model, layer, exchange):
        output = model_output(run(x))
    if not calls:
        raise ModelError(
            f"`{printable(layer)}` did not run on these images. Name a layer that does, or omit it."
        )
    if len(output) != len(x):
        raise ModelError(
            f"A model must return one row per image; got {len(output)} rows for {len(x)} images. "
            "Explain a network that does."
        )
    return output, calls


def _gradient(numbers: Tensor, calls: list[Tensor], layer: str) -> tuple[Tensor, Tensor]:
    """The layer's last output on which the model's output depends, and its gradient."""
    if numbers.requires_grad:
        gradients = torch.autograd.grad(numbers.sum(), calls, allow_unused=True)
        for a, g in zip(reversed(calls), reversed(gradients), strict=True):
            if g is not None:
                return a.detach(), g
    raise ModelError(
        f"An attribution map needs a layer on which the output depends; no gradient reaches "
        f"`{printable(layer)}`. Name another layer, or omit it to have one chosen."
    )


def _layout(
    run: Callable[[Tensor], Any], model: nn.Module, x: Tensor, layer: str, a: Tensor
) -> SpatialLayout:
    """The layout of a layer that was named."""
    size, channels = x.shape[2:], channels_of(model.get_submodule(layer), a.shape)
    layout = layout_of(a.shape, size, batch=len(x), channels=channels)
    other = layout_of(a.shape, size, batch=len(x), channels=channels, likely="channels last")
    sure = layout is not None and layout.kind == "channels first" and layout == other
    if not sure or (a.ndim == 3 and channels is None):  # earlier layers know more
        layout = describe_layer(run, model, x, layer) or layout
    if layout is None:
        raise ModelError(
            "A map over the image needs a layer whose output still has rows and columns; that "
            f"of `{printable(layer)}` has the shape {tuple(a.shape)}. Name an earlier layer, or "
            "omit it to have one chosen."
        )
    return layout


def _maps(rule: Method, layout: SpatialLayout, a: Tensor, g: Tensor) -> Tensor:
    with torch.no_grad():
        exact = a.dtype if a.dtype in (torch.float32, torch.float64) else torch.float32
        return rule.weigh(layout.maps(a.detach()).to(exact), layout.maps(g.detach()).to(exact))


def _reason(chosen: Chosen | None, layout: SpatialLayout) -> str:
    if chosen is not None:
        return chosen.reason
    return f"named by the user; its output has {size_text(layout.grid)} positions"
