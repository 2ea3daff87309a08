"""Module by module, for networks that cannot be traced.

Operations between modules are unknown, and so is which branches are added. So only downsampling
without phase selection can be used, and only modules are replaced.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from neocog.errors import ModelError, UsageError, did_you_mean
from neocog.graph.hooks import hooked
from neocog.layers.downsample import Downsampling
from neocog.surgery.borders import extra_samples, only_pads, wraps
from neocog.surgery.graph import copied
from neocog.surgery.result import Replaced, Skipped, Surgery
from neocog.surgery.window import NodeWindow, window_of_module

__all__ = ["check_groups", "replace_untraced"]


def replace_untraced(
    module: nn.Module,
    example: Tensor,
    *,
    downsampling: str,
    kind: Downsampling,
    padding: str,
    only: Collection[str] | None = None,
    reason_untraced: str,
) -> Surgery:
    """A copy of a network whose strided modules are replaced one by one.

    Args:
        module: takes one tensor; not changed.
        example: two samples or more.
        downsampling: name of the new downsampling.
        kind: the new downsampling.
        padding: "circular" makes the padding of convolutions circular, and names other padding.
        only: names of modules to be replaced; all if left out.
        reason_untraced: why the network cannot be traced, as a clause.

    Raises:
        UsageError: no module of that name can be replaced.
        ModelError: the downsampling selects a phase, which branches must share.
    """
    if kind.choose is not None:
        raise ModelError(
            f"`{downsampling}` selects a phase that all branches must share, so the network "
            "must be "
            f"traceable, and is not: {reason_untraced}. Use `blur` or `ideal`, or rewrite the "
            "network."
        )
    root = copied(module).eval()
    sizes = _sizes(root, example)
    replaced, skipped = [], []
    convertible: set[str] = set()
    remarks = [
        f"Only modules were replaced, one by one, since {reason_untraced}; functions were not"
    ]
    if padding == "circular":
        remarks += _wrap(root, axes=example.dim() - 2)
    for name, part in list(root.named_modules()):
        window = window_of_module(part)
        if window is None or name not in sizes:
            continue
        size, out = sizes[name]
        if len(size) != len(window.stride) or not window.downsamples or window.sums_up(size):
            continue
        reason = _refusal(window, size, out, part)
        if reason:
            skipped.append(Skipped(name=name, what=str(window), reason=reason))
            continue
        convertible.add(name)
        if only is not None and name not in only:
            continue
        padding_mode = "circular" if padding == "circular" else "zeros"
        sampler = kind.reduce(_channels(part), window.stride, padding_mode).to(example.device)
        _dense(root, name, part, sampler, window)
        was, steps = str(window), window.stride[0]
        now = f"{was.rpartition(',')[0]}, stride 1, then {downsampling} by {steps}"
        replaced.append(Replaced(name=name, was=was, now=now, group=name))
    if only is not None:
        check_groups(only, convertible)
    with torch.no_grad():
        root(example.clone())
    return Surgery(
        module=root, replaced=tuple(replaced), skipped=tuple(skipped), remarks=tuple(remarks)
    )


def _wrap(root: nn.Module, *, axes: int) -> list[str]:
    """Make the padding of spatial convolutions circular; name the other padding."""
    rest = []
    for name, part in root.named_modules():
        window = window_of_module(part)
        if only_pads(part):
            rest.append(name)
        if window is None or not any(map(any, window.padding)):
            continue
        if isinstance(part, (nn.Conv1d, nn.Conv2d)) and len(window.stride) == axes:
            if not wraps(part):
                part.padding_mode = "circular"
        else:
            rest.append(name)
    if not rest:
        return []
    named = ", ".join(f"`{name}`" for name in rest)
    sentence = "Without a graph only spatial convolutions get circular padding; unchanged are"
    return [f"{sentence} {named}"]


def check_groups(only: Collection[str], convertible: Collection[str]) -> None:
    """Refuse unknown groups."""
    for name in only:
        if name not in convertible:
            raise UsageError(
                f"`{name}` is not a convertible group. {did_you_mean(name, convertible)}"
            )


def _sizes(root: nn.Module, example: Tensor) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Name to spatial size of input and output, of modules called once."""
    sizes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    calls: dict[str, int] = {}

    def note(name: str, module: nn.Module, args: Any, out: Any) -> None:
        calls[name] = calls.get(name, 0) + 1
        if isinstance(out, Tensor) and args and isinstance(args[0], Tensor):
            sizes[name] = (tuple(args[0].shape[2:]), tuple(out.shape[2:]))

    leaves = [(name, part) for name, part in root.named_modules() if not any(part.children())]
    with torch.no_grad(), hooked(leaves, after=note):
        root(example.clone())
    return {n: s for n, s in sizes.items() if calls[n] == 1}


def _refusal(
    window: NodeWindow, size: tuple[int, ...], out: tuple[int, ...], part: nn.Module
) -> str:
    if any(extra_samples(window, size, out)):
        return "an even window needs extra padding, for which the network must be traceable"
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
    """A hook: the output of the module, downsampled by its submodule."""
    reduced: Tensor = module.get_submodule("reduce")(out)
    return reduced


def _dense(
    root: nn.Module, name: str, part: nn.Module, sampler: nn.Module, window: NodeWindow
) -> None:
    settings: Any = part
    single = isinstance(settings.kernel_size, int)
    settings.stride = 1 if single else (1,) * len(window.stride)
    # The downsampling has no entry in the state dict, and the module keeps its name.
    part.add_module("reduce", sampler)
    part.register_forward_hook(_reduced)
