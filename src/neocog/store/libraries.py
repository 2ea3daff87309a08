"""Library models by name, `torchvision:NAME` and `timm:NAME`, with their pretrained weights.

A name stands for a pretrained model. It is opened with the default weights of its library or, if
these are not available, refused; random weights need `init="none"`.

The library is the installed one. Files of its name in the current folder are not imported, nor
files there with the name of a module that the library imports.
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

__all__ = ["INITS", "INSTEAD", "LIBRARIES", "Made", "of_library", "resize_mode_of", "short"]

LIBRARIES = ("torchvision", "timm")
"""Libraries whose models are opened by name."""

INITS = ("pretrained", "none")
"""Initial weights of a library model: pretrained or random."""


@dataclass(frozen=True)
class Made:
    """A network built by external code.

    Args:
        network: on the CPU.
        weights: origin of its weights, as a sentence; empty where it has none.
        input: its input spec, where the library states it.
        classes: class names, likewise.
    """

    network: nn.Module
    weights: str = ""
    input: InputSpec | None = None
    classes: tuple[str, ...] = ()


def of_library(library: str, name: str, *, num_classes: int | None, init: str) -> Made:
    """A model of a library.

    Args:
        library: one of `LIBRARIES`.
        name: as the library has it, for timm with or without a tag.
        num_classes: number of outputs with random weights; pretrained ones have their own.
        init: one of `INITS`.

    Raises:
        ModelError: the library is missing or fails, or its weights are not available.
        UsageError: it has no model of that name, or no pretrained one with so many outputs.
    """
    with _installed_alone(library):
        models = _imported(library)
        known = models.list_models()
        if name.partition(".")[0] not in known and name not in known:
            near = did_you_mean(name, known)
            hint = near if near.startswith("Did") else f"It has {len(known)} models."
            raise UsageError(f"`{printable(name)}` is not a model of {library}. {hint}")
        if init == "none":
            network = _built(models, library, name, num_classes, trained=False)
            made = Made(
                network,
                f"The weights of `{library}:{printable(name)}` are random: the model is untrained, "
                "and its predictions mean nothing.",
            )
        else:
            made = _trained(models, library, name, num_classes)
        made = _with_signal(made, models, library, name)
        return made if init != "none" else replace(made, classes=())  # of meaningless outputs


def _trained(models: Any, library: str, name: str, num_classes: int | None) -> Made:
    source = f"{library}:{printable(name)}"
    if _has_none(models, library, name):
        raise ModelError(
            f"A library model is opened with its pretrained weights; {library} has none for "
            f"`{printable(name)}`. {INSTEAD}"
        )
    try:
        network = _built(models, library, name, None, trained=True)
    except ModelError as e:
        _built(models, library, name, None, trained=False)  # fails where the fault is the network's
        raise ModelError(
            f"`{source}` is opened with the pretrained weights that {library} downloads, which are "
            f"not available here: {short(e.__cause__ or e).rstrip('.')}. {INSTEAD}"
        ) from e
    config: Any = getattr(network, "pretrained_cfg", None)
    tag = config.get("tag") if isinstance(config, Mapping) else None
    which = f" (`{printable(str(tag))}`)" if tag and str(tag) not in name else ""
    made = Made(network, f"The weights of `{source}` are the pretrained ones of {library}{which}.")
    outputs = _outputs(network)
    if num_classes is not None and outputs is not None and outputs != num_classes:
        raise UsageError(
            f"Pretrained weights come with their classes: those of `{source}` have {outputs} "
            "outputs, "
            f"and {num_classes} classes were given. Leave --classes out, or name a factory with "
            "--weights FILE."
        )
    return made


INSTEAD = "Use your own with --weights FILE, or use random ones with --init none."
"""What to do where the weights of a model that is opened are not there."""
"""What to do where a library's weights are not there, for a model that is opened."""


def _outputs(network: nn.Module) -> int | None:
    """The number of outputs: timm's `num_classes`, or of the last linear layer."""
    config = getattr(network, "num_classes", None)
    last = [m for m in network.modules() if isinstance(m, nn.Linear)]
    return config if isinstance(config, int) else last[-1].out_features if last else None


def _built(
    models: Any, library: str, name: str, num_classes: int | None, *, trained: bool
) -> nn.Module:
    arguments: dict[str, Any] = {} if num_classes is None else {"num_classes": num_classes}
    try:
        if library == "torchvision":
            if not trained and _has_a_backbone(models, name):
                arguments["weights_backbone"] = None
            network = models.get_model(name, weights="DEFAULT" if trained else None, **arguments)
        else:
            network = models.create_model(name, pretrained=trained, **arguments)
    except (Exception, SystemExit) as e:
        raise ModelError(
            f"`{library}:{printable(name)}` must be built by its library, which failed with "
            f"{short(e)}. Try it in Python, or write a factory of your own."
        ) from e
    if not isinstance(network, nn.Module):
        raise ModelError(
            f"A network is an nn.Module; {library} returned a `{type(network).__name__}` for "
            f"`{printable(name)}`. Write a factory of your own."
        )
    return network


