"""Check that the tensors of a network are finite, real, dense and present.

A NaN in one weight makes every output NaN, and the argmax of NaNs is the first class: figures
without meaning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from neocog.errors import ModelError, printable

__all__ = ["check_network", "check_tensors", "finite_outputs", "lazy_names"]

_EIGHTS = frozenset(d for n in dir(torch) if n.startswith("float8") for d in [getattr(torch, n)])
"""8-bit floating point, which needs a separate scale."""


def check_network(network: nn.Module, name: str, *, lazy: bool = False) -> None:
    """Refuse a network with unusable tensors; the message names the first.

    Args:
        network: any module; not changed.
        name: of the network, for the message.
        lazy: accept tensors that have no shape before the first sample.

    Raises:
        ModelError: a parameter, or a buffer, is not finite, sparse, complex, without values or of
            eight bits. Infinities in a buffer other than a running statistic are a mask, and
            accepted.

    Example:
        >>> net = nn.Linear(2, 1)
        >>> check_network(net, "net")
        >>> nn.init.constant_(net.bias, torch.nan)
        Parameter containing:
        tensor([nan], requires_grad=True)
        >>> check_network(net, "net")
        Traceback (most recent call last):
        ...
        neocog.errors.ModelError: Weights must be finite; `bias` of `net` holds NaN or infinity in
        1 of 1 elements. Use weights from before the training diverged, or of a wider precision.
    """
    for tensor, value, mask in _tensors(network):
        if (fault := _fault(value, mask=mask)) is None or (lazy and is_lazy(value)):
            continue
        raise ModelError(_sentence(f"`{printable(tensor)}` of `{printable(name)}`", fault))


def check_tensors(tensors: Mapping[str, Any], network: nn.Module, source: str) -> None:
    """Refuse tensors of a file that a network cannot load.

    Args:
        tensors: name to values, of the file.
        network: with the same names; not changed.
        source: the file, for the message.

    Raises:
        ModelError: one is not finite, sparse, quantized, complex where the network is real, or has
            no values.
    """
    expected = network.state_dict()
    parameters = {name for name, _ in network.named_parameters(remove_duplicate=False)}
    for name, value in tensors.items():
        target = expected.get(name)
        if not isinstance(value, Tensor) or not isinstance(target, Tensor):
            continue
        fault = _fault(value, mask=name not in parameters and not _is_statistic(name))
        if fault == _COMPLEX and target.is_complex():
            fault = None
        whole = value.dtype in (torch.int8, torch.uint8) and value.ndim > 0
        if fault is None and whole and target.is_floating_point():
            fault = f"is of {_dtype(value)} where the network has {_dtype(target)}", _EXPAND
        if fault is not None:
            raise ModelError(_sentence(f"`{printable(name)}` in {printable(source)}", fault))


def finite_outputs(out: Tensor, names: Sequence[str] = ()) -> None:
    """Refuse outputs that are not finite.

    Args:
        out: (B, …).
        names: one per sample, for the message; may be empty.

    Raises:
        ModelError: some are NaN or infinite.

    Example:
        >>> finite_outputs(torch.tensor([[1.0, 2.0]]))
    """
    finite = torch.isfinite(out)
    if bool(finite.all()):
        return
    rows = (~finite).flatten(1).any(1) if out.ndim > 1 else ~finite
    first = int(rows.nonzero()[0])
    whose = f", the first for `{printable(str(names[first]))}`" if len(names) else ""
    raise ModelError(
        f"Outputs must be finite; for {int(rows.sum())} of {len(rows)} samples some are NaN or "
        f"infinite{whose}. The network overflows: check its weights, its precision, --mean and "
        "--std."
    )


def lazy_names(network: nn.Module) -> tuple[str, ...]:
    """Parameters and buffers that take their shape, and random values, from the first sample.

    Example:
        >>> lazy_names(nn.Sequential(nn.LazyLinear(2)))
        ('0.weight', '0.bias')
    """
    return tuple(name for name, value, _ in _tensors(network) if is_lazy(value))


Fault = tuple[str, str]
"""What is wrong with a tensor, and what to do."""

_COMPLEX = ("is complex", "Store real and imaginary parts as real tensors.")
_EXPAND = "Dequantize the weights first: save them in floating point."


def _sentence(where: str, fault: Fault) -> str:
    what, hint = fault
    rule = "finite" if what.startswith("holds") else "real, dense and present"
    return f"Weights must be {rule}; {where} {what}. {hint}"


def _tensors(network: nn.Module) -> Iterator[tuple[str, Tensor, bool]]:
    """Name, tensor, and whether infinities are accepted; each tensor once."""
    for name, p in network.named_parameters():
        yield name, p, False
    for name, b in network.named_buffers():
        if isinstance(b, Tensor):
            yield name, b, not _is_statistic(name)


def _is_statistic(name: str) -> bool:
    """Whether a buffer holds running statistics of a norm."""
    return name.rpartition(".")[2].startswith("running_")


def _fault(value: Tensor, *, mask: bool) -> Fault | None:
    """What makes a tensor unusable, or None."""
    if is_lazy(value):
        return (
            "has no shape before the first sample (it is lazy)",
            "Run one sample through it, or load its weights.",
        )
    if value.is_meta:
        return (
            "has no values (it is on the device meta)",
            "Create it on the CPU.",
        )
    if value.layout != torch.strided:
        kind = str(value.layout).removeprefix("torch.")
        return f"is sparse ({kind})", "Save and use it as value.to_dense()."
    if value.is_quantized:
        return f"is quantized ({_dtype(value)})", _EXPAND
    if value.dtype in _EIGHTS:
        return f"is of {_dtype(value)}, which needs a scale", _EXPAND
    if value.is_complex():
        return _COMPLEX
    if not value.is_floating_point():
        return None
    bad = torch.isnan(value) if mask else ~torch.isfinite(value)
    if not bool(bad.any()):
        return None
    return (
        f"holds NaN or infinity in {int(bad.sum()):,} of {value.numel():,} elements",
        "Use weights from before the training diverged, or of a wider precision.",
    )


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")
