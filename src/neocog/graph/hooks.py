"""Forward hooks on named modules, removed at the end of a block, also after an exception."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from neocog.layers.symmetrized import in_other_pose, looked_into

__all__ = ["After", "Before", "CallNames", "hooked", "layers_of"]

Before = Callable[[str, nn.Module, tuple[Any, ...], dict[str, Any]], None]
"""(name, module, positional arguments, named arguments), before the module runs."""

After = Callable[[str, nn.Module, tuple[Any, ...], Any], Any]
"""(name, module, positional arguments, output), after it; what is returned replaces the output,
unless it is None."""


@contextmanager
def hooked(
    modules: Iterable[tuple[str, nn.Module]],
    *,
    before: Before | None = None,
    after: After | None = None,
    always: bool = False,
    every_pose: bool = False,
) -> Iterator[None]:
    """Call back before and after each call of some modules while the block runs.

    Modules that TorchScript has compiled take no hooks and are left out. Of a network that is run
    on several poses of an image only the pass in the upright one calls back, and one that is shown
    canonical poses is shown the image as it comes.

    Args:
        modules: with their names, as `named_modules` gives them.
        before: called before each call.
        after: called after each call.
        always: call `after` also where the module failed, with None for its output.
        every_pose: call back in all passes of such a network.

    Example:
        >>> net, names = nn.Sequential(nn.Linear(2, 3), nn.ReLU()), []
        >>> with hooked(net.named_modules(), after=lambda name, *call: names.append(name)):
        ...     _ = net(torch.zeros(1, 2))
        >>> names
        ['0', '1', '']
    """
    with ExitStack() as stack:
        if not every_pose:
            stack.enter_context(looked_into())
        for name, module in modules:
            if isinstance(module, torch.jit.ScriptModule):
                continue
            if before is not None:
                hook = _named(before, name, every_pose)
                handle = module.register_forward_pre_hook(hook, with_kwargs=True)
                stack.callback(handle.remove)
            if after is not None:
                hook = _named(after, name, every_pose)
                handle = module.register_forward_hook(hook, always_call=always)
                stack.callback(handle.remove)
        yield


def _named(hook: Callable[..., Any], name: str, every_pose: bool) -> Callable[..., Any]:
    if every_pose:
        return lambda *call: hook(name, *call)
    return lambda *call: None if in_other_pose() else hook(name, *call)


def layers_of(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Submodules that compute something of their own, by name: not what only lists others."""
    for name, m in module.named_modules():
        if name and not isinstance(m, nn.Sequential | nn.ModuleList):
            yield name, m


class CallNames:
    """Names of calls in one pass: that of the module, with `#2` at its second call, and so on.

    Example:
        >>> names = CallNames()
        >>> names("relu"), names("conv"), names("relu")
        ('relu', 'conv', 'relu#2')
    """

    def __init__(self) -> None:
        self._calls: dict[str, int] = {}

    def __call__(self, name: str) -> str:
        """The name of the next call."""
        count = self._calls[name] = self._calls.get(name, 0) + 1
        return name if count == 1 else f"{name}#{count}"
