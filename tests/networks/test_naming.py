"""What the same network is called elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from neocog.layers.downsample import DOWNSAMPLINGS
from neocog.networks import naming
from neocog.networks.catalog import build
from neocog.networks.efficientnet_lite import released_names
from neocog.networks.naming import renamed


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("mobilenet_v2", naming._mobilenet_of_torchvision),
        ("efficientnet_lite0", released_names),
        ("convnext_atto", naming._convnext_of_timm),
    ],
)
@pytest.mark.parametrize("downsampling", DOWNSAMPLINGS)
def test_names_elsewhere_hold_for_every_downsampling(
    name: str, scheme: Callable[[Mapping[str, Any]], dict[str, str]], downsampling: str
) -> None:
    with torch.device("meta"):
        plain, other = (
            build(name, num_classes=5, in_channels=3, size=(96, 96), options=o)
            for o in ({}, {"downsampling": downsampling})
        )
    state = plain.state_dict()
    there = {elsewhere: state[own] for elsewhere, own in scheme(state).items()}
    assert renamed(name, other, there).keys() == renamed(name, plain, there).keys()
    assert len(renamed(name, other, there).keys() & other.state_dict().keys()) == len(there)
