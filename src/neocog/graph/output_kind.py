"""What the outputs of a classifier are: logits, or probabilities already, of several kinds.

    logits               anything; a softmax makes probabilities of them
    probabilities        a softmax is inside: in [0, 1], the sum over classes is 1
    log_probabilities    a log-softmax is inside: the sum of their exponentials is 1
    sigmoid              one against the rest: each in [0, 1] by itself

A softmax is seen from values alone: that the outputs of sixteen unlike samples add up to 1 is no
accident. Values in [0, 1] may be one, as of logits that are small, so a sigmoid is believed where
it is the last operation, too.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from neocog.graph.operations import Operation, watching
from neocog.graph.ops import moves
from neocog.graph.tensor_table import TensorTable, memory

__all__ = [
    "KINDS",
    "kind_of",
    "last_operation",
    "may_be_scores",
    "noticed",
    "probabilities",
    "to_logits",
]

KINDS = ("logits", "probabilities", "log_probabilities", "sigmoid")
"""What outputs may be."""

SUM = 1e-3
"""How far from 1 probabilities may add up to: thousands of classes in float32 stay below 10⁻⁵."""

FEW_BITS = 0.02
"""The same of a softmax whose outputs are of 16 bits or fewer."""


def to_logits(out: Tensor, kind: str) -> Tensor:
    """Outputs as logits: what gives the probabilities again when it goes through the right door.

    Args:
        out: (B, K, ...).
        kind: one of `KINDS`.

    Example:
        >>> p = torch.tensor([[0.25, 0.75]])
        >>> probabilities(to_logits(p, "probabilities"), "probabilities")
        tensor([[0.2500, 0.7500]])
    """
    if kind != "logits" and out.dtype.itemsize < 4:
        out = out.float()  # half of the probabilities below 0.00006 are none
    if kind == "probabilities":
        return out.clamp_min(torch.finfo(out.dtype).tiny).log()
    if kind == "sigmoid":
        info = torch.finfo(out.dtype)
        return torch.logit(out.clamp(info.tiny, 1 - info.eps / 2))
    return out


def probabilities(logits: Tensor, kind: str = "logits", *, dim: int = 1) -> Tensor:
    """Probabilities of what `to_logits` gave.

    Args:
        logits: (B, K, ...).
        kind: of the outputs that they were made of.
        dim: the axis of classes.
    """
    return logits.sigmoid() if kind == "sigmoid" else logits.softmax(dim)


def kind_of(module: nn.Module) -> str:
    """What the logits of a module were made of: by its spec, where it has one."""
    output = getattr(getattr(module, "spec", None), "output", None)
    return str(getattr(output, "kind", "logits"))


def noticed(run: Callable[[Tensor], Tensor], x: Tensor, last: str = "") -> str:
    """What the outputs of a classifier are, from values and from what computes them.

    Args:
        run: samples to outputs, (B, K, ...); whatever the network returns.
        x: samples in [0, 1], a dozen or more, no two alike.
        last: the last operation of the network, as `last_operation` or a file names it; empty
            where it cannot be seen.

    Example:
        >>> x = torch.rand(12, 3, generator=torch.Generator().manual_seed(0))
        >>> noticed(nn.Softmax(1), x), noticed(nn.LogSoftmax(1), x), noticed(nn.Identity(), x)
        ('probabilities', 'log_probabilities', 'logits')
        >>> noticed(nn.Sigmoid(), x, "sigmoid")
        'sigmoid'
    """
    first = run(x[:2])
    if not may_be_scores(first):
        return "logits"
    # Beyond [0, 1] too, where logits leave it.
    out = torch.cat(
        [first, *(run(x[i : i + 8]) for i in range(2, len(x), 8)), run(20 * (x[:4] - 0.5))]
    )
    many = out.flatten(2).transpose(1, 2).flatten(0, 1) if out.ndim > 2 else out
    kind = "softmax" in last.replace("_", "").lower()
    steady = bool((many - many[:1]).abs().max() <= 1e-6)
    if steady and not kind and "sigmoid" not in last.lower():
        return "logits"  # a constant shows nothing of what it is
    slack = FEW_BITS if out.dtype.itemsize < 4 or kind else SUM
    if _bounded(many):
        if bool(((many.sum(1) - 1).abs() <= slack).all()):
            return "probabilities"
        return "sigmoid" if "sigmoid" in last.lower() else "logits"
    if _logarithms(many) and bool((many.exp().sum(1) - 1).abs().max() <= slack):
        return "log_probabilities"
    return "logits"


def may_be_scores(out: Tensor) -> bool:
    """Whether outputs may be probabilities or their logarithms; most logits are not by far."""
    return out.is_floating_point() and (_bounded(out) or _logarithms(out))


def _bounded(out: Tensor) -> bool:
    return bool(((out >= 0) & (out <= 1 + 1e-6)).all())


def _logarithms(out: Tensor) -> bool:
    return bool((out <= 1e-6).all()) and bool(((out.exp().sum(1) - 1).abs() <= FEW_BITS).all())


def last_operation(run: Callable[[], Tensor]) -> str:
    """Name of the operation that computes the outputs; empty where it cannot be seen.

    Args:
        run: runs the network.

    Example:
        >>> last_operation(lambda: torch.zeros(2, 3).softmax(1).view(3, 2))
        '_softmax'
    """
    makers = TensorTable[str]()

    def note(op: Operation) -> None:
        given, name = list(op.tensors.values()), op.name
        if moves(name) or name == "copy":  # hands on what another operation made
            name = makers.get(given[-1 if name == "copy" else 0]) or ""
        before = {memory(t) for t in given}
        for t in op.outs:
            if op.in_place:
                makers.write(t, name)
            elif memory(t) not in before:
                makers.put(t, name)

    try:
        with torch.no_grad(), watching(nn.Module(), note):
            out = run()
    except Exception:  # of any kind: compiled modules may refuse to be watched
        return ""
    return makers.get(out) or ""
