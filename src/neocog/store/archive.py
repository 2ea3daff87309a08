"""What an exported program may hold: a .pt2 archive is checked before PyTorch reads it.

`torch.export.load` is not made for untrusted files. With PyTorch 2.13, malicious archives ran code
by

    pickles       weights, constants and sample inputs may be pickles, which are opened without
                  restriction where the restricted reader fails
    expressions   sizes are handed to `sympy.sympify`, which calls `eval`
    guards        conditions on inputs are pasted into Python source
    modules       the description of inputs and outputs names modules that are imported
    libraries     `data/aotinductor/` holds compiled code

Each is closed by a rule that names what is allowed: the known records; pickles that the restricted
reader takes; arithmetic of symbols and numbers, and little of it (`sizes.py`); tuples, lists and
dicts; guards are never made (`exported.py`). Two more rules rely less on PyTorch's own checks:
nodes call listed operators only (`operators.py`), and names in generated source must be names.

Records are listed and read by PyTorch's own reader, so that what is checked is what is loaded.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from neocog.errors import ModelError, UnsafeWeights, printable
from neocog.store.operators import is_operator
from neocog.store.sizes import is_arithmetic, too_much

__all__ = ["check_archive"]

_RECORDS = re.compile(
    r"archive_format|archive_version|byteorder|version|\.data/\w+|extra/[\w. -]+"
    r"|models/model\.json|data/sample_inputs/model\.pt"
    r"|data/weights/(model_weights_config\.json|weight_\d+)"
    r"|data/constants/(model_constants_config\.json|tensor_\d+)"
)
_PAYLOAD = re.compile(r"(weight|tensor)_\d+")

_WORD = re.compile(r"\w*")
"""Names of nodes and arguments, which are pasted into Python source."""

_NAME = re.compile(r"[\w.$@+ -]*")
"""Names of modules and parameters, which are quoted there."""

_ORIGIN = re.compile(r"[^\"'\\{}\x00-\x1f]*")
"""The module that a node comes from, and its class: these become names of modules."""

_CONTAINERS = (None, "builtins.tuple", "builtins.list", "builtins.dict")


def check_archive(path: Path) -> dict[str, str]:
    """Refuse an archive that could do more than compute.

    Args:
        path: a .pt2 file.

    Returns:
        The texts of its `extra/` records.

    Raises:
        UnsafeWeights: it could execute code.
        ModelError: it is not an archive of an exported program, or damaged.
    """
    try:
        reader = torch._C.PyTorchFileReader(str(path))
        names = reader.get_all_records()
        sizes = [reader.get_record_size(n) for n in names]
    except MemoryError:
        raise
    except Exception as e:
        raise _damaged(path, e) from e
    if sum(sizes) > path.stat().st_size or len(set(names)) < len(names):
        raise _unsafe(path, "has records that overlap or are compressed")
    if unknown := [n for n in names if not _RECORDS.fullmatch(n)]:
        raise _strange(path, unknown[0], "models/model.json" in names)
    try:
        for kind in ("weights", "constants"):
            config = json.loads(reader.get_record(f"data/{kind}/model_{kind}_config.json"))
            for name, payload in config["config"].items():
                _check_payload(path, reader, f"data/{kind}", name, payload)
        _restricted(path, "its sample inputs", reader.get_record("data/sample_inputs/model.pt"))
        program = json.loads(reader.get_record("models/model.json"))
        formulas: list[str] = []
        for key, text in _texts(program, ""):
            if why := _refused(key, text):
                raise _unsafe(path, why)
            if key in ("expr_str", "size"):
                formulas.append(text)
        if (formula := too_much(formulas)) is not None:
            raise _unsafe(
                path, f"has sizes that take too long to evaluate, such as {_start(formula)}"
            )
        if program["graph_module"].get("treespec_namedtuple_fields"):
            raise _unsafe(path, "takes or returns tuples of classes of its own")
        extra = [n for n in names if n.startswith("extra/")]
        return {n[len("extra/") :]: reader.get_record(n).decode() for n in extra}
    except (ModelError, MemoryError):
        raise
    except Exception as e:  # whatever is missing or of another kind
        raise _damaged(path, e) from e


def _check_payload(path: Path, reader: Any, folder: str, name: str, payload: Any) -> None:
    record = str(payload["path_name"])
    if not _PAYLOAD.fullmatch(record):
        raise _unsafe(path, f"holds the object `{printable(record)}`")
    if not _NAME.fullmatch(name):
        raise _unsafe(path, f"names a tensor `{printable(name)}`")
    if payload["use_pickle"] is not False:
        _restricted(path, f"`{name}`", reader.get_record(f"{folder}/{record}"))


def _restricted(path: Path, what: str, pickled: bytes) -> None:
    """Refuse a pickle that the restricted reader refuses."""
    try:
        torch.load(io.BytesIO(pickled), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as e:
        raise _unsafe(path, f"holds {what} as a pickle of more than tensors") from e


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """All strings of a program, each with its key."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, list):
        for v in value:
            yield from _texts(v, key)
    elif isinstance(value, dict):
        for k, v in value.items():
            if key != "metadata":
                yield "size" if key == "range_constraints" else "key", k
            yield from _texts(v, f"metadata.{k}" if key == "metadata" else k)


