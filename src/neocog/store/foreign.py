"""A stranger's network: whatever a function of an importable module returns.

    package.module:factory     any callable that takes no arguments and returns an nn.Module
    torchvision:NAME           a network of torchvision, where that is installed
    timm:NAME                  a network of timm, where that is installed

The function is the user's own choice and is called as Python would: it may do anything. It is
called with the current folder on the module path, as `python -m` has it, and what it prints goes
to standard error.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from neocog.errors import ModelError, UsageError, did_you_mean, printable

__all__ = ["LIBRARIES", "is_factory", "make"]

LIBRARIES = ("torchvision", "timm")
"""Libraries whose networks have names."""


def is_factory(place: str) -> bool:
    """Whether a place is written as `package.module:factory` or `library:NAME`.

    Example:
        >>> is_factory("nets.small:make"), is_factory("timm:resnet18.a1_in1k"), is_factory("x.pt2")
        (True, True, False)
    """
    library, _, name = place.partition(":")
    if library in LIBRARIES and name:
        return True
    return bool(re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*", place))


def make(place: str, *, classes: int | None = None) -> nn.Module:
    """The network of a place, on the CPU in float32, as its factory left its weights.

    Args:
        place: as `is_factory` takes it.
        classes: outputs that a network of a library is to have; its own number if left out. A
            factory says itself how many it has.

    Raises:
        ModelError: the module, the function or the library is missing or fails.
        UsageError: the library has no network of that name.
    """
    library, _, name = place.partition(":")
    with contextlib.redirect_stdout(sys.stderr), _current_folder():
        if library in LIBRARIES:
            made = _of_library(library, name, classes)
        else:
            made = _called(place, library, name)
    if not isinstance(made, nn.Module):
        raise ModelError(
            f"A factory returns an nn.Module; `{printable(place)}` returned "
            f"a `{type(made).__name__}`. Return the network itself."
        )
    return made.to("cpu").float()


@contextlib.contextmanager
def _current_folder() -> Iterator[None]:
    """Modules of the current folder can be imported inside."""
    here = str(Path.cwd())
    if here in sys.path or "" in sys.path:
        yield
        return
    sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(here)


def _called(place: str, module_name: str, path: str) -> Any:
    factory: Any = _imported(module_name)
    for part in path.split("."):
        if not hasattr(factory, part):
            known = [n for n in dir(factory) if not n.startswith("_")]
            near = did_you_mean(part, known)
            hint = near if near.startswith("Did") or len(known) <= 8 else "Check its name."
            raise ModelError(
                f"MODEL names a function of a module as `module:function`; "
                f"`{module_name}` has no `{part}`. {hint}"
            )
        factory = getattr(factory, part)
    if not callable(factory):
        raise ModelError(
            f"A factory is a function that returns an nn.Module; `{place}` is a "
            f"`{type(factory).__name__}`. Name a function, or write `def make(): return …`."
        )
    try:
        return factory()
    except (Exception, SystemExit) as e:
        raise ModelError(
            f"A factory is called without arguments; `{place}` failed with {_short(e)}. "
            "If it needs arguments, name a function that calls it with them."
        ) from e


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as e:
        if e.name is None or not f"{name}.".startswith(f"{e.name}."):
            raise _broken(name, e) from e
        raise ModelError(
            f"MODEL names a module as Python imports it, from the current folder or what is "
            f"installed; there is no `{e.name}`. Check the name, or go to the folder that holds it."
        ) from e
    except (Exception, SystemExit) as e:
        raise _broken(name, e) from e


def _broken(name: str, e: BaseException) -> ModelError:
    return ModelError(
        f"The module of a network must be importable; `{name}` is not: {_short(e)}. "
        f"Try `python -c 'import {name}'`."
    )


def _short(e: BaseException) -> str:
    """An error in a line, its kind first."""
    lines = str(e).strip().splitlines()
    return f"{type(e).__name__}: {printable(lines[0][:300])}" if lines else type(e).__name__


def _of_library(library: str, name: str, classes: int | None) -> Any:
    wanted = {} if classes is None else {"num_classes": classes}
    module = "torchvision.models" if library == "torchvision" else library
    try:
        rooms: Any = importlib.import_module(module)
    except (Exception, SystemExit) as e:
        raise ModelError(
            f"`{library}:NAME` needs the package {library}, which cannot be imported here: "
            f"{_short(e)}. Install one that goes with this PyTorch, or write a factory of your "
            "own and name it as module:function."
        ) from e
    known = rooms.list_models()
    if name.partition(".")[0] not in known and name not in known:
        near = did_you_mean(name, known)
        hint = near if near.startswith("Did") else f"It knows {len(known)} names."
        raise UsageError(f"`{printable(name)}` is no network of {library}. {hint}")
    try:
        if library == "torchvision":
            return rooms.get_model(name, weights=None, **wanted)
        return rooms.create_model(name, pretrained=False, **wanted)
    except (Exception, SystemExit) as e:
        raise ModelError(
            f"`{library}:{printable(name)}` must be built by its library, which failed with "
            f"{_short(e)}. Try it in Python, or write a factory of your own."
        ) from e
