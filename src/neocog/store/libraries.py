"""Networks of libraries by name, `torchvision:NAME` and `timm:NAME`, with their trained weights.

A name promises a trained network. It is opened with the weights that its library gives for it, or,
where these cannot be had, not at all: random weights are asked for, by `init="none"`.

The library is the installed one. A file of its name in the current folder is not imported, nor
what else lies there under a name that the library imports.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from neocog.errors import ModelError, UsageError, did_you_mean, printable
from neocog.types import InputSpec

__all__ = ["INITS", "LIBRARIES", "Made", "of_library", "short"]

LIBRARIES = ("torchvision", "timm")
"""Libraries whose networks have names."""

INITS = ("pretrained", "none")
"""Weights that a network of a library begins with: its library's, or random ones."""


@dataclass(frozen=True)
class Made:
    """A network that was made by somebody else's code.

    Args:
        network: on the CPU.
        weights: where its weights are from, as a sentence; empty where it has none.
        input: what it takes, where its library says it.
        classes: names of its outputs, likewise.
    """

    network: nn.Module
    weights: str = ""
    input: InputSpec | None = None
    classes: tuple[str, ...] = ()


def of_library(library: str, name: str, *, classes: int | None, init: str) -> Made:
    """A network of a library.

    Args:
        library: one of `LIBRARIES`.
        name: as the library has it, for timm with or without a tag.
        classes: outputs of a network with random weights; trained ones have their own number.
        init: one of `INITS`.

    Raises:
        ModelError: the library is missing or fails, or has no weights that can be had.
        UsageError: it has no network of that name, or no trained one with so many outputs.
    """
    with _installed_alone(library):
        rooms = _imported(library)
        known = rooms.list_models()
        if name.partition(".")[0] not in known and name not in known:
            near = did_you_mean(name, known)
            hint = near if near.startswith("Did") else f"It knows {len(known)} names."
            raise UsageError(f"`{printable(name)}` is no network of {library}. {hint}")
        if init == "none":
            network = _built(rooms, library, name, classes, trained=False)
            told = f"The weights of `{library}:{printable(name)}` are random: the network was"
            made = Made(network, f"{told} trained on nothing, and its predictions mean nothing.")
        else:
            made = _trained(rooms, library, name, classes)
        made = _with_signal(made, rooms, library, name)
        return made if init != "none" else replace(made, classes=())  # outputs that mean nothing


def _trained(rooms: Any, library: str, name: str, classes: int | None) -> Made:
    place = f"{library}:{printable(name)}"
    if _has_none(rooms, library, name):
        raise ModelError(
            f"A name of a library is opened with its trained weights; {library} has none for "
            f"`{printable(name)}`. {_INSTEAD}"
        )
    try:
        network = _built(rooms, library, name, None, trained=True)
    except ModelError as e:
        _built(rooms, library, name, None, trained=False)  # fails where the fault is the network's
        raise ModelError(
            f"`{place}` is opened with the trained weights that {library} fetches, which cannot be "
            f"had here: {short(e.__cause__ or e).rstrip('.')}. {_INSTEAD}"
        ) from e
    said: Any = getattr(network, "pretrained_cfg", None)
    tag = said.get("tag") if isinstance(said, Mapping) else None
    which = f" (`{printable(str(tag))}`)" if tag and str(tag) not in name else ""
    made = Made(network, f"The weights of `{place}` are those that {library} gives{which}.")
    outputs = _outputs(network)
    if classes is not None and outputs is not None and outputs != classes:
        raise UsageError(
            f"Trained weights come with their classes: those of `{place}` have {outputs} outputs, "
            f"and {classes} classes were given. Leave --classes out, or name a factory with "
            "--weights FILE."
        )
    return made


_INSTEAD = "Give your own with --weights FILE, or take random ones with --init none."


def _outputs(network: nn.Module) -> int | None:
    """Where it says so itself: timm's `num_classes`, or its last linear layer."""
    said = getattr(network, "num_classes", None)
    last = [m for m in network.modules() if isinstance(m, nn.Linear)]
    return said if isinstance(said, int) else last[-1].out_features if last else None


