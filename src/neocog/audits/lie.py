"""The infinitesimal equivariance error of every layer: its Lie derivative.

For a transformation that begins as x + ε · G x, the Lie derivative of a layer f along it is
J_f (G x) - G (f x): how fast f(T x) and T f(x) diverge as T begins (N. Gruver et al., "The Lie
Derivative for Measuring Learned Equivariance", ICLR 2023). Forward-mode differentiation carries
J_f (G x) through the whole network in one pass, and the output of every layer shows it on the way.
Norms are of the derivative itself, never sums of absolute values.

The generators G are those of `neocog.symmetry.generators`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from neocog.audits.layers import is_map
from neocog.graph.hooks import CallNames, hooked, layers_of
from neocog.graph.preserve import exact
from neocog.keywords import known_keywords
from neocog.models.exact import AnySamples, Measurable, measured
from neocog.symmetry.fields import FeatureField, field_of
from neocog.symmetry.generators import (
    map_rotation_generator,
    map_shift_generator,
    rotation_generator,
    shift_generator,
)
from neocog.symmetry.residual import relative_error

__all__ = ["LieError", "lie_errors"]


@dataclass(frozen=True, kw_only=True)
class LieError:
    """How fast one layer departs from equivariance, mean over samples of ‖L f‖ / ‖f‖.

    Args:
        name: of the submodule; `#2` marks its second call in one pass.
        shift: per pixel of shift.
        rotation: per radian of rotation; None where the samples are not square images.
    """

    name: str
    shift: float
    rotation: float | None


@known_keywords
def lie_errors(model: Measurable, data: AnySamples, *, batch: int = 16) -> tuple[LieError, ...]:
    """The Lie derivative of every layer, in the order of their first calls.

    Args:
        model: the model that is measured.
        data: samples of the size that the model takes.
        batch: batch size.

    Returns:
        One row per layer, without maps that windows without padding have cut; none at all where an
        operation of the model has no forward-mode derivative.
    """
    model, data = measured(model, data)
    size = data.size
    shift: dict[str, list[Tensor]] = {}
    turn: dict[str, list[Tensor]] = {}
    try:
        with model.ready(), torch.no_grad(), exact():
            for start in range(0, len(data), batch):
                x = data.take(slice(start, start + batch)).to(model.device, model.dtype)
                parts: dict[str, list[Tensor]] = {}
                for a in range(len(size)):

                    def along(y: Tensor, field: FeatureField, a: int = a) -> Tensor | None:
                        return map_shift_generator(y, a, size)

                    errors = _through(model.module, x, shift_generator(x, 2 + a), along)
                    for name, e in errors.items():
                        parts.setdefault(name, []).append(e**2)
                for name, e2 in parts.items():
                    if len(e2) < len(size):
                        continue
                    shift.setdefault(name, []).append(torch.stack(e2).mean(0).sqrt())
                if len(size) == 2 and size[0] == size[1]:
                    errors = _through(
                        model.module, x, rotation_generator(x), map_rotation_generator
                    )
                    for name, e in errors.items():
                        turn.setdefault(name, []).append(e)
    except RuntimeError:  # by an earlier operation: without such a derivative, or with one for
        return ()  # some memory layouts only
    return tuple(
        LieError(
            name=name,
            shift=float(torch.cat(e).mean()),
            rotation=float(torch.cat(turn[name]).mean()) if name in turn else None,
        )
        for name, e in shift.items()
    )


Generator = Callable[[Tensor, FeatureField], Tensor | None]
"""The initial change of a layer's output under the transformation; None where it has none."""


def _through(
    module: nn.Module, x: Tensor, tangent: Tensor, generator: Generator
) -> dict[str, Tensor]:
    """‖J (G x) - G (f x)‖ / ‖f x‖ of each sample, by layer."""
    names = CallNames()
    errors: dict[str, Tensor] = {}

    def after(name: str, m: nn.Module, args: tuple[Any, ...], out: Any) -> None:
        if not is_map(out) or len(out) != len(x):
            return
        label = names(name)
        value, change = forward_ad.unpack_dual(out)  # type: ignore[no-untyped-call]
        change = torch.zeros_like(value) if change is None else change
        moved = generator(value, field_of(m))
        if moved is not None:
            errors[label] = relative_error(change - moved, value).cpu()

    with hooked(layers_of(module), after=after), forward_ad.dual_level(), warnings.catch_warnings():
        # PyTorch's own derivatives warn of PyTorch's own scripts when they are first used.
        warnings.simplefilter("ignore", DeprecationWarning)
        # Group norm, for one, has no such derivative of channels that lie beside each other.
        lines = (v.contiguous() for v in (x, tangent))
        module(forward_ad.make_dual(*lines))  # type: ignore[no-untyped-call]
    return errors
