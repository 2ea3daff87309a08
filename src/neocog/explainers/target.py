"""The layer that is explained: chosen, with the reason.

For an output with one row per image it is the last layer whose output still has space and on which
the model's output depends: it has most of the network's features, and still knows where (the choice
of Selvaraju et al. 2017). Pooling, dropout and reshaping are passed over; the map before a pooling
has more positions and the same features. Where a transformer predicts from its class token, the
last block's patches have no effect, and the choice is the input of the last attention. For a dense
output, as of a segmenter, the last layers only repeat the output; there it is the last of the
coarsest layers (Vinogradova et al. 2020).

Both follow from the graph that runs, on one image: from the outputs of the layers, and from the
gradient of the output there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from neocog.errors import ModelError
from neocog.explainers.layout import SpatialLayout, channels_of, layout_of, patches_of, size_text
from neocog.explainers.maps.objective import Target, first_of, model_output, value
from neocog.graph.activations import first_tensor, handed
from neocog.graph.hooks import hooked

__all__ = ["PASSED_OVER", "Chosen", "choose_layer", "describe_layer", "describe_layers"]

PASSED_OVER = (
    "pool",
    "dropout",
    "droppath",
    "identity",
    "flatten",
    "permute",
    "rearrange",
    "reshape",
    "upsample",
    "pad",
)
"""Words in the names of classes that, without weights, compute no features of their own."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A layer that can be explained.

    Args:
        name: of the submodule.
        reason: why it was chosen, a sentence without its full stop.
        layout: where its output holds space.
    """

    name: str
    reason: str
    layout: SpatialLayout


@dataclass(eq=False)
class _Call:
    """An output, and the layer it is from."""

    name: str
    module: nn.Module
    out: Tensor
    layout: SpatialLayout | None
    last: bool = True


def choose_layer(
    run: Callable[[Tensor], Any], module: nn.Module, x: Tensor, target: Target = None
) -> Chosen:
    """The layer to explain, see the head of this module.

    Args:
        run: the module as a function, ready for gradients (`graph.activations.differentiable`).
        module: the module.
        x: images; the first is used.
        target: what is explained, see `maps.objective`.

    Raises:
        ModelError: no layer has space, or the output depends on none of these.
    """
    calls, output = _survey(run, module, x)
    number = value(output, first_of(target))[0].sum()
    placed = [c for c in calls if c.layout is not None and c.out.requires_grad]
    if hasattr(module, "spec"):  # a wrapped network is a layer only where it has none
        placed = [c for c in placed if c.name != "network"] or placed
    if not placed:
        raise ModelError(
            "A map over the image needs a layer whose output still has rows and columns; "
            f"{type(module).__name__} has none, or computes without gradients. "
            "Explain a network with convolutions or patches."
        )
    if not number.requires_grad:
        raise ModelError(
            "A map needs gradients of the output, and the output of "
            f"{type(module).__name__} has none: it is truncated on the way. "
            "Take `no_grad`, `detach` and `argmax` out of its forward."
        )
    gradients = torch.autograd.grad(number, [c.out for c in placed], allow_unused=True)
    used = [c for c, g in zip(placed, gradients, strict=True) if _heard(c, g)]
    deaf = _unheard(placed, used)
    # A gradient may be zero everywhere for this image, where all units are zero: any layer then.
    used = used or [c for c, g in zip(placed, gradients, strict=True) if _heard(c, g, zero=True)]
    if not used:
        raise ModelError(
            "A map needs a layer with rows and columns on which the output depends; in "
            f"{type(module).__name__} no gradient reaches one, as behind quantized layers. "
            "Explain the original network."
        )
    if output.ndim > 2 and output[0, 0].numel() > 1:
        chosen = _coarsest(_eligible(used, placed, output) or used)
    else:
        chosen = _last(_eligible(used, placed, None) or used, deaf)
    if len(x) > 1:
        return replace(chosen, reason=f"{chosen.reason} (as found on the first image)")
    return chosen


def _heard(call: _Call, gradient: Tensor | None, *, zero: bool = False) -> bool:
    """Whether the output depends on the positions of a layer; with `zero`, however little."""
    if gradient is None or call.layout is None:
        return False
    return zero or bool(call.layout.maps(gradient).any())


def describe_layer(
    run: Callable[[Tensor], Any], module: nn.Module, x: Tensor, layer: str
) -> SpatialLayout | None:
    """Where a layer that the user named holds space; None where it holds none.

    Args:
        run: as for `choose_layer`.
        module: it.
        x: images; the first is looked at.
        layer: the name.
    """
    layouts = [c.layout for c in _survey(run, module, x)[0] if c.name == layer]
    return next((layout for layout in reversed(layouts) if layout is not None), None)


def describe_layers(
    run: Callable[[Tensor], Any], module: nn.Module, x: Tensor
) -> dict[str, SpatialLayout]:
    """Where the layers that hold space hold it, by their names.

    Args:
        run: as for `choose_layer`.
        module: it.
        x: images; the first is looked at.
    """
    return {c.name: c.layout for c in _survey(run, module, x)[0] if c.layout is not None}


def _survey(
    run: Callable[[Tensor], Any], module: nn.Module, x: Tensor
) -> tuple[list[_Call], Tensor]:
    """Every output with its layout, in the order in which the layers ended; and the output."""
    calls: list[_Call] = []
    size = tuple(x.shape[2:])
    patches: list[tuple[int, tuple[int, ...]]] = []
    tokens: set[int] = set()
    kinds: dict[tuple[int, ...], str] = {}
    latest: dict[str, _Call] = {}

    def note(name: str, m: nn.Module, args: Any, out: Any) -> None:
        if name in latest:
            latest[name].last = False
        t = first_tensor(out)
        if t is None or not t.is_floating_point() or t.ndim < 3:
            return
        channels = channels_of(m, t.shape)
        if channels is not None and t.ndim == len(size) + 2:
            kinds.pop(tuple(t.shape), None)  # the latest comes last
            kinds[tuple(t.shape)] = channels
        channels = channels or kinds.get(tuple(t.shape))
        lately = next(reversed(kinds.values()), None)
        layout = layout_of(
            t.shape, size, batch=1, patches=patches, channels=channels, likely=lately
        )
        if layout is not None and layout.kind == "tokens":
            tokens.add(t.shape[1 - layout.batch])
        if t.ndim == 4 and tokens & set(t.shape[2:]):
            layout = None  # how much each token attends to each
        if layout is not None and layout.kind == "channels first":
            seen = patches_of(t.shape, size)
            if seen is not None and seen not in patches:
                patches.append(seen)
        latest[name] = _Call(name, m, t, layout)
        calls.append(latest[name])

    still = handed(module, x[:1].detach()).requires_grad_()
    layers = [(name, m) for name, m in module.named_modules() if name]
    with hooked(layers, after=note):
        output = model_output(run(still.clone()))  # a first layer may work in place
    return calls, output


def _eligible(used: list[_Call], placed: list[_Call], output: Tensor | None) -> list[_Call]:
    """Layers with features of their own, the last name of each output; all calls their last."""
    makers: dict[int, _Call] = {}
    for c in used:
        makers.setdefault(id(c.out), c)
    eligible = []
    tokens = [c for c in placed if c.layout is not None and c.layout.kind == "tokens"]
    width = tokens[-1].out.shape[-1] if tokens else 0
    for c in used:
        assert c.layout is not None
        if not c.last or _passed_over(c) or _passed_over(makers[id(c.out)]):
            continue
        if output is not None and c.layout.maps(c.out).shape[1] == output.shape[1]:
            continue  # it is the output, or becomes it by upsampling
        if c.layout.kind == "tokens" and not _is_stream(c, width):
            continue
        eligible.append(c)
    return eligible


def _passed_over(call: _Call) -> bool:
    name = type(call.module).__name__.lower()
    bare = next(call.module.parameters(), None) is None
    return bare and any(word in name for word in PASSED_OVER)


def _is_stream(call: _Call, width: int) -> bool:
    """Whether tokens are those that go from block to block, or their norm; not queries, keys."""
    whole = any(True for _ in call.module.children())
    return call.out.shape[-1] == width and (whole or "norm" in type(call.module).__name__.lower())


def _unheard(placed: list[_Call], used: list[_Call]) -> bool:
    """Whether patches of a later layer have no effect."""
    heard = {id(c) for c in used}
    tokens = [c for c in placed if c.layout is not None and c.layout.kind == "tokens"]
    return bool(tokens and used) and id(tokens[-1]) not in heard


def _last(eligible: list[_Call], deaf: bool) -> Chosen:
    call = eligible[-1]
    assert call.layout is not None
    reason = (
        f"the last layer whose output still has space ({size_text(call.layout.grid)}) "
        "and on which the prediction depends"
    )
    if deaf and call.layout.kind == "tokens":
        reason += "; what comes after it uses the class token alone"
    return Chosen(name=call.name, reason=reason, layout=call.layout)


def _coarsest(eligible: list[_Call]) -> Chosen:
    def positions(c: _Call) -> int:
        assert c.layout is not None
        return math.prod(c.layout.grid)

    least = min(positions(c) for c in eligible)
    call = [c for c in eligible if positions(c) == least][-1]
    assert call.layout is not None
    reason = (
        f"the last of the coarsest layers ({size_text(call.layout.grid)}) on which the prediction "
        "depends; later ones repeat the output, which is dense"
    )
    return Chosen(name=call.name, reason=reason, layout=call.layout)
