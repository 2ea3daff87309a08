"""Fields of a network that is named, and their figures in one line."""

import torch

from neocog.graph.receptive_field import Field, ReceptiveField, receptive_field
from neocog.networks.catalog import build


def fields_of(
    name: str, size: tuple[int, int, int], options: dict[str, object] | None = None
) -> ReceptiveField:
    """Of a network of the catalog, without weights."""
    with torch.device("meta"):
        network = build(
            name, num_classes=10, in_channels=size[0], size=size[1:], options=options or {}
        )
    return receptive_field(network, size)


def figures(f: Field) -> tuple[object, ...]:
    """Size, jump and start, the same along both axes."""
    assert f.receptive_field is not None
    assert f.receptive_field[0] == f.receptive_field[1]
    return f.receptive_field[0], f.jump[0], f.start[0]
