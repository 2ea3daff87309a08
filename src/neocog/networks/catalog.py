"""Every network by its name, and its options as its builder's signature states them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args, get_origin, get_type_hints

from torch import nn

from neocog.errors import UsageError, did_you_mean, printable
from neocog.fields import short_repr
from neocog.keywords import known_keywords
from neocog.layers.blocks import PADDINGS
from neocog.layers.downsample import DOWNSAMPLINGS
from neocog.networks.alexnet import alexnet
from neocog.networks.convnet import convnet
from neocog.networks.convnext import convnext
from neocog.networks.dense import dense
from neocog.networks.efficientnet_lite import efficientnet_lite
from neocog.networks.hnet import hnet
from neocog.networks.lenet5 import lenet5
from neocog.networks.lenet5_modern import lenet5_modern
from neocog.networks.mobilenet import mobilenet
from neocog.networks.resnet import resnet
from neocog.networks.resnet_cifar import resnet_cifar
from neocog.networks.vgg import vgg
from neocog.store.foreign import LIBRARIES, make

__all__ = ["NETWORKS", "SMALLEST", "Option", "build", "is_of_library", "schema", "unknown_option"]

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "convnet": convnet,
    "dense": dense,
    "lenet5": lenet5,
    "lenet5_modern": lenet5_modern,
    "alexnet": partial(alexnet, form="single"),
    "alexnet_2012": partial(alexnet, form="towers"),
    "vgg11": partial(vgg, depth=11, batch_norm=False),
    "vgg13": partial(vgg, depth=13, batch_norm=False),
    "vgg16": partial(vgg, depth=16, batch_norm=False),
    "vgg19": partial(vgg, depth=19, batch_norm=False),
    "vgg11_bn": partial(vgg, depth=11, batch_norm=True),
    "vgg13_bn": partial(vgg, depth=13, batch_norm=True),
    "vgg16_bn": partial(vgg, depth=16, batch_norm=True),
    "vgg19_bn": partial(vgg, depth=19, batch_norm=True),
    "resnet20": partial(resnet_cifar, depth=20),
    "resnet32": partial(resnet_cifar, depth=32),
    "resnet44": partial(resnet_cifar, depth=44),
    "resnet56": partial(resnet_cifar, depth=56),
    "resnet18": partial(resnet, depth=18),
    "resnet34": partial(resnet, depth=34),
    "resnet50": partial(resnet, depth=50),
    "resnet101": partial(resnet, depth=101),
    "resnet152": partial(resnet, depth=152),
    "mobilenet_v1": partial(mobilenet, version=1),
    "mobilenet_v2": partial(mobilenet, version=2),
    "convnext_atto": partial(convnext, member="atto"),
    "convnext_femto": partial(convnext, member="femto"),
    "convnext_pico": partial(convnext, member="pico"),
    "convnext_nano": partial(convnext, member="nano"),
    "convnext_tiny": partial(convnext, member="tiny"),
    "convnext_small": partial(convnext, member="small"),
    "efficientnet_lite0": partial(efficientnet_lite, member=0),
    "efficientnet_lite1": partial(efficientnet_lite, member=1),
    "efficientnet_lite2": partial(efficientnet_lite, member=2),
    "efficientnet_lite3": partial(efficientnet_lite, member=3),
    "efficientnet_lite4": partial(efficientnet_lite, member=4),
    "hnet": hnet,
}
"""Name to builder. What a `partial` has bound is fixed by the name and no option."""

SMALLEST = 24
"""Pixels per side that every network can be built for."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option of one network.

    Args:
        name: as in a recipe.
        kind: what it takes: "int", "float", "bool", "str" or "ints" (several integers).
        default: what stands where it is not given.
        choices: the values that are possible; empty where all of that kind are.
    """

    name: str
    kind: str
    default: object
    choices: tuple[str, ...] = ()


def schema(name: str) -> list[Option]:
    """The options of a network, read off its builder's signature; none for one of a library.

    Raises:
        UsageError: no such network.

    Example:
        >>> [(o.name, o.kind, o.default) for o in schema("dense")][-2:]
        [('hidden', 'ints', (256,)), ('dropout', 'float', 0.0)]
    """
    if is_of_library(name):
        return []
    builder = _builder(name)
    function, bound = (
        (builder.func, builder.keywords) if isinstance(builder, partial) else (builder, {})
    )
    hints = get_type_hints(function)
    return [
        _option(p.name, hints[p.name], p.default)
        for p in inspect.signature(function).parameters.values()
        if p.name not in bound and p.name not in ("num_classes", "in_channels", "size")
    ]


@known_keywords
def build(
    name: str,
    *,
    num_classes: int,
    in_channels: int,
    size: tuple[int, int],
    options: Mapping[str, object] | None = None,
) -> nn.Module:
    """A network with random weights, from PyTorch's global generator.

    Args:
        name: one of `NETWORKS`; or `timm:NAME`, `torchvision:NAME` where the library is installed.
        num_classes: outputs.
        in_channels: 1 for gray, 3 for color.
        size: (H, W) of the images, each at least `SMALLEST`.
        options: of `schema(name)`; lists of numbers may come for tuples.

    Returns:
        A module from normalized pixels (B, C, H, W) to logits (B, K).

    Raises:
        UsageError: no such network or option, or a value of another kind.
        ModelError: a library is missing, or cannot build its network.

    Example:
        >>> net = build("resnet20", num_classes=10, in_channels=3, size=(32, 32))
        >>> build("resnet20", num_classes=10, in_channels=3, size=(32, 32), options={"widht": 8})
        Traceback (most recent call last):
        neocog.errors.UsageError: `widht` is not an option of resnet20. Did you mean `width`?
    """
    known = {o.name: o for o in schema(name)}
    if num_classes < 1 or in_channels < 1 or min(size) < SMALLEST:
        raise UsageError(
            f"A network needs at least one class, one channel and {SMALLEST} pixels per side; "
            f"got {num_classes} classes, {in_channels} channels, {size[0]}×{size[1]} pixels. "
            "Enlarge the images with `--size`."
        )
    values = {}
    for key, value in (options or {}).items():
        if key not in known:
            raise unknown_option(name, key)
        values[key] = _checked(name, known[key], value)
    if is_of_library(name):
        return _of_library(name, num_classes=num_classes, in_channels=in_channels)
    return NETWORKS[name](num_classes=num_classes, in_channels=in_channels, size=size, **values)


def unknown_option(name: str, key: str) -> UsageError:
    """That a network has no such option, with the nearest one, or the networks that have it.

    Example:
        >>> print(unknown_option("dense", "symmetry"))
        `symmetry` is not an option of dense. Networks that have it: convnet, lenet5_modern, vgg11,
        vgg13, vgg16, vgg19, vgg11_bn, vgg13_bn, vgg16_bn, vgg19_bn, resnet20, resnet32, resnet44,
        resnet56, resnet18, resnet34, resnet50, resnet101, resnet152. Try `--model convnet`.
    """
    message = f"`{printable(key[:60])}` is not an option of {name}. "
    if key in ("symmetry", "equal"):
        those = [n for n in NETWORKS if key in {o.name for o in schema(n)}]
        return UsageError(
            f"{message}Networks that have it: {', '.join(those)}. Try `--model {those[0]}`."
        )
    return UsageError(message + did_you_mean(key[:60], {o.name: o for o in schema(name)}))


def is_of_library(name: str) -> bool:
    """Whether a name is LIBRARY:NAME of a library whose networks are taken by name.

    Example:
        >>> is_of_library("timm:resnet18"), is_of_library("resnet18"), is_of_library("os:system")
        (True, False, False)
    """
    library, _, own = name.partition(":")
    return library in LIBRARIES and bool(own)


def _of_library(name: str, *, num_classes: int, in_channels: int) -> nn.Module:
    """With random weights, which are loaded behind it."""
    if in_channels != 3:
        raise UsageError(
            f"A library model takes color images, 3 channels; got {in_channels} for "
            f"`{printable(name[:60])}`. Convert them: `--set data.channels=3`."
        )
    return make(name, num_classes=num_classes, init="none", values=False).network


def _builder(name: str) -> Callable[..., nn.Module]:
    if name not in NETWORKS:
        raise UsageError(
            f"`{printable(name[:60])}` is not a network. {did_you_mean(name[:60], NETWORKS)}"
        )
    return NETWORKS[name]


def _option(name: str, hint: Any, default: object) -> Option:
    tables = {"downsampling": tuple(DOWNSAMPLINGS), "padding": tuple(PADDINGS)}
    if name in tables:
        return Option(name=name, kind="str", default=default, choices=tables[name])
    if get_origin(hint) is Literal:
        return Option(name=name, kind="str", default=default, choices=get_args(hint))
    kind = "ints" if get_origin(hint) is tuple else hint.__name__
    return Option(name=name, kind=kind, default=default)


def _checked(network: str, option: Option, value: object) -> object:
    """The value, brought to the option's kind where nothing is lost by it."""
    if option.kind == "ints" and isinstance(value, (list, tuple)):
        if all(type(v) is int for v in value):
            return tuple(value)
    elif option.kind == "float" and type(value) in (int, float):
        return float(value)  # type: ignore[arg-type]
    elif type(value).__name__ == option.kind:
        if option.choices and value not in option.choices:
            near = did_you_mean(str(value)[:60], option.choices)
            raise UsageError(
                f"`{printable(str(value)[:60])}` is not a {option.name} of {network}. {near}"
            )
        return value
    words = {"ints": "a list of integers", "int": "an integer", "float": "a number"}
    raise UsageError(
        f"The option `{option.name}` of {network} takes "
        f"{words.get(option.kind, 'true or false' if option.kind == 'bool' else 'a string')}; "
        f"got {short_repr(value)}. Its default is {option.default!r}."
    )
