"""Which image on a sheet is like a template: by raw and normalized correlation, and by features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from neocog.graph.activations import recording

__all__ = ["SheetSearch", "sheet_search"]

NEAR = 2
"""Pixels by which a window may be shifted from an image on the sheet."""


@dataclass(frozen=True)
class SheetSearch:
    """The image on a sheet that is most like each template.

    Args:
        scores: (T, n, n), the best score of each template on each image.
        best: (T,), the image of the largest score, counted row by row.
    """

    scores: Float[Tensor, "T n n"]
    best: Int[Tensor, " T"]


def sheet_search(
    sheet: Float[Tensor, "C H W"], templates: Float[Tensor, "T C S S"], network: nn.Module
) -> dict[str, SheetSearch]:
    """Slide templates over the images of a sheet, and compare in three ways.

    Args:
        sheet: n × n images of side S.
        templates: of that side.
        network: from images to logits, with two linear layers or more at its end; the features are
            those in front of the last one, and are compared by their cosine.

    Returns:
        What "raw", "normalized" and "features" find.
    """
    side = templates.shape[2]
    count = sheet.shape[1] // side
    near = _near_tiles(sheet, side)
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "raw": lambda x: x.flatten(1),
        "normalized": _standardized,
        "features": lambda x: _features(network, x),
    }
    out = {}
    for name, describe in ways.items():
        windows = describe(near.flatten(0, 1)).view(count**2, near.shape[1], -1)
        scores = torch.einsum("tnd,id->itn", windows, describe(templates)).amax(2)
        out[name] = SheetSearch(scores.view(-1, count, count), scores.argmax(1))
    return out


def _near_tiles(sheet: Tensor, side: int) -> Tensor:
    """Windows of a sheet near each of its images, (n², windows, C, side, side)."""
    padded = F.pad(sheet[None], (NEAR,) * 4)[0]
    count, steps = sheet.shape[1] // side, range(2 * NEAR + 1)
    windows = [
        padded[:, side * i + di : side * (i + 1) + di, side * j + dj : side * (j + 1) + dj]
        for i in range(count) for j in range(count) for di in steps for dj in steps
    ]  # fmt: skip
    return torch.stack(windows).view(count**2, len(steps) ** 2, *windows[0].shape)


def _standardized(x: Tensor) -> Tensor:
    """Windows less their mean, of length 1: their product is the correlation coefficient."""
    flat = x.flatten(1)
    return F.normalize(flat - flat.mean(1, keepdim=True), dim=1)


def _features(network: nn.Module, x: Tensor) -> Tensor:
    last = [k for k, m in network.named_modules() if isinstance(m, nn.Linear)][-2]
    with torch.inference_mode(), recording(network, [last]) as outputs:
        network(x)
    return F.normalize(F.relu(outputs[last]), dim=1)
