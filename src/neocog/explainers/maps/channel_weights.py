"""From a layer's output, and the gradient there, to a map.

Every rule takes activations A and gradients G, both (B, C, *S), and returns signed maps (B, *S),
positive where they increase the output. Each entry of `METHODS` is another definition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from neocog.errors import UsageError, did_you_mean

__all__ = [
    "METHODS",
    "Method",
    "by_element",
    "by_mean_gradient",
    "by_positive_gradient",
    "first_component",
    "method_of",
]


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method for a map.

    Args:
        title: as in its paper.
        weigh: activations and gradients to maps.
        question: that its map answers.
        source: the paper.
        class_free: it needs no class and no gradient.
    """

    title: str
    weigh: Callable[[Tensor, Tensor], Tensor]
    question: str
    source: str
    class_free: bool = False


def by_mean_gradient(a: Tensor, g: Tensor) -> Tensor:
    """Channels weighted by their mean gradient: Σ_c mean(G_c) · A_c.

    Example:
        >>> a, g = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[0.0, 4.0]]])
        >>> by_mean_gradient(a, g)
        tensor([[2., 4.]])
    """
    weight = g.flatten(2).mean(2)
    return torch.bmm(weight[:, None], a.flatten(2)).view(len(a), *a.shape[2:])


def by_element(a: Tensor, g: Tensor) -> Tensor:
    """Each value by its own gradient: Σ_c G_c · A_c.

    Example:
        >>> a, g = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[0.0, 4.0]]])
        >>> by_element(a, g)
        tensor([[0., 8.]])
    """
    return (a * g).sum(1)


def by_positive_gradient(a: Tensor, g: Tensor) -> Tensor:
    """Each value by its own gradient where that is positive: Σ_c max(G_c, 0) · A_c."""
    return (a * g.clamp(min=0)).sum(1)


def first_component(a: Tensor, g: Tensor) -> Tensor:
    """Projection on the direction in which the channels vary most; its sign is that of their mean.

    Args:
        a: activations.
        g: unused.
    """
    rows = a.flatten(2).transpose(1, 2).double()
    rows = rows - rows.mean(1, keepdim=True)
    positions, channels = rows.shape[1:]
    if channels <= positions:
        direction = torch.linalg.eigh(rows.mT @ rows)[1][..., -1:]
        map_ = (rows @ direction)[..., 0]
    else:
        values, vectors = torch.linalg.eigh(rows @ rows.mT)
        map_ = vectors[..., -1] * values[..., -1:].clamp(min=0).sqrt()
    mean = rows.mean(2)
    sign = (map_ * mean).sum(1, keepdim=True).sign()
    map_ = map_ * torch.where(sign == 0, torch.ones_like(sign), sign)
    component: Tensor = map_.to(a.dtype).view(len(a), *a.shape[2:])
    return component


METHODS: dict[str, Method] = {
    "grad_cam": Method(
        title="Grad-CAM",
        weigh=by_mean_gradient,
        question="Where is the evidence for this class?",
        source="Selvaraju et al. 2017, Grad-CAM",
    ),
    "hires_cam": Method(
        title="HiResCAM",
        weigh=by_element,
        question="How much did each position of the layer contribute to this class?",
        source="Draelos, Carin 2020, Use HiResCAM instead of Grad-CAM",
    ),
    "layer_cam": Method(
        title="LayerCAM",
        weigh=by_positive_gradient,
        question="Where would a larger activation raise this class? Also for shallow layers.",
        source="Jiang et al. 2021, LayerCAM",
    ),
    "eigen_cam": Method(
        title="Eigen-CAM",
        weigh=first_component,
        question="What is the first principal component of the layer, whatever the class?",
        source="Muhammad, Yeasin 2020, Eigen-CAM",
        class_free=True,
    ),
}
"""Method by name."""


def method_of(name: str) -> Method:
    """A method by its name.

    Raises:
        UsageError: there is none.
    """
    if name not in METHODS:
        raise UsageError(f"`{name}` is not an attribution method. {did_you_mean(name, METHODS)}")
    return METHODS[name]
