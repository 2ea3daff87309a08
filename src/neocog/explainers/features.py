"""The features of a network up to one layer, for images of any size; and matching in them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from neocog.errors import ModelError, ShapeMismatch, UsageError, printable
from neocog.explainers.top_activations import PatchGeometry
from neocog.graph.activations import find_layer, first_tensor, handed
from neocog.graph.hooks import hooked
from neocog.graph.preserve import preserved
from neocog.signal.correlate import match
from neocog.types import ModelSpec

__all__ = ["Features", "features_of"]


@dataclass(frozen=True)
class Features:
    """A network up to one layer, as a function of images of any size.

    Args:
        name: of network and layer, for people.
        run: values in [0, 1], (1, C, H, W), to a map (1, D, h, w).
        seen: what the elements of the map see of the image.
    """

    name: str
    run: Callable[[Tensor], Tensor]
    seen: PatchGeometry

    def match(
        self, image: Float[Tensor, "C H W"], template: Float[Tensor, "C h w"]
    ) -> tuple[Float[Tensor, "rows columns"], tuple[int, int], tuple[int, int]]:
        """Normalized cross-correlation of the features of a template with those of an image.

        The template is run alone: the network sees it continued by reflection, and the elements
        whose receptive fields have their center on it are matched.

        Args:
            image: values in [0, 1].
            template: smaller.

        Returns:
            Scores; the pixels from one to the next along each axis; the window in the image that
            the
                first of them belongs to, (row, column) of its corner.

        Raises:
            UsageError: the template is too small to hold an element of the map.
        """
        maps = self.run(image[None])[0]
        jumps = [_whole(j) for j in self.seen.jump]
        pads: list[int] = []
        cells: list[slice] = []
        first: list[int] = []
        for axis in (0, 1):
            jump, n = jumps[axis], template.shape[1 + axis]
            margin = jump * min(math.ceil(self.seen.size[axis] / 2 / jump), (n - 1) // jump)
            middle = (self.seen.start[axis] or 0) + (self.seen.size[axis] - 1) / 2
            begin = math.ceil((margin - middle) / jump)
            end = math.floor((margin + n - 1 - middle) / jump)
            if end - begin < 1:
                raise UsageError(
                    "A template must cover at least two elements of the feature map along each "
                    f"axis; one of {n} pixels covers {max(0, end - begin + 1)}, as they are {jump} "
                    "pixels apart. Cut a larger one, or name an earlier layer."
                )
            pads = [margin, margin, *pads]  # PyTorch counts from the last axis
            cells.append(slice(begin, end + 1))
            first.append(margin - jump * begin)
        small = self.run(F.pad(template[None], pads, mode="reflect"))[0][:, cells[0], cells[1]]
        return match(maps, small), (jumps[0], jumps[1]), (first[0], first[1])


def features_of(model: nn.Module, layer: str, seen: PatchGeometry, *, name: str = "") -> Features:
    """A network up to a layer, for images of any size.

    The layers up to there must not mind the size, as convolutions and pools do not; what comes
    after is not run. A model that checks the size of its images is entered behind the check.

    Args:
        model: from values in [0, 1] to outputs; left as it is.
        layer: a submodule whose output is a map.
        seen: what its elements see, from `graph.receptive_field`, with whole jumps.
        name: for people; the layer's if left out.

    Raises:
        ModelError: there is no such layer, or it does not run on an image of another size.
        ShapeMismatch: its output is not a map.
    """
    module = find_layer(model, layer)
    if len(seen.size) != 2 or any(j is None or j != int(j) or j < 1 for j in seen.jump):
        raise UsageError(
            "Feature matching needs a 2-D map whose elements are whole pixels apart; those of "
            f"`{printable(layer)}` are {seen.jump} apart. Name another layer."
        )

    def run(x: Tensor) -> Tensor:
        with preserved(model), torch.no_grad():
            out = _until(model, module, handed(model, x), layer)
        if out.ndim != 4:
            raise ShapeMismatch(
                f"Features are a map (B, C, h, w); `{printable(layer)}` outputs "
                f"{tuple(out.shape)}. Name a convolution or a stage.",
                expected=(4,),
                actual=tuple(out.shape),
            )
        return out.cpu()

    return Features(name or printable(layer), run, seen)


class _Reached(Exception):
    """The layer has run; what comes after it is of no interest."""

    def __init__(self, out: Tensor | None) -> None:
        super().__init__()
        self.out = out


def _until(model: nn.Module, layer: nn.Module, x: Tensor, name: str) -> Tensor:
    def stop(name: str, m: nn.Module, args: Any, out: Any) -> None:
        raise _Reached(first_tensor(out))

    try:
        with hooked([(name, layer)], after=stop):
            _entered(model, x)
    except _Reached as reached:
        if reached.out is not None:
            return reached.out
    except Exception as e:  # of any kind: an external forward may raise anything
        raise ModelError(
            "Feature matching needs layers that accept images of any size; before "
            f"`{printable(name)}` the network fails on one of {tuple(x.shape[1:])} "
            f"({type(e).__name__}: {e}). Name an earlier layer."
        ) from e
    raise ModelError(
        f"A layer must run and return a tensor to be inspected; `{printable(name)}` does not. "
        "Name another."
    )


def _entered(model: nn.Module, x: Tensor) -> None:
    """Run the network behind the check of the input size, where there is one."""
    if isinstance(getattr(model, "spec", None), ModelSpec):
        model.get_submodule("network")((x - model.get_buffer("mean")) / model.get_buffer("std"))
    else:
        model(x)


def _whole(jump: Any) -> int:
    return int(jump)
