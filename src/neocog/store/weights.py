"""External weights: read without running code, and matched by name.

A file is in the safetensors format, or what `torch.save` writes of a state dict. The second is a
pickle; it is read by PyTorch's reader of weights, which builds tensors and plain containers and
refuses everything else.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neocog.errors import ModelError, ShapeMismatch, UnsafeWeights, printable
from neocog.files import opened
from neocog.store.names import matched
from neocog.store.sound import check_tensors
from neocog.store.tensors import load_state, read_tensors

__all__ = ["fitted", "load_weights", "read_beside", "read_weights"]

_PLAIN = (
    *("state_dict", "model", "model_state_dict", "net", "network", "module", "weights"),
    *("params", "model_state", "net_state_dict", "network_state_dict"),
)
"""Keys under which a checkpoint may keep its weights."""

_AVERAGED = ("state_dict_ema", "model_ema", "ema_state_dict", "ema", "ema_model", "params_ema")
"""Keys under which a checkpoint may keep a running average of them."""

_DEPTH = 3
"""Nested wrappers to unpack, at most."""

_LONGEST = 100_000_000
"""Max bytes of the header of a safetensors file, the limit of the format."""


def load_weights(module: nn.Module, path: Path) -> tuple[str, ...]:
    """Load the weights of a file into a module; all must match by name and shape.

    Args:
        module: any module.
        path: safetensors, or a state dict as `torch.save` writes it, on its own or inside
            `{"state_dict": …}`, `{"model": …}` and the like.

    Returns:
        Notes on how it was read, in sentences.

    Raises:
        UnsafeWeights: the file would execute code when it is opened.
        ModelError: the file cannot be read, or its tensors are not those of the module.
    """
    tensors, notes = read_weights(path)
    state, match_notes = matched(module, tensors)
    source = f"`{printable(path)}`"
    try:
        load_state(module, state, source)
    except ShapeMismatch:
        raise
    except ModelError:
        if state.keys() == module.state_dict().keys() or not _takes(module, tensors):
            raise
        check_tensors(tensors, module, source)
        module.load_state_dict(tensors)
        return (*notes, f"The network loads other names than its own from {source}.")
    return (*notes, *match_notes)


def read_weights(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors of a file, on the CPU, under the names that they have in it.

    Returns:
        The tensors, and notes on how they were found.

    Raises:
        UnsafeWeights: the file would execute code when it is opened.
        ModelError: the file cannot be read or holds no tensors.
    """
    if _is_safetensors(path):
        return read_tensors(path)[0], ()
    return _state(_unpickled(path), path)


def read_beside(path: Path, key: str) -> Any:
    """What a file of `torch.save` states beside its weights; None where it states nothing.

    Args:
        path: of weights.
        key: of it.

    Raises:
        UnsafeWeights: the file would execute code when it is opened.
        ModelError: it cannot be read.
    """
    content = None if _is_safetensors(path) else _unpickled(path)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        return content.get(key)
    return None


def _is_safetensors(path: Path) -> bool:
    """By content: the length of the header, then the header, which is JSON."""
    with opened(path, what="A file of weights", error=ModelError) as f:
        start = f.read(9)
    if path.suffix == ".safetensors":
        return True
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") <= _LONGEST


def _unpickled(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old formats
            return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as e:  # PyTorch raises nearly everything for a damaged file
        raise _explained(e, path) from e


def _explained(e: Exception, path: Path) -> ModelError:
    details = str(e)
    named = re.search(r"(?:GLOBAL|class|global:?)\s+`?([\w.]+\.[\w.]+)", details)
    if "TorchScript" in details or "torch.jit" in details:
        what = "is a TorchScript archive, which holds a program"
    elif named:
        what = f"holds a `{printable(named[1])}` beside its tensors"
    elif _is_pickle(path) and ("nsupported oper" in details or "persistent id" in details):
        what = "holds more than tensors"
    else:
        # The lookups of a reader that lost its way help nobody who has the file.
        text = "" if isinstance(e, LookupError) else details.strip()
        why = f" ({printable(text.splitlines()[0][:160])})" if text else ""
        return ModelError(
            f"Weights are a safetensors file or a state dict saved by torch.save; "
            f"`{printable(path)}` is neither, or is damaged{why}. "
            "Copy it again, or save it again with torch.save(model.state_dict(), FILE)."
        )
    return UnsafeWeights(
        f"Weights are read without running code; `{printable(path)}` {what}, and opening it would "
        "execute code. If you trust it, open it and save its tensors alone: "
        "torch.save(model.state_dict(), FILE)."
    )


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as f:
        return f.read(4).startswith((b"\x80", b"PK\x03\x04"))


def _state(content: Any, path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Tensors by name, unpacked from their wrappers."""
    notes: list[str] = []
    for _ in range(_DEPTH):
        if not isinstance(content, Mapping):
            break
        inner = [k for k in (*_PLAIN, *_AVERAGED) if isinstance(content.get(k), Mapping)]
        if not inner:
            inner = _only(content)
            notes += [f"The weights are loaded from `{printable(n)}`." for n in inner]
        if not inner:
            break
        averaged = [k for k in inner if k in _AVERAGED]
        if averaged and inner[0] not in _AVERAGED:
            notes.append(
                f"`{printable(path)}` holds weights (`{inner[0]}`) and their running average "
                f"(`{averaged[0]}`); the weights are used. Save the average alone to use it."
            )
        content = content[inner[0]]
    if isinstance(content, Mapping):
        tensors = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
        if tensors:
            return tensors, tuple(notes)
    keys = (
        ", ".join(f"`{printable(str(k))}`" for k in content) if isinstance(content, Mapping) else ""
    )
    raise ModelError(
        f"A file of weights holds tensors by name, on their own or below `state_dict` or `model`; "
        f"`{printable(path)}` holds {f'keys {keys[:200]}' if keys else type(content).__name__}. "
        "Save model.state_dict() itself."
    )


def _only(content: Mapping[Any, Any]) -> list[str]:
    """The key of the only state dict in a checkpoint."""
    if any(isinstance(v, Tensor) for v in content.values()):
        return []
    keys = [
        k
        for k, v in content.items()
        if isinstance(v, Mapping) and any(isinstance(t, Tensor) for t in v.values())
    ]
    return keys if len(keys) == 1 and isinstance(keys[0], str) else []


def fitted(module: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under the names of a module, see `names.matched`.

    Args:
        module: any module.
        tensors: name to values.

    Example:
        >>> plain = {"module.weight": torch.ones(1, 2), "module.bias": torch.ones(1)}
        >>> sorted(fitted(nn.Linear(2, 1), plain))
        ['bias', 'weight']
    """
    return matched(module, tensors)[0]


def _takes(module: nn.Module, tensors: Mapping[str, Tensor]) -> bool:
    """Whether a module loads these names by its own rules, as some load older ones."""
    try:
        copy.deepcopy(module).load_state_dict(dict(tensors))
    except Exception:  # of any kind: an external module loads in its own way
        return False
    return True
