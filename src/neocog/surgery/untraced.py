"""Part by part, for networks that cannot be written as a graph.

What happens between the parts is unknown here, and with it which branches are added up. So only
kinds of sampling without a choice of phase can be used, and only modules are seen.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from neocog.errors import ModelError, UsageError, did_you_mean
from neocog.layers.downsample import Downsampling
from neocog.surgery.borders import PAD_MODULES, far_samples
from neocog.surgery.result import Replaced, Skipped, Surgery
from neocog.surgery.window import OperatorWindow, window_of_module

__all__ = ["check_groups", "replace_loose"]


def replace_loose(
    module: nn.Module,
    example: Tensor,
    *,
    downsampling: str,
    kind: Downsampling,
    padding: str,
    only: Collection[str] | None = None,
    why: str,
) -> Surgery:
    """A copy of a network whose strided modules are replaced one by one.

    Args:
        module: takes one tensor; is left as it is.
        example: two samples or more.
        downsampling: name of the kind.
        kind: of the samplers that come in.
        padding: "circular" lets the borders of convolutions wrap around, and names the others.
        only: names of modules to be replaced; all if left out.
        why: the network is no graph, as half a sentence.

    Raises:
        UsageError: no module of that name can be replaced.
        ModelError: the kind chooses a phase, which branches must share.
    """
    if kind.choose is not None:
        raise ModelError(
            f"`{downsampling}` chooses samples that all branches must share, so it must see the "
            f"network as a graph, and this one is none: {why}. Take `blur` or `ideal`, or write "
            "the network without it."
        )
    root = copy.deepcopy(module).eval()
    sizes = _sizes(root, example)
    replaced, skipped = [], []
    known: set[str] = set()
    remarks = [f"Modules were replaced one by one, since {why}; what is no module was not seen"]
    if padding == "circular":
        remarks += _wrap(root, axes=example.dim() - 2)
    for name, part in list(root.named_modules()):
        window = window_of_module(part)
        if window is None or name not in sizes:
            continue
        size, out = sizes[name]
        if len(size) != len(window.stride) or not window.drops or window.sums_up(size):
            continue
        reason = _refusal(window, size, out, part)
        if reason:
            skipped.append(Skipped(name=name, what=str(window), reason=reason))
            continue
        known.add(name)
        if only is not None and name not in only:
            continue
        word = "circular" if padding == "circular" else "zeros"
        made = kind.reduce(_channels(part), window.stride, word).to(example.device)
        _dense(root, name, part, made, window)
        was, steps = str(window), window.stride[0]
        now = f"{was.rpartition(',')[0]}, stride 1, then {downsampling} by {steps}"
        replaced.append(Replaced(name=name, was=was, now=now, group=name))
    if only is not None:
        check_groups(only, known)
    with torch.no_grad():
        root(example.clone())
    return Surgery(
        module=root, replaced=tuple(replaced), skipped=tuple(skipped), remarks=tuple(remarks)
    )


def _wrap(root: nn.Module, *, axes: int) -> list[str]:
    """Let the borders of convolutions over space wrap around; the others, in words."""
    kept = []
    for name, part in root.named_modules():
        window = window_of_module(part)
        if isinstance(part, PAD_MODULES):
            kept.append(name)
        if window is None or not any(map(any, window.padding)):
            continue
        if isinstance(part, (nn.Conv1d, nn.Conv2d)) and len(window.stride) == axes:
            part.padding_mode = "circular"
        else:
            kept.append(name)
    if not kept:
        return []
    named = ", ".join(f"`{name}`" for name in kept)
    said = "Without a graph only convolutions over space wrap around; the border stays as it is of"
    return [f"{said} {named}"]


def check_groups(only: Collection[str], known: Collection[str]) -> None:
    """Refuse names that are no groups."""
    for name in only:
        if name not in known:
            raise UsageError(
                f"`{name}` is no group that can be converted. {did_you_mean(name, known)}"
            )


def _sizes(root: nn.Module, example: Tensor) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Name to the space that comes in and goes out, of modules called once."""
    sizes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    calls: dict[str, int] = {}
    handles = []

    def watch(name: str) -> Any:
        def hook(module: nn.Module, args: Any, out: Any) -> None:
            calls[name] = calls.get(name, 0) + 1
            if isinstance(out, Tensor) and args and isinstance(args[0], Tensor):
                sizes[name] = (tuple(args[0].shape[2:]), tuple(out.shape[2:]))

        return hook

    for name, part in root.named_modules():
        if not any(part.children()):
            handles.append(part.register_forward_hook(watch(name)))
    try:
        with torch.no_grad():
            root(example.clone())
    finally:
        for handle in handles:
            handle.remove()
    return {n: s for n, s in sizes.items() if calls[n] == 1}


def _refusal(
    window: OperatorWindow, size: tuple[int, ...], out: tuple[int, ...], part: nn.Module
) -> str:
    if any(far_samples(window, size, out)):
        return "an even window needs a border of its own, for which the network must be a graph"
    rounded = tuple(
        math.ceil((n + sum(p) - r + 1) / s)
        for n, p, r, s in zip(size, window.padding, window.reach, window.stride, strict=True)
    )
    if rounded != out:
        return "its windows are rounded up"
    return ""


def _channels(part: nn.Module) -> int:
    return int(part.out_channels) if isinstance(part, (nn.Conv1d, nn.Conv2d)) else 0


def _reduced(module: nn.Module, args: Any, out: Tensor) -> Tensor:
    """A hook: what the module gives, through the sampler that it holds."""
    reduced: Tensor = module.get_submodule("reduce")(out)
    return reduced


def _dense(
    root: nn.Module, name: str, part: nn.Module, made: nn.Module, window: OperatorWindow
) -> None:
    settings: Any = part
    single = isinstance(settings.kernel_size, int)
    settings.stride = 1 if single else (1,) * len(window.stride)
    # The sampler has no entry in the state dict, and the module keeps its name.
    part.add_module("reduce", made)
    part.register_forward_hook(_reduced)