def _refused(key: str, text: str) -> str:
    """Why a string is refused under this key; empty if it is not."""
    match key:
        case "as_string" | "as_strings" | "guards_code" | "stack_trace":
            return ""  # a value, or never read
        case "target" | "as_operator":
            return (
                ""
                if is_operator(text)
                else f"calls {_start(text)}, which is not an operator of a network"
            )
        case "name" | "as_name":
            return "" if _WORD.fullmatch(text) else f"has a name {_start(text)}"
        case "expr_str" | "size":
            return "" if is_arithmetic(text) else f"has a size {_start(text)}"
        case "in_spec" | "out_spec":
            return "" if _is_plain(json.loads(text)) else "takes or returns classes of its own"
        case "metadata.nn_module_stack":
            return "" if _ORIGIN.fullmatch(text) else "names a module in Python source"
    if key.startswith("metadata.") or _NAME.fullmatch(text):
        return ""
    return f"has a name {_start(text)}"


def _start(text: str) -> str:
    return f"`{printable(text[:80])}`"


def _is_plain(spec: Any) -> bool:
    """Whether a description of inputs or outputs has plain containers only."""
    if isinstance(spec, list):
        return all(map(_is_plain, spec))
    if not isinstance(spec, dict):
        return True
    context = spec.get("context")
    keys = json.loads(context) if isinstance(context, str) else context
    if keys is not None and not (isinstance(keys, list) and all(isinstance(k, str) for k in keys)):
        return False
    return spec.get("type") in _CONTAINERS and _is_plain(spec.get("children_spec"))


def _strange(path: Path, record: str, new: bool) -> ModelError:
    if new:
        return _unsafe(path, f"holds `{printable(record)}`, which is not a part of a plain program")
    return ModelError(
        f"An exported program is a .pt2 archive as torch.export.save of PyTorch 2.9 or later "
        f"writes it; `{printable(path)}` holds `{printable(record)}`. Save it again; a state dict "
        "goes with a network, as `module:factory --weights FILE`."
    )


def _unsafe(path: Path, why: str) -> UnsafeWeights:
    return UnsafeWeights(
        f"An exported program is read only where it can do no more than compute; "
        f"`{printable(path)}` {why}. If you trust it, export it again with plain tensors and "
        "without compiled parts."
    )


def _damaged(path: Path, e: Exception) -> ModelError:
    lines = str(e).strip().splitlines()
    reason = printable(lines[0][:160]) if lines else type(e).__name__
    return ModelError(
        f"An exported program is a .pt2 archive as torch.export.save writes it; "
        f"`{printable(path)}` is none, or is damaged ({reason}). Copy it again or export it again."
    )
