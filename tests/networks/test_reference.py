"""The page on networks says what the code does."""

import re
from pathlib import Path

import torch

from neocog.layers.blocks import PADDINGS
from neocog.layers.downsample import DOWNSAMPLINGS, POOLS
from neocog.networks.catalog import NETWORKS, build, schema

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "networks.md"


def test_the_page_lists_every_network_with_its_parameters_and_options() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| ?(.*?) ?\| (.*) \|$", PAGE.read_text(), re.M)
    assert [row[0] for row in rows] == list(NETWORKS)
    classes, channels, size, options = 10, 1, (28, 28), ""
    for name, params, setting, said in rows:
        if match := re.match(r"(\d+) classes, (\d)×(\d+)×(\d+)", setting):
            classes, channels = int(match[1]), int(match[2])
            size = (int(match[3]), int(match[4]))
        options = options if said == "the same" else said
        own = [o.name for o in schema(name) if o.name not in ("downsampling", "padding")]
        assert re.findall(r"`(\w+)`", options) == own, name
        with torch.device("meta"):
            network = build(name, num_classes=classes, in_channels=channels, size=size)
        assert f"{sum(p.numel() for p in network.parameters()):,}" == params, name


def test_the_page_names_every_value_that_all_networks_share() -> None:
    text = PAGE.read_text()
    assert all(f"`{word}`" in text for word in (*DOWNSAMPLINGS, *PADDINGS, *POOLS))
