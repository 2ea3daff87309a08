"""The measured distance of a layer's cells in pixels, where their positions are unknown.

A map is then enlarged by stretching its grid over the whole image, as is usual. Where
convolutions have no padding the grid covers less than the image: an image moved by as many
pixels as one cell lies from the next moves the map by one cell, and the stretched map by more than
that.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from neocog.explainers.grad_cam import Cam
from neocog.graph.activations import differentiable, recording

__all__ = ["pace"]

IMAGES = 4
"""Images of noise at which the gradients are taken: units off at one are on at others."""


def pace(model: nn.Module, x: Tensor, cam: Cam) -> tuple[float, ...]:
    """Pixels from one cell of the layer to the next, along each axis.

    Gradients of three central cells show which pixels each sees; both ends of what they see
    must lie equally far apart. Where they do not, or reach the border, or there are fewer cells, it
    is the image's size over the number of cells.

    Args:
        model: as for `grad_cam`; left as it was found.
        x: images as the model takes them; their shape and device count.
        cam: maps of the layer.

    Example:
        >>> from neocog.explainers.grad_cam import grad_cam
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 7, stride=2), nn.Flatten(), nn.Linear(200, 2))
        >>> x = torch.rand(1, 1, 25, 25)
        >>> pace(net, x, grad_cam(net, x, layer="0"))
        (2.0, 2.0)
    """
    axes = range(len(cam.grid))
    if all(n < 3 for n in cam.grid):
        return cam.stride
    noise = torch.rand(
        (IMAGES, *x.shape[1:]), generator=torch.Generator().manual_seed(0), dtype=torch.float32
    )
    leaf = noise.to(x.device, x.dtype).requires_grad_()
    with differentiable(model) as run, recording(model, [cam.layer]) as kept:
        run(leaf.clone())
        out = kept.get(cam.layer)
        if out is None or not out.requires_grad:
            return cam.stride
        maps = cam.layout.maps(out)
        steps = [_step(maps, leaf, axis) for axis in axes]
    return tuple(s if f is None else f for s, f in zip(cam.stride, steps, strict=True))


def _step(maps: Tensor, leaf: Tensor, axis: int) -> float | None:
    """Along one axis; None where it cannot be measured."""
    grid = maps.shape[2:]
    if grid[axis] < 3:
        return None
    rows = maps.movedim(axis + 2, 0)
    others = [n // 2 for k, n in enumerate(grid) if k != axis]
    seen = []
    for off in (-1, 0, 1):
        cell = rows[grid[axis] // 2 + off]
        for n in others:
            cell = cell[:, :, n]
        (gradient,) = torch.autograd.grad(
            cell.sum(), leaf, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        where = gradient.ne(0).movedim(axis + 2, 0).flatten(1).any(1).nonzero().flatten()
        if not len(where) or where[0] == 0 or where[-1] == leaf.shape[axis + 2] - 1:
            return None
        seen.append((int(where[0]), int(where[-1])))
    steps = {b[end] - a[end] for a, b in pairwise(seen) for end in (0, 1)}
    step = steps.pop()
    return float(step) if not steps and step > 0 else None
