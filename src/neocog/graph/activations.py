"""Outputs of named layers while a module runs: kept, exchanged, made ready for gradients.

A layer may be any submodule, by the name that `named_modules` gives it. Of an output that is a
tuple, a list or a dictionary the first tensor counts. Hooks are removed whatever happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from neocog.errors import ModelError, did_you_mean, printable
from neocog.graph.hooks import hooked
from neocog.graph.preserve import preserved

__all__ = [
    "Run",
    "device_and_dtype",
    "differentiable",
    "exchanging",
    "find_layer",
    "first_tensor",
    "handed",
    "recording",
    "with_first",
]

Run = Callable[[Tensor], Any]

_NAMED = 8
"""Layers that an error names where none is near."""


def find_layer(module: nn.Module, name: str) -> nn.Module:
    """A submodule by its name.

    Args:
        module: any module.
        name: as `named_modules` has it.

    Raises:
        ModelError: there is none of that name, or a compiled one, which cannot be looked into.

    Example:
        >>> find_layer(nn.Sequential(nn.Linear(2, 3)), "0")
        Linear(in_features=2, out_features=3, bias=True)
    """
    named = {n: m for n, m in module.named_modules(remove_duplicate=False) if n}
    if name not in named:
        hint = did_you_mean(name, named) if named else "It has none."
        if not hint.startswith("Did") and len(named) > _NAMED:
            last = ", ".join(f"`{printable(n)}`" for n in list(named)[-_NAMED:])
            hint = f"The last of its {len(named)} layers are {last}."
        raise ModelError(
            f"A layer is a submodule of the network; `{printable(name)}` is none. {hint}"
        )
    if isinstance(named[name], torch.jit.ScriptModule):
        raise ModelError(
            f"Only layers in Python can be inspected; `{printable(name)}` is compiled. "
            "Name the layer that contains it, or use the original network."
        )
    tensor: nn.Module = named[name]
    return tensor


@contextmanager
def recording(module: nn.Module, layers: Iterable[str]) -> Iterator[dict[str, Tensor]]:
    """Keep the outputs of some layers while the block runs; the caller runs the module.

    What is kept is what the layer returned, whatever is done to it afterwards in place: one copy a
    layer. Where gradients are recorded the kept tensor lies on the way to the output, so that
    `torch.autograd.grad(output, kept)` is its gradient. Of a layer that runs several times the last
    output is kept; one that does not run is missing.

    Args:
        module: whose layers; in which mode it runs is the caller's business.
        layers: names.

    Raises:
        ModelError: there is no such layer.

    Example:
        >>> net = nn.Sequential(nn.Identity(), nn.ReLU(inplace=True))
        >>> with recording(net, ["0"]) as outputs, torch.no_grad():
        ...     _ = net(torch.tensor([-1.0, 2.0]))
        >>> outputs["0"]
        tensor([-1.,  2.])
    """
    outputs: dict[str, Tensor] = {}

    def keep(name: str, m: nn.Module, args: Any, out: Any) -> Any:
        tensor = first_tensor(out)
        if tensor is None:
            return None
        outputs[name] = tensor if tensor.requires_grad else tensor.clone()
        return with_first(out, tensor.clone()) if tensor.requires_grad else None

    with hooked([(name, find_layer(module, name)) for name in layers], after=keep):
        yield outputs


@contextmanager
def exchanging(
    module: nn.Module, layer: str, exchange: Callable[[Tensor], Tensor]
) -> Iterator[None]:
    """Put another tensor in the place of what a layer returns, in every call of the block.

    Args:
        module: whose layer.
        layer: its name.
        exchange: from the first tensor of its output to the one that is passed on.

    Raises:
        ModelError: there is no such layer, or its output holds no tensor.

    Example:
        >>> with exchanging(nn.Sequential(nn.Identity()), "0", lambda t: t + 1):
        ...     pass
    """

    def put(name: str, m: nn.Module, args: Any, out: Any) -> Any:
        tensor = first_tensor(out)
        if tensor is None:
            raise ModelError(
                f"A layer that is explained returns a tensor; `{printable(layer)}` returns "
                f"{type(out).__name__}. Name another."
            )
        return with_first(out, exchange(tensor))

    with hooked([(layer, find_layer(module, layer))], after=put):
        yield


@contextmanager
def differentiable(
    module: nn.Module, *, weights: Mapping[str, Tensor] | None = None
) -> Iterator[Run]:
    """A module as a function of its input that gradients flow through, and into no weight.

    Inside, the module is in evaluation mode and no parameter takes a gradient, so that a graph is
    recorded only behind what does: cheap up to a layer whose output is exchanged for a leaf.
    Afterwards it is as it was found. Works under `no_grad` and `inference_mode`, and on weights
    that were made for inference.

    Args:
        module: any module.
        weights: parameters and buffers to compute with instead of its own, by their names.

    Example:
        >>> net = nn.Linear(2, 1)
        >>> with torch.no_grad(), differentiable(net) as run:
        ...     x = torch.zeros(1, 2, requires_grad=True)
        ...     g = torch.autograd.grad(run(x).sum(), x)[0]
        >>> torch.equal(g, net.weight.detach()), net.weight.grad is None
        (True, True)
    """
    device, _ = device_and_dtype(module)
    with (
        preserved(module),
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast(device.type, enabled=False),
    ):
        for p in module.parameters():
            p.requires_grad_(False)
        held = {
            name: t.detach().clone()
            for name, t in (*module.named_parameters(), *module.named_buffers())
            if t.is_inference()
        }
        held.update(weights or {})
        yield _with(module, held) if held else module


def _with(module: nn.Module, weights: dict[str, Tensor]) -> Run:
    def run(x: Tensor) -> Any:
        return torch.func.functional_call(module, weights, (x,))

    return run


def device_and_dtype(module: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Device and type of the numbers that a module computes with: those of its first weight."""
    for t in (*module.parameters(), *module.buffers()):
        if t.is_floating_point():
            return t.device, t.dtype
    return torch.device("cpu"), torch.float32


def handed(module: nn.Module, x: Tensor) -> Tensor:
    """A batch as a module is given it: where the module computes, in its type, and always a copy.

    A network may normalize or rectify its input in place; what the caller holds stays as it is.
    Gradients flow through the copy.

    Args:
        module: that computes with it.
        x: values.

    Example:
        >>> x = torch.tensor([-1.0, 2.0])
        >>> nn.ReLU(inplace=True)(handed(nn.ReLU(), x)), x
        (tensor([0., 2.]), tensor([-1.,  2.]))
    """
    device, dtype = device_and_dtype(module)
    return x.to(device, dtype, copy=True)


def first_tensor(out: Any) -> Tensor | None:
    """The first tensor of an output, whatever holds it; None where there is none.

    Example:
        >>> first_tensor({"out": (None, torch.tensor(3))})
        tensor(3)
    """
    if isinstance(out, Tensor):
        return out
    return next((leaf for leaf in _leaves(out) if isinstance(leaf, Tensor)), None)


def with_first(out: Any, new: Tensor) -> Any:
    """An output with another first tensor; its container is rebuilt.

    Example:
        >>> with_first((torch.tensor(1), torch.tensor(2)), torch.tensor(5))
        (tensor(5), tensor(2))
    """
    if isinstance(out, Tensor):
        return new
    leaves, form = pytree.tree_flatten(out)
    at = next(i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor))
    leaves[at] = new
    return pytree.tree_unflatten(leaves, form)


def _leaves(out: Any) -> Sequence[Any]:
    return pytree.tree_leaves(out)
