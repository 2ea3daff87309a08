"""Keyword arguments that a function does not have: an error that names the nearest it has.

Python answers a misspelled keyword with a bare TypeError. A keyword may have another name here than
in another library (`num_classes`, not `classes`), so the message says which was probably meant.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any, TypeVar, cast

from neocog.errors import UsageError, did_you_mean, printable
from neocog.suggest import suggestion

__all__ = ["UnknownKeyword", "check_keywords", "known_keywords"]

F = TypeVar("F", bound=Callable[..., Any])


class UnknownKeyword(UsageError, TypeError):
    """A keyword argument that a function does not have."""


def known_keywords(function: F) -> F:
    """A function that refuses unknown keywords by the name of the nearest known one.

    Raises:
        UnknownKeyword: on a call with a keyword that is not in the signature.

    Example:
        >>> @known_keywords
        ... def build(name, *, num_classes=10): return num_classes
        >>> build("dense", classes=10)
        Traceback (most recent call last):
        neocog.keywords.UnknownKeyword: `build` has no argument `classes`. Did you mean ...
    """
    code = cast(FunctionType, inspect.unwrap(function)).__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    name = getattr(function, "__qualname__", "").removesuffix(".__init__")

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        check_keywords(name, kwargs, names)
        return function(*args, **kwargs)

    return cast(F, checked)


def check_keywords(function: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse keywords that are not among the known ones.

    Raises:
        UnknownKeyword: one is not.
    """
    names = [n for n in known if n != "self"]
    for key in given:
        if key not in names:
            near = suggestion(key[:60], names)
            hint = f"Did you mean `{near}`?" if near else did_you_mean(key[:60], names)
            raise UnknownKeyword(f"`{function}` has no argument `{printable(key[:60])}`. {hint}")