def _built(rooms: Any, library: str, name: str, classes: int | None, *, trained: bool) -> nn.Module:
    wanted: dict[str, Any] = {} if classes is None else {"num_classes": classes}
    try:
        if library == "torchvision":
            if not trained and _has_a_backbone(rooms, name):
                wanted["weights_backbone"] = None
            network = rooms.get_model(name, weights="DEFAULT" if trained else None, **wanted)
        else:
            network = rooms.create_model(name, pretrained=trained, **wanted)
    except (Exception, SystemExit) as e:
        raise ModelError(
            f"`{library}:{printable(name)}` must be built by its library, which failed with "
            f"{short(e)}. Try it in Python, or write a factory of your own."
        ) from e
    if not isinstance(network, nn.Module):
        raise ModelError(
            f"A network is an nn.Module; {library} gave a `{type(network).__name__}` for "
            f"`{printable(name)}`. Write a factory of your own."
        )
    return network


def _has_a_backbone(rooms: Any, name: str) -> bool:
    """Whether a network of torchvision is given trained weights for a part of it otherwise."""
    find = getattr(rooms, "get_model_builder", None)
    return find is not None and "weights_backbone" in inspect.signature(find(name)).parameters


def _has_none(rooms: Any, library: str, name: str) -> bool:
    """Whether a library says that it has no trained weights for a name."""
    if library == "torchvision":
        return hasattr(rooms, "get_model_weights") and _weights_of(rooms, name) is None
    asked = getattr(rooms, "is_model_pretrained", None)
    return callable(asked) and not asked(name)


def _weights_of(rooms: Any, name: str) -> Any:
    """What torchvision says of the weights that it gives by default."""
    with contextlib.suppress(Exception):  # of a network that never had any
        return rooms.get_model_weights(name).DEFAULT
    return None


def _with_signal(made: Made, rooms: Any, library: str, name: str) -> Made:
    """With what the library says of the samples and classes of a network, where it does."""
    try:
        if library == "timm":
            said: Any = made.network.pretrained_cfg
            size, mean, std = said["input_size"], said["mean"], said["std"]
            classes: tuple[str, ...] = ()
        else:
            weights = _weights_of(rooms, name)
            preset = weights.transforms()
            mean, std, side = preset.mean, preset.std, preset.crop_size
            size = (len(mean), side[0], side[-1])
            classes = _distinct(weights.meta.get("categories", ()))
        channels, height, width = map(int, size)
        signal = InputSpec(
            channels=channels,
            size=(height, width),
            mean=tuple(map(float, mean)),
            std=tuple(map(float, std)),
        )
    except (AttributeError, KeyError, TypeError, ValueError):  # it says nothing, or something else
        return made
    if not len(signal.mean) == len(signal.std) == channels:
        return made
    trained = classes if len(classes) == _outputs(made.network) else ()
    return replace(made, input=signal, classes=trained)


def _distinct(names: Any) -> tuple[str, ...]:
    """Names of classes, the second of two that are equal with a number behind it."""
    seen: dict[str, int] = {}
    out = []
    for name in map(str, names):
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(out)


def _imported(library: str) -> Any:
    module = "torchvision.models" if library == "torchvision" else library
    try:
        rooms = importlib.import_module(module)
    except (Exception, SystemExit) as e:
        here = _of_current_folder(library)
        also = f"`{here}` is not it, and was not imported. " if here else ""
        raise ModelError(
            f"`{library}:NAME` needs the package {library}, which cannot be imported here: "
            f"{short(e)}. {also}Install one that goes with this PyTorch, or write a factory of "
            "your own and name it as module:function."
        ) from e
    own, here = getattr(sys.modules.get(library), "__file__", None), _of_current_folder(library)
    if own and here and Path(own).resolve() in (Path(here), Path(here, "__init__.py")):
        raise ModelError(  # imported before by somebody else
            f"`{library}:NAME` needs the installed package {library}, and `{printable(own)}` was "
            "imported by that name. Rename the file, or name its function as module:function."
        )
    return rooms


def _of_current_folder(library: str) -> Path | None:
    """A file or folder that Python would take for the library there."""
    for name in (library, f"{library}.py"):
        place = Path.cwd().resolve() / name
        if place.is_file() if name.endswith(".py") else place.is_dir():
            return place
    return None


@contextlib.contextmanager
def _installed_alone(library: str) -> Iterator[None]:
    """The module path without the current folder, under whatever name it stands there."""
    here, before = os.path.realpath(Path.cwd()), list(sys.path)
    sys.path[:] = [p for p in before if os.path.realpath(p or ".") != here]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        added = [p for p in sys.path if p not in before]
        sys.path[:] = before + added


def short(e: BaseException) -> str:
    """An error in a line, its kind first."""
    lines = str(e).strip().splitlines()
    return f"{type(e).__name__}: {printable(lines[0][:300])}" if lines else type(e).__name__
