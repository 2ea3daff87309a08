"""An external network: the module that an importable function returns.

    package.module:factory     any callable that takes no arguments and returns an nn.Module
    torchvision:NAME           a model of torchvision, where that is installed
    timm:NAME                  a model of timm, where that is installed

The function is the user's own choice and is called as Python would: it may do anything. It is
called with the current folder on the module path, as `python -m` has it, and what it prints goes
to standard error. A library is the installed one, see `libraries.py`.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from neocog.errors import ModelError, UsageError, did_you_mean, printable
from neocog.store.libraries import INITS, LIBRARIES, Made, of_library, short
from neocog.store.sound import check_network

__all__ = ["INITS", "LIBRARIES", "Made", "as_written", "is_factory", "make"]


def is_factory(source: str) -> bool:
    """Whether a source is written as `package.module:factory` or `library:NAME`.

    Example:
        >>> is_factory("nets.small:make"), is_factory("timm:resnet18.a1_in1k"), is_factory("x.pt2")
        (True, True, False)
    """
    library, _, name = source.partition(":")
    if library in LIBRARIES and name:
        return True
    return bool(re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*", source))


def make(
    source: str, *, num_classes: int | None = None, init: str | None = None, values: bool = True
) -> Made:
    """The network of a source, on the CPU in float32.

    Args:
        source: as `is_factory` takes it.
        num_classes: number of outputs of a library model; its own number if left out. A factory
            states its own.
        init: of a library model: `pretrained`, the default, or `none` for random weights. A
            factory initializes itself.
        values: check that the weights have values; without, the device meta is enough.

    Raises:
        ModelError: the module, the function or the library is missing or fails, or pretrained
            weights are not available.
        UsageError: the library has no model of that name, or `init` is unknown.
    """
    library, _, name = source.partition(":")
    if init not in (None, *INITS):
        raise UsageError(
            f"`init` is `pretrained` or `none`, got `{init}`. {did_you_mean(str(init), INITS)}"
        )
    with contextlib.redirect_stdout(sys.stderr):
        if library in LIBRARIES:
            made = of_library(library, name, num_classes=num_classes, init=init or "pretrained")
        else:
            if init is not None:
                raise UsageError(
                    "`init` is for library models, such as timm:NAME; the function "
                    f"`{printable(source)}` sets its own weights. Leave --init out."
                )
            made = _of_factory(source, library, name)
    if not values:
        return replace(made, network=as_written(made.network))
    check_network(made.network, source, lazy=True)
    return replace(made, network=as_written(made.network).to("cpu").float())


def as_written(module: nn.Module) -> nn.Module:
    """A module without the wrapper of `torch.compile`; the parameters are the same.

    Args:
        module: any module.
    """
    while type(module).__name__ == "OptimizedModule" and "_orig_mod" in module._modules:
        inner = module._modules["_orig_mod"]
        assert inner is not None
        module = inner
    return module


def _of_factory(source: str, module: str, name: str) -> Made:
    with _current_folder():
        network = _called(source, module, name)
    if not isinstance(network, nn.Module):
        raise ModelError(
            f"A factory returns an nn.Module; `{printable(source)}` returned "
            f"a `{type(network).__name__}`. Return the network itself."
        )
    if not network.state_dict():
        return Made(network)
    return Made(
        network,
        f"No weights were given for `{printable(source)}`: it keeps those of its factory.",
    )


@contextlib.contextmanager
def _current_folder() -> Iterator[None]:
    """Make modules of the current folder importable inside."""
    folder = str(Path.cwd())
    if folder in sys.path or "" in sys.path:
        yield
        return
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def _called(source: str, module_name: str, path: str) -> Any:
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
            f"A factory is a function that returns an nn.Module; `{source}` is a "
            f"`{type(factory).__name__}`. Name a function, or write `def make(): return …`."
        )
    try:
        return factory()
    except (Exception, SystemExit) as e:
        raise ModelError(
            f"A factory is called without arguments; `{source}` failed with {short(e)}. "
            "If it needs arguments, name a function that calls it with them."
        ) from e


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as e:
        if e.name is None or not f"{name}.".startswith(f"{e.name}."):
            raise _broken(name, e) from e
        raise ModelError(
            f"MODEL names a module as Python imports it, from the current folder or the installed "
            f"packages; there is no `{e.name}`. Check the name, or go to the folder that holds it."
        ) from e
    except (Exception, SystemExit) as e:
        raise _broken(name, e) from e


def _broken(name: str, e: BaseException) -> ModelError:
    return ModelError(
        f"The module of a network must be importable; `{name}` is not: {short(e)}. "
        f"Try `python -c 'import {name}'`."
    )
