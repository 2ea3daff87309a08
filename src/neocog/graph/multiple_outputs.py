"""A network that returns several tensors, and the one that is its prediction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from torch import Tensor

from neocog.errors import ModelError, ShapeMismatch, UsageError, did_you_mean, printable

__all__ = ["choose", "output_at"]

NAMES = (
    "logits",
    "output",
    "outputs",
    "out",
    "prediction",
    "predictions",
    "pred",
    "scores",
    "probabilities",
    "probs",
)
"""What a prediction is called, the likeliest first."""

DEPTH = 4
"""Of tuples in tuples, at most."""


def choose(
    out: object,
    *,
    samples: int,
    axes: int,
    num_classes: int | None = None,
    wanted: str | None = None,
) -> tuple[str, str]:
    """Which of the tensors that a network returned is its prediction, and what to say of that.

    That is the requested one; else the one of a usual name, `logits` before others; else, of those
    that have a row per sample and an output per class, the first.

    Args:
        out: a tensor, or a tuple, list, mapping, named tuple or dataclass of some.
        samples: that the network was given.
        axes: of a prediction.
        num_classes: how many there are, where that is known.
        wanted: name or number of one.

    Returns:
        Its path, "" for a single tensor, and a sentence where there was a choice.

    Raises:
        UsageError: there is none of the requested name.
        ModelError: none of them can be a prediction.

    Example:
        >>> import torch
        >>> pair = {"aux": torch.zeros(2, 10), "logits": torch.ones(2, 10)}
        >>> choose(pair, samples=2, axes=2)[0]
        'logits'
    """
    tensors = dict(_tensors(out, ""))
    if wanted is not None:
        if wanted not in tensors:
            named = [n for n in tensors if n]
            hint = did_you_mean(wanted, named) if named else "It returns one tensor alone."
            raise UsageError(
                f"--output selects one of the tensors that a network returns, by name or index; "
                f"`{printable(wanted)}` is none. {hint}"
            )
        return wanted, ""
    if "" in tensors:
        return "", ""
    fit = [n for n, t in tensors.items() if t.ndim == axes and len(t) == samples]
    fit = [n for n in fit if tensors[n].is_floating_point() and tensors[n].shape[1] > 1] or fit
    fit = [n for n in fit if num_classes is not None and tensors[n].shape[1] == num_classes] or fit
    if not fit:
        shapes = ", ".join(f"`{printable(n)}` {tuple(t.shape)}" for n, t in tensors.items())
        raise ShapeMismatch(
            f"A network returns a tensor of a row per sample, alone or among others; for {samples} "
            f"samples this one gave {shapes or type(out).__name__}. Name a factory whose network "
            "returns its logits."
        )
    taken = min(fit, key=lambda name: (_rank(name), fit.index(name)))
    if len(tensors) == 1:
        return taken, ""
    others = [f"`{printable(n)}` {tuple(tensors[n].shape)}" for n in tensors if n != taken]
    listed = ", ".join(others[:4]) + (" …" if len(others) > 4 else "")
    return taken, (
        f"The network returns {len(tensors)} tensors; `{printable(taken)}` "
        f"{tuple(tensors[taken].shape)} is used as its output, not {listed}. --output selects "
        "another."
    )


def output_at(out: object, path: str) -> Tensor:
    """One of the tensors that a network returned.

    Args:
        out: what it returned; a tensor that comes alone is the one, as networks with auxiliary
            outputs return them in training mode alone.
        path: as `choose` gave it; where there is none, the first that may be meant.

    Raises:
        ModelError: there is none of that path.

    Example:
        >>> import torch
        >>> output_at((torch.zeros(2), {"a": torch.ones(2)}), "1.a")
        tensor([1., 1.])
    """
    if isinstance(out, Tensor):
        return out
    tensors = dict(_tensors(out, ""))
    if path in tensors:
        return tensors[path]
    if not tensors or path:
        raise ModelError(
            f"A network returns the same tensors in every run; `{printable(path)}` is "
            f"missing among {', '.join(map(printable, tensors)) or 'none'}. Name another with "
            "--output."
        )
    return tensors[min(tensors, key=_rank)]


def _rank(path: str) -> int:
    """Smaller for likelier names."""
    last = path.rpartition(".")[2].lower()
    if last in NAMES:
        return NAMES.index(last)
    return len(NAMES) + (2 if "aux" in path.lower() else 0)


def _tensors(out: object, path: str, depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """All tensors, by where they are."""
    if isinstance(out, Tensor):
        yield path, out
        return
    if depth > DEPTH:
        return
    for name, value in _parts(out):
        yield from _tensors(value, f"{path}.{name}" if path else name, depth + 1)


def _parts(out: object) -> list[tuple[str, object]]:
    if isinstance(out, Mapping):
        return [(str(k), v) for k, v in out.items()]
    if isinstance(out, tuple) and hasattr(out, "_fields"):
        return list(zip(map(str, out._fields), out, strict=True))
    if isinstance(out, tuple | list):
        return [(str(i), v) for i, v in enumerate(out)]
    if is_dataclass(out):
        return [(f.name, getattr(out, f.name)) for f in fields(out)]
    return [(k, v) for k, v in getattr(out, "__dict__", {}).items() if not k.startswith("_")]
