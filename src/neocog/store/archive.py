"""What an exported program may hold: a .pt2 archive is checked before PyTorch reads it.

`torch.export.load` is not made for strangers' files. With PyTorch 2.13, archives that were made to
do so ran code of their own by

    pickles       weights, constants and sample inputs may be pickles, which are opened without
                  restriction where the restricted reader fails
    expressions   sizes are handed to `sympy.sympify`, which calls `eval`
    guards        conditions on inputs are pasted into Python source
    modules       the description of inputs and outputs names modules that are imported
    libraries     `data/aotinductor/` holds compiled code

Each is closed by a rule that names what is allowed: the known records; pickles that the restricted
reader takes; arithmetic of symbols and numbers; tuples, lists and dicts; guards are never made
(`exported.py`). Two more rules rely less on PyTorch's own checks: nodes call ATen operators (but
for the one that maps files), arithmetic and the wrappers of export, and what stands for a name in
generated source is one.

Records are listed and read by PyTorch's own reader, so that what is checked is what is loaded.
"""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from neocog.errors import ModelError, UnsafeWeights, printable

__all__ = ["check_archive"]

_RECORDS = re.compile(
    r"archive_format|archive_version|byteorder|version|\.data/\w+|extra/[\w. -]+"
    r"|models/model\.json|data/sample_inputs/model\.pt"
    r"|data/weights/(model_weights_config\.json|weight_\d+)"
    r"|data/constants/(model_constants_config\.json|tensor_\d+)"
)
_PAYLOAD = re.compile(r"(weight|tensor)_\d+")

_TARGET = re.compile(
    r"torch\.ops\.(aten|prims)\.\w+(\.\w+)?"
    r"|torch\.ops\.higher_order\.(wrap_with_set_grad_enabled|wrap_with_autocast)"
    r"|torch\.sym_(max|min|float|int|ite|not|sum|sqrt)"
    r"|_operator\.(add|sub|mul|neg|pos|abs|floordiv|truediv|mod|pow|getitem|eq|ne|lt|le|gt|ge"
    r"|and_|or_|not_)"
    r"|math\.(ceil|floor|trunc|sqrt)"
)
_FILES = re.compile(r"torch\.ops\.aten\.from_file(\.\w+)?")

_WORD = re.compile(r"\w*")
"""Names of nodes and arguments, which stand in Python source as they are."""

_NAME = re.compile(r"[\w.$@+ -]*")
"""Of modules and parameters, which stand there in quotes."""

_HEARSAY = re.compile(r"[^\"'\\{}\x00-\x1f]*")
"""Of the module that a node came from, and its class: these become names of modules."""

_CONTAINERS = (None, "builtins.tuple", "builtins.list", "builtins.dict")

_FUNCTIONS = frozenset(
    (
        *("Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Mod", "Max", "Min", "Abs"),
        *("Eq", "Ne", "Lt", "Le", "Gt", "Ge", "And", "Or", "Not", "Where", "Piecewise"),
        *("Equality", "Unequality", "StrictLessThan", "LessThan"),
        *("StrictGreaterThan", "GreaterThan", "ceiling", "floor", "sqrt", "Identity"),
        *("FloorDiv", "ModularIndexing", "PythonMod", "CleanDiv", "CeilDiv", "IntTrueDiv"),
        *("FloatTrueDiv", "CeilToInt", "FloorToInt", "TruncToInt", "TruncToFloat"),
        *("RoundToInt", "RoundDecimal", "ToFloat"),
    )
)
_SYMBOL = re.compile(r"[a-z]{1,4}\d{1,6}")
_ARITHMETIC = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.Load,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.USub, ast.UAdd,
    ast.BitAnd, ast.BitOr, ast.Invert,  # how sympy writes and, or, not
    ast.cmpop, ast.boolop, ast.keyword, ast.Tuple,
)  # fmt: skip
_HELD = {"Symbol": ast.Constant, "Piecewise": ast.Tuple}
"""Functions to what they alone are given: a text or tuple by itself grows when it is multiplied."""

_LONGEST = 4000
"""Letters of an expression."""

_POWER = 8
"""Largest power in one, so that none is a number that fills the memory."""


