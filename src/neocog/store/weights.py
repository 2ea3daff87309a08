"""Weights that were saved elsewhere: read without running anything, and fitted by name.

A file is in the safetensors format, or what `torch.save` writes of a state dict. The second is a
pickle; it is read by PyTorch's reader of weights, which builds tensors and plain containers and
refuses everything else.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neocog.errors import ModelError, UnsafeWeights, printable
from neocog.files import opened
from neocog.store.tensors import load_state, read_tensors

__all__ = ["fitted", "load_weights", "read_weights"]

_PLAIN = ("state_dict", "model", "model_state_dict", "net", "network", "module", "weights")
"""Keys under which a checkpoint may keep its weights."""

_AVERAGED = ("state_dict_ema", "model_ema", "ema_state_dict", "ema")
"""Keys under which a checkpoint may keep a running average of them."""

_DEPTH = 3
"""Wrappings inside each other that are taken off."""

_LONGEST = 100_000_000
"""Bytes of the header of a safetensors file, at most: its own limit."""


def load_weights(module: nn.Module, path: Path) -> tuple[str, ...]:
    """Fill a module, in place, with the weights of a file; all must fit, by name and shape.

    Args:
        module: any module.
        path: safetensors, or a state dict as `torch.save` writes it, on its own or inside
            `{"state_dict": …}`, `{"model": …}` and the like.

    Returns:
        What a user should know of how it was read, in sentences.

    Raises:
        UnsafeWeights: the file would execute code when it is opened.
        ModelError: the file cannot be read, or its tensors are not those of the module.
    """
    tensors, notes = read_weights(path)
    load_state(module, fitted(module, tensors), f"`{printable(path)}`")
    return notes


def read_weights(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors of a file, on the CPU, under the names that they have in it.

    Returns:
        The tensors, and what a user should know of how they were found.

    Raises:
        UnsafeWeights: the file would execute code when it is opened.
        ModelError: the file cannot be read or holds no tensors.
    """
    if _is_safetensors(path):
        return read_tensors(path)[0], ()
    return _state(_unpickled(path), path)


def _is_safetensors(path: Path) -> bool:
    """By content: the length of a header, then the header, which is JSON."""
    with opened(path, what="A file of weights", error=ModelError) as f:
        start = f.read(9)
    if path.suffix == ".safetensors":
        return True
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") <= _LONGEST


def _unpickled(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of formats that are older than this PyTorch
            return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as e:  # PyTorch raises nearly everything for a damaged file
        raise _explained(e, path) from e


def _explained(e: Exception, path: Path) -> ModelError:
    said = str(e)
    named = re.search(r"(?:GLOBAL|class|global:?)\s+`?([\w.]+\.[\w.]+)", said)
    if "TorchScript" in said or "torch.jit" in said:
        what = "is a TorchScript archive, which holds a program"
    elif named:
        what = f"holds a `{printable(named[1])}` beside its tensors"
    elif _is_pickle(path) and ("nsupported oper" in said or "persistent id" in said):
        what = "holds more than tensors"
    else:
        first = said.strip().splitlines()[0][:160] if said.strip() else type(e).__name__
        return ModelError(
            f"Weights are a safetensors file or a state dict saved by torch.save; "
            f"`{printable(path)}` is neither, or is damaged ({printable(first)}). "
            "Copy it again, or save it anew with torch.save(model.state_dict(), FILE)."
        )
    return UnsafeWeights(
        f"Weights are read without running code; `{printable(path)}` {what}, and opening it would "
        "execute code. Where you trust it, open it and save its tensors alone: "
        "torch.save(model.state_dict(), FILE)."
    )


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as f:
        return f.read(4).startswith((b"\x80", b"PK\x03\x04"))


def _state(held: Any, path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Tensors by name, out of whatever they are wrapped in."""
    notes: list[str] = []
    for _ in range(_DEPTH):
        if not isinstance(held, Mapping):
            break
        inner = [k for k in (*_PLAIN, *_AVERAGED) if isinstance(held.get(k), Mapping)]
        if not inner:
            break
        averaged = [k for k in inner if k in _AVERAGED]
        if averaged and inner[0] not in _AVERAGED:
            notes.append(
                f"`{printable(path)}` holds weights (`{inner[0]}`) and their running average "
                f"(`{averaged[0]}`); the weights are used. Save the average alone to use it."
            )
        held = held[inner[0]]
    if isinstance(held, Mapping):
        tensors = {str(k): v for k, v in held.items() if isinstance(v, Tensor)}
        if tensors:
            return tensors, tuple(notes)
    found = ", ".join(f"`{printable(str(k))}`" for k in held) if isinstance(held, Mapping) else ""
    raise ModelError(
        f"A file of weights holds tensors by name, on their own or below `state_dict` or `model`; "
        f"`{printable(path)}` holds {f'the keys {found[:200]}' if found else type(held).__name__}. "
        "Save model.state_dict() itself."
    )


def fitted(module: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under the names that a module has for them.

    What wrappers put in front of names is taken off: `module.` of parallel training, `_orig_mod.`
    of a compiled module, and any prefix that all of a file's names share and none of the module's
    has. Counts of batches, which old files lack and no answer needs, stay as the module has them.
    Names that find no partner stay, to be named by whoever loads them.

    Args:
        module: any module.
        tensors: name to values.

    Example:
        >>> plain = {"module.weight": torch.ones(1, 2), "module.bias": torch.ones(1)}
        >>> sorted(fitted(nn.Linear(2, 1), plain))
        ['bias', 'weight']
    """
    wanted = module.state_dict()
    known = {_core(name): name for name in wanted}
    names = {name: _core(name) for name in tensors}
    if not any(core in known for core in names.values()):
        shared = len(_shared_prefix(names.values()))
        names = {name: core[shared:] for name, core in names.items()}
    if len(set(names.values())) < len(names) or len(known) < len(wanted):
        return dict(tensors)  # two names would become one: leave them as they are
    out = {known.get(core, name): tensors[name] for name, core in names.items()}
    for name, value in wanted.items():
        if name.endswith("num_batches_tracked"):
            out.setdefault(name, value)
    return out


def _core(name: str) -> str:
    """A name without what wrappers add."""
    name = name.replace("_orig_mod.", "")
    while name.startswith("module."):
        name = name[len("module.") :]
    return name


def _shared_prefix(names: Iterable[str]) -> str:
    """Leading parts, up to a dot, that all names have, less the last part of each."""
    parts = [name.split(".")[:-1] for name in names]
    shared = []
    for column in zip(*parts, strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    return "".join(f"{part}." for part in shared)
