"""Named tensors to and from one file, in the safetensors format: numbers only, never code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from neocog.errors import (
    ModelError,
    ShapeMismatch,
    UnsafeWeights,
    did_you_mean,
    printable,
)
from neocog.files import opened
from neocog.store.sound import check_tensors
from neocog.targets import write_bytes

__all__ = ["load_state", "read_tensors", "refuse_pickle", "write_tensors"]

_PICKLE_STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")


def write_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
    *,
    durable: bool = True,
) -> None:
    """Write tensors (made contiguous, on the CPU) and strings, whole or not at all.

    Tied tensors are written under each name.

    Args:
        path: the file.
        tensors: name to values.
        metadata: strings beside them.
        durable: as for `write_bytes`.

    Raises:
        RunError: the disk is full, or the folder cannot be written.
    """
    plain: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, t in tensors.items():
        plain[name] = t.detach().cpu().contiguous()
        storage = plain[name].untyped_storage().data_ptr()
        if storage in storages:  # the format refuses names that share memory
            plain[name] = plain[name].clone()
        storages.add(storage)
    write_bytes(path, safetensors.torch.save(plain, dict(metadata or {})), durable=durable)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file, and its strings.

    Raises:
        UnsafeWeights: it is a pickle.
        ModelError: it is missing, truncated or of another format.
    """
    refuse_pickle(path)
    try:
        with safe_open(path, framework="pt") as f:
            return {name: f.get_tensor(name) for name in f.keys()}, dict(f.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError) as e:
        raise ModelError(
            f"`{printable(path)}` must be a whole safetensors file, and is not: {e}. "
            "Copy it again or take it from another run."
        ) from e


def refuse_pickle(path: Path) -> None:
    """Refuse a file that `torch.load` would unpickle.

    Raises:
        UnsafeWeights: the first bytes are those of a pickle or of a zip archive of one.
        ModelError: the file cannot be read.
    """
    with opened(path, what="A file of weights", error=ModelError) as f:
        start = f.read(4)
    if start.startswith(_PICKLE_STARTS):
        raise UnsafeWeights(
            f"Weights are read from safetensors files, which hold numbers only; "
            f"`{printable(path)}` is a pickle, which can execute code when it is opened. "
            "If you trust it, convert it with safetensors.torch.save_file(state_dict, FILE)."
        )


def load_state(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy tensors into a module; names and shapes must match exactly.

    Args:
        module: changed in place.
        tensors: name to values.
        source: of the tensors, for the message.

    Raises:
        ShapeMismatch: a tensor has another shape.
        ModelError: tensors are missing, unexpected or not usable. Nothing is changed then.
    """
    expected_state = module.state_dict()
    missing = [n for n in expected_state if n not in tensors]
    extra = [n for n in tensors if n not in expected_state]
    if missing or extra:
        hint = did_you_mean(missing[0], extra) if missing and extra else ""
        hint = f"{hint} " if hint.startswith("Did") else ""  # not hundreds of names
        shapes = ", ".join((*_shapes(missing, expected_state), *_shapes(extra, tensors)))
        raise ModelError(
            f"{printable(source)} must hold exactly the tensors of the network: "
            f"{_some('missing', missing)}{_some('unexpected', extra)}{hint}"
            "Check that the weights and the network's options belong together. "
            f"Shapes: {shapes}."
        )
    other = [
        name
        for name, value in expected_state.items()
        if not is_lazy(value) and _shape(tensors[name]) != _shape(value)
    ]
    if other:
        name = other[0]
        expected, actual = _shape(expected_state[name]), _shape(tensors[name])
        more = f", and {len(other) - 1} more differ" if len(other) > 1 else ""
        raise ShapeMismatch(
            f"Tensor `{printable(name)}` of the network has shape {expected}; "
            f"{printable(source)} holds {actual}{more}. "
            "Check the network's width, its number of classes and its channels.",
            expected=expected,
            actual=actual,
        )
    check_tensors(tensors, module, source)
    try:
        module.load_state_dict(dict(tensors))
    except (
        RuntimeError,
        TypeError,
        AttributeError,
        ValueError,
    ) as e:  # of a module that loads in its own way
        lines = str(e).strip().splitlines() or [type(e).__name__]
        raise ModelError(
            f"{printable(source)} must hold the tensors of the network, which refuses them: "
            f"{printable(lines[-1].strip()[:240])}. Use weights of this network."
        ) from e


def _shape(value: object) -> tuple[int, ...]:
    """The shape of a tensor; () for other entries of a state dict."""
    return tuple(value.shape) if isinstance(value, Tensor) else ()


def _some(what: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    listed = ", ".join(f"`{printable(n)}`" for n in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{len(names)} {what} ({listed}{more}). "


def _shapes(names: Sequence[str], held: Mapping[str, Any]) -> list[str]:
    """The shapes of the first few names."""
    return [
        f"`{printable(n)}` {'lazy' if is_lazy(held[n]) else _shape(held[n])}" for n in names[:3]
    ]
