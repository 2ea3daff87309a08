"""Shapes are checked where they are written: jaxtyping's annotations, by beartype, in every test.

A proxy of `torch.fx` has no shape: what is traced is not checked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype
from torch.fx import Proxy

__all__ = ["ROOMS", "check_shapes", "checked", "states_shapes"]

ROOMS = ("explainers", "graph", "layers", "lectures", "networks", "signal", "symmetry")
"""Where functions state shapes."""

_SHAPES = ("Float[", "Int[", "Bool[", "UInt8[", "Num[", "Shaped[", "Complex[")
_CONF = BeartypeConf(is_pep484_tower=True)  # an integer is a float


def states_shapes(item: Any) -> bool:
    """Whether a function, a property or the fields of a class are annotated with a shape."""
    function = getattr(item, "fget", None) or getattr(item, "__func__", item)
    notes = getattr(function, "__annotations__", {}).values()
    return any(word in str(note) for note in notes for word in _SHAPES)


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose shapes are checked when it is called; as it is where it states none."""
    if not states_shapes(function):
        return function
    strict = beartype(function, conf=_CONF)

    @functools.wraps(function)
    def either(*args: Any, **kwargs: Any) -> Any:
        traced = any(isinstance(a, Proxy) for a in (*args, *kwargs.values()))
        return (function if traced else strict)(*args, **kwargs)

    return either


def check_shapes() -> None:
    """Check every module of `ROOMS` that is imported from now on.

    The hook of jaxtyping would bind the arguments of every call of every function to its signature:
    two thirds of the time of a walk through a graph. Here it is given those that state shapes.
    """
    whole = jaxtyping.jaxtyped

    def sparing(**options: Any) -> Callable[[Any], Any]:
        return lambda item: whole(item, **options) if states_shapes(item) else item

    jaxtyping.jaxtyped = sparing
    jaxtyping.install_import_hook([f"neocog.{room}" for room in ROOMS], "tests.shapes.checked")
