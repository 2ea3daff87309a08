"""Sizes in an exported program: formulas of symbols and numbers, small enough to be evaluated.

A program that takes any height and width has for each tensor how its sizes follow from those of
the input, such as `4*(((s0 - 1)//2) + 1)`. PyTorch hands these texts to `sympy.sympify`, which
calls `eval`, and then asks sympy whether they may be negative or equal; for that it multiplies
products of sums out. A product of eighteen sums has 2^18 terms: minutes for a line of text.

So a formula is arithmetic of known functions, and it is weighed before sympy sees it: operations,
how deep they are nested, terms of its products, and the same for the program as a whole. The
limits are two to ten times what exports of networks with windows, pyramids and detectors for any
height and width need.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

__all__ = ["is_arithmetic", "too_much"]

_LEAVES = frozenset(("Symbol", "Integer", "Float", "Rational"))
_FUNCTIONS = _LEAVES | frozenset(
    (
        *("Add", "Mul", "Mod", "Max", "Min", "Abs"),
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
"""Functions to the arguments only they take: a bare string or tuple grows when multiplied."""

_POWER = 8
"""Max exponent, so that no power fills the memory."""

_LETTERS = 10_000
"""Of a formula, at most."""

_OPERATIONS = 300
"""Of a formula, at most."""

_DEPTH = 32
"""Max depth of nested operations."""

_TERMS = 256
"""Max terms of a formula with its products expanded."""

_ARGUMENTS = 16
"""Max arguments of one function: a maximum is evaluated by comparing its arguments in pairs."""

_ALL = 200_000
"""Max weight of all formulas of a program; three stages of attention in windows: 120,000."""


def is_arithmetic(text: str) -> bool:
    """Whether a formula has symbols, numbers and known functions only.

    Args:
        text: of a size.

    Example:
        >>> is_arithmetic("2*Symbol('s7', positive=True, integer=True) + FloorDiv(s1, 2)")
        True
        >>> is_arithmetic("__import__('os')"), is_arithmetic("Symbol('s7').func('1')")
        (False, False)
    """
    tree = _parsed(text)
    if tree is None:
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


def too_much(texts: Iterable[str]) -> str | None:
    """The first formula of a program that would take too long to evaluate, or None.

    Args:
        texts: all formulas of a program, each as often as it occurs; `is_arithmetic` holds.

    Example:
        >>> too_much(["4*(FloorDiv(s0 - 1, 2) + 1)"])
        >>> too_much(["*".join(f"(s{i} + 1)" for i in range(9))]) is None
        False
    """
    known: dict[str, int] = {}
    total = 0
    for text in texts:
        if text in known:
            total += known[text]  # it is read again, but worked out no more
        else:
            weight = _weight_of(text)
            if weight is None or weight.is_too_much:
                return text
            known[text] = weight.operations
            total += weight.operations**2 + 8 * weight.most
        if total > _ALL:
            return text
    return None


def _parsed(text: str) -> ast.Expression | None:
    if len(text) > _LETTERS:
        return None
    try:
        return ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # of brackets that are too deep
        return None


def _weight_of(text: str) -> _Weight | None:
    tree = _parsed(text)
    try:
        return None if tree is None else _weighed(tree.body)
    except RecursionError:
        return None


class _Weight(NamedTuple):
    operations: int = 0
    depth: int = 0
    terms: int = 1
    """With its products expanded."""
    most: int = 1
    """Terms of any part of it."""
    arguments: int = 0

    @property
    def is_too_much(self) -> bool:
        return (
            self.operations > _OPERATIONS
            or self.depth > _DEPTH
            or self.most > _TERMS
            or self.arguments > _ARGUMENTS
        )


def _weighed(node: ast.expr) -> _Weight:
    """The weight of a formula, or of a part that is too heavy already."""
    name, parts = _taken_apart(node)
    if name in _LEAVES or not parts:
        return _Weight()
    weights = []
    for part in parts:
        weight = _weighed(part)
        if weight.is_too_much:
            return weight
        weights.append(weight)
    terms = 1  # what is divided and rounded is one number to the products around it
    if name == "Add":
        terms = sum(w.terms for w in weights)
    elif name in ("Mul", "Div"):
        terms = math.prod(w.terms for w in weights)
    return _Weight(
        operations=max(1, len(parts) - 1) + sum(w.operations for w in weights),
        depth=1 + max(w.depth for w in weights),
        terms=terms,
        most=max(terms, *(w.most for w in weights)),
        arguments=max(0 if name in ("Add", "Mul") else len(parts), *(w.arguments for w in weights)),
    )


def _taken_apart(node: ast.expr) -> tuple[str, list[ast.expr]]:
    """Operator and operands."""
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name, node.args
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return "Add", _chain(node, ast.Add | ast.Sub)
        case ast.BinOp(op=ast.Mult()):
            return "Mul", _chain(node, ast.Mult)
        case ast.BinOp():
            return type(node.op).__name__, [node.left, node.right]
    return "", [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.expr)]


def _chain(node: ast.expr, kind: Any) -> list[ast.expr]:
    """The summands of `a + b - c`, which Python nests from the left; factors likewise."""
    parts: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, kind):
        parts.append(node.right)
        node = node.left
    return [node, *reversed(parts)]


def _grows(node: ast.AST) -> bool:
    """Whether a large multiple of it fills the memory."""
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