def _has_a_backbone(models: Any, name: str) -> bool:
    """Whether torchvision would load pretrained weights for a backbone."""
    find = getattr(models, "get_model_builder", None)
    return find is not None and "weights_backbone" in inspect.signature(find(name)).parameters


def _has_none(models: Any, library: str, name: str) -> bool:
    """Whether a library has no pretrained weights for a name."""
    if library == "torchvision":
        return hasattr(models, "get_model_weights") and _weights_of(models, name) is None
    is_pretrained = getattr(models, "is_model_pretrained", None)
    return callable(is_pretrained) and not is_pretrained(name)


def _weights_of(models: Any, name: str) -> Any:
    """The default weights of torchvision."""
    with contextlib.suppress(Exception):  # of a network that never had any
        return models.get_model_weights(name).DEFAULT
    return None


def _with_signal(made: Made, models: Any, library: str, name: str) -> Made:
    """Add the input spec and class names that the library states."""
    try:
        if library == "timm":
            config: Any = made.network.pretrained_cfg
            size, mean, std = config["input_size"], config["mean"], config["std"]
            interpolation: object = config.get("interpolation")
            classes: tuple[str, ...] = ()
        else:
            weights = _weights_of(models, name)
            preset = weights.transforms()
            mean, std, side = preset.mean, preset.std, preset.crop_size
            size = (len(mean), side[0], side[-1])
            interpolation = getattr(preset, "interpolation", None)
            classes = _distinct(weights.meta.get("categories", ()))
        channels, height, width = map(int, size)
        signal = InputSpec(
            channels=channels,
            size=(height, width),
            mean=tuple(map(float, mean)),
            std=tuple(map(float, std)),
            resize_mode=resize_mode_of(interpolation),
        )
    except (AttributeError, KeyError, TypeError, ValueError):  # not stated, or in another form
        return made
    if not len(signal.mean) == len(signal.std) == channels:
        return made
    trained = classes if len(classes) == _outputs(made.network) else ()
    return replace(made, input=signal, classes=trained)


def resize_mode_of(interpolation: object) -> str:
    """The resize mode of a network whose images were interpolated so.

    Args:
        interpolation: as timm writes it, or a mode of torchvision.

    Example:
        >>> resize_mode_of("bicubic"), resize_mode_of("bilinear"), resize_mode_of(None)
        ('crop-bicubic', 'crop', 'crop')
    """
    name = getattr(interpolation, "value", interpolation)
    return "crop-bicubic" if name == "bicubic" else "crop"


def _distinct(names: Any) -> tuple[str, ...]:
    """Class names; repeated ones get a number appended."""
    counts: dict[str, int] = {}
    out = []
    for name in map(str, names):
        counts[name] = counts.get(name, 0) + 1
        out.append(name if counts[name] == 1 else f"{name} ({counts[name]})")
    return tuple(out)


def _imported(library: str) -> Any:
    module = "torchvision.models" if library == "torchvision" else library
    try:
        models = importlib.import_module(module)
    except (Exception, SystemExit) as e:
        folder = _of_current_folder(library)
        also = f"`{folder}` is not it, and was not imported. " if folder else ""
        raise ModelError(
            f"`{library}:NAME` needs the package {library}, which cannot be imported: "
            f"{short(e)}. {also}Install a version that matches this PyTorch, or write a factory of "
            "your own and name it as module:function."
        ) from e
    own, folder = getattr(sys.modules.get(library), "__file__", None), _of_current_folder(library)
    if own and folder and Path(own).resolve() in (Path(folder), Path(folder, "__init__.py")):
        raise ModelError(  # imported before, by other code
            f"`{library}:NAME` needs the installed package {library}, and `{printable(own)}` was "
            "imported by that name. Rename the file, or name its function as module:function."
        )
    return models


def _of_current_folder(library: str) -> Path | None:
    """A file or folder there that Python would import as the library."""
    for name in (library, f"{library}.py"):
        source = Path.cwd().resolve() / name
        if source.is_file() if name.endswith(".py") else source.is_dir():
            return source
    return None


@contextlib.contextmanager
def _installed_alone(library: str) -> Iterator[None]:
    """The module path without the current folder, however it is spelled there."""
    folder, before = os.path.realpath(Path.cwd()), list(sys.path)
    sys.path[:] = [p for p in before if os.path.realpath(p or ".") != folder]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        added = [p for p in sys.path if p not in before]
        sys.path[:] = before + added


def short(e: BaseException) -> str:
    """An error in one line, its type first."""
    lines = str(e).strip().splitlines()
    return f"{type(e).__name__}: {printable(lines[0][:300])}" if lines else type(e).__name__