def check_archive(path: Path) -> dict[str, str]:
    """Refuse an archive that could do more than compute.

    Args:
        path: a .pt2 file.

    Returns:
        The texts of its `extra/` records.

    Raises:
        UnsafeWeights: it could execute code.
        ModelError: it is no archive of an exported program, or damaged.
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
    if strange := [n for n in names if not _RECORDS.fullmatch(n)]:
        raise _strange(path, strange[0], "models/model.json" in names)
    try:
        for kind in ("weights", "constants"):
            config = json.loads(reader.get_record(f"data/{kind}/model_{kind}_config.json"))
            for name, payload in config["config"].items():
                _check_payload(path, reader, f"data/{kind}", name, payload)
        _restricted(path, "its sample inputs", reader.get_record("data/sample_inputs/model.pt"))
        program = json.loads(reader.get_record("models/model.json"))
        for key, text in _texts(program, ""):
            if why := _refused(key, text):
                raise _unsafe(path, why)
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
    """A pickle that the restricted reader takes does the same to the other one."""
    try:
        torch.load(io.BytesIO(pickled), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as e:
        raise _unsafe(path, f"holds {what} as a pickle of more than tensors") from e


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """All texts of a program, each under the key that says what it is."""
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
    """Why a text may not stand where it stands; empty if it may."""
    match key:
        case "as_string" | "as_strings" | "guards_code" | "stack_trace":
            return ""  # a value, or never read
        case "target" | "as_operator":
            good = bool(_TARGET.fullmatch(text)) and not _FILES.fullmatch(text)
            return "" if good else f"calls `{printable(text[:80])}`"
        case "name" | "as_name":
            return "" if _WORD.fullmatch(text) else f"has a name `{printable(text[:80])}`"
        case "expr_str" | "size":
            return "" if _is_arithmetic(text) else f"has a size `{printable(text[:80])}`"
        case "in_spec" | "out_spec":
            return "" if _is_plain(json.loads(text)) else "takes or returns classes of its own"
        case "metadata.nn_module_stack":
            return "" if _HEARSAY.fullmatch(text) else "names a module in Python source"
    if key.startswith("metadata.") or _NAME.fullmatch(text):
        return ""
    return f"has a name `{printable(text[:80])}`"


def _is_plain(spec: Any) -> bool:
    """Whether a description of inputs or outputs knows plain containers only."""
    if isinstance(spec, list):
        return all(map(_is_plain, spec))
    if not isinstance(spec, dict):
        return True
    context = spec.get("context")
    keys = json.loads(context) if isinstance(context, str) else context
    if keys is not None and not (isinstance(keys, list) and all(isinstance(k, str) for k in keys)):
        return False
    return spec.get("type") in _CONTAINERS and _is_plain(spec.get("children_spec"))


def _is_arithmetic(text: str) -> bool:
    """Whether an expression is one of symbols and numbers, with known functions.

    Example:
        >>> _is_arithmetic("2*Symbol('s7', positive=True, integer=True) + FloorDiv(s1, 2)")
        True
        >>> _is_arithmetic("__import__('os')"), _is_arithmetic("Symbol('s7').func('1')")
        (False, False)
    """
    if len(text) > _LONGEST:
        return False
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError):
        return False
    nodes = list(ast.walk(tree))
    held = {
        id(argument)
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        for argument in node.args
        if isinstance(argument, _HELD.get(node.func.id, ()))
    }
    return all(_is_harmless(n) and (not _grows(n) or id(n) in held) for n in nodes)


def _grows(node: ast.AST) -> bool:
    """Whether a large number times it fills the memory."""
    text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return text or isinstance(node, ast.Tuple)


def _is_harmless(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name in _FUNCTIONS
        case ast.BinOp(op=ast.Pow()):
            exponent = node.right
            return (
                isinstance(node.left, ast.Name)
                and isinstance(exponent, ast.Constant)
                and exponent.value in range(_POWER + 1)
            )
        case ast.Name(id=name):
            return name in _FUNCTIONS or bool(_SYMBOL.fullmatch(name))
        case ast.Constant(value=bool() | float()):
            return True
        case ast.Constant(value=int() as number):
            return abs(number) < 2**64
        case ast.Constant(value=str() as name):
            return bool(_SYMBOL.fullmatch(name))
    return isinstance(node, _ARITHMETIC)


def _strange(path: Path, record: str, new: bool) -> ModelError:
    if new:
        return _unsafe(path, f"holds `{printable(record)}`, which is no part of a plain program")
    return ModelError(
        f"An exported program is a .pt2 archive as torch.export.save of PyTorch 2.9 or later "
        f"writes it; `{printable(path)}` holds `{printable(record)}`. Save it anew; a state dict "
        "goes with a network, as `module:factory --weights FILE`."
    )


def _unsafe(path: Path, why: str) -> UnsafeWeights:
    return UnsafeWeights(
        f"An exported program is read only where it can do no more than compute; "
        f"`{printable(path)}` {why}. Export it anew where you trust it, with plain tensors and "
        "without compiled parts."
    )


def _damaged(path: Path, e: Exception) -> ModelError:
    lines = str(e).strip().splitlines()
    said = printable(lines[0][:160]) if lines else type(e).__name__
    return ModelError(
        f"An exported program is a .pt2 archive as torch.export.save writes it; "
        f"`{printable(path)}` is none, or is damaged ({said}). Copy it again or export it anew."
    )
