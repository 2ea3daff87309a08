"""Shapes are checked where they are written: jaxtyping's annotations, by beartype, in every test.

A proxy of `torch.fx` has no shape: what is traced is not checked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook
from torch.fx import Proxy

__all__ = ["ROOMS", "check_shapes", "checked"]

ROOMS = ("explainers", "graph", "layers", "lectures", "networks", "signal", "symmetry")
"""Where functions state shapes."""

_SHAPES = ("Float[", "Int[", "Bool[", "UInt8[", "Num[", "Shaped[", "Complex[")
_CONF = BeartypeConf(is_pep484_tower=True)  # an integer is a float


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose shapes are checked when it is called; as it is where it states none."""
    notes = getattr(function, "__annotations__", {}).values()
    if not any(word in str(note) for note in notes for word in _SHAPES):
        return function
    strict = beartype(function, conf=_CONF)

    @functools.wraps(function)
    def either(*args: Any, **kwargs: Any) -> Any:
        traced = any(isinstance(a, Proxy) for a in (*args, *kwargs.values()))
        return (function if traced else strict)(*args, **kwargs)

    return either


def check_shapes() -> None:
    """Check every module of `ROOMS` that is imported from now on."""
    install_import_hook([f"neocog.{room}" for room in ROOMS], "tests.shapes.checked")
