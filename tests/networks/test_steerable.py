"""Networks by one option: exact under quarter turns, before and after training, and plain again."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from tests.layers.turning import error, maps
from torch import nn

from neocog.errors import UsageError
from neocog.graph.alignment import QUARTER_TURN, alignment
from neocog.layers.plain import to_plain
from neocog.networks.catalog import build
from neocog.networks.steerable import Symmetry
from neocog.symmetry.fields import irrep_field, regular_field, trivial_field
from neocog.symmetry.groups import group_of

NAMES = get_args(Symmetry)[1:]

CASES: dict[str, tuple[str, dict[str, object], int]] = {
    "convnet": ("convnet", {"widths": (16, 24, 32), "depths": (1, 1, 2)}, 28),
    "convnet-odd": ("convnet", {"widths": (16, 24), "depths": (2, 1), "stem": "full"}, 25),
    "convnet-blur": ("convnet", {"widths": (16, 24, 32), "downsampling": "blur"}, 30),
    "lenet": ("lenet5_modern", {}, 28),
    "lenet-mean": ("lenet5_modern", {"head": "mean", "pool": "average"}, 29),
    "vgg": ("vgg11_bn", {"hidden": 16, "pool": "average"}, 24),
    "resnet20": ("resnet20", {"width": 8}, 32),
    "resnet20-blur": ("resnet20", {"width": 8, "downsampling": "blur", "shortcut": "B"}, 26),
}


def net(case: str, symmetry: str, **more: object) -> nn.Module:
    name, options, size = CASES[case]
    torch.manual_seed(0)
    options = {"symmetry": symmetry, **options, **more}
    return build(name, num_classes=5, in_channels=2, size=(size, size), options=options)


def turn_error(network: nn.Module, case: str, symmetry: str, dtype: torch.dtype) -> float:
    group = group_of(symmetry)
    # What the group holds: scalars alone would be asked for mirror images, too.
    probe = irrep_field(group, {1: 1}) if group.continuous else regular_field(group, 1)
    x = maps(trivial_field(group, 2), CASES[case][2]).to(dtype)
    image, out = trivial_field(group, 2), trivial_field(group, 5)
    return error(network.to(dtype), x, image, out, of=probe)


def trained(network: nn.Module, size: int) -> nn.Module:
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    for _ in range(2):
        x = torch.rand(4, 2, size, size, generator=generator)
        loss = nn.functional.cross_entropy(network(x), torch.arange(4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


@pytest.mark.parametrize(
    ("case", "symmetry"),
    [
        *(("convnet", name) for name in NAMES),
        ("convnet-odd", "d4"),
        ("convnet-blur", "c8"),
        ("lenet", "c4"),
        ("lenet", "so2"),
        ("lenet-mean", "d4"),
        ("vgg", "c8"),
        ("resnet20", "c4"),
        ("resnet20", "o2"),
        ("resnet20-blur", "d4"),
    ],
)
def test_E6_networks_are_exact_under_quarter_turns_before_and_after_training(
    case: str, symmetry: str
) -> None:
    network, size = net(case, symmetry), CASES[case][2]
    assert turn_error(network.eval(), case, symmetry, torch.float64) < 1e-10
    trained(network.float().train(), size)
    assert turn_error(network.eval(), case, symmetry, torch.float32) < 1e-5
    assert turn_error(network, case, symmetry, torch.float64) < 1e-10
    network = network.float()
    x = torch.rand(3, 2, size, size)
    plain = to_plain(network, x)
    torch.testing.assert_close(plain(x), network(x), rtol=1e-4, atol=1e-5)
    kinds = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)
    assert all(isinstance(m, kinds) for m in plain.modules() if m._parameters)
    names = list(network.state_dict())
    assert names == list(network.train().state_dict())


@pytest.mark.parametrize("size", [24, 27, 28, 33])
def test_the_geometry_is_no_obstacle_at_any_size(size: int) -> None:
    network = build(
        "convnet",
        num_classes=2,
        in_channels=1,
        size=(size, size),
        options={"symmetry": "c4", "widths": (4, 8, 8), "depths": (1, 1, 1)},
    )
    result = alignment(network.eval(), (1, size, size))
    assert result.aligned(QUARTER_TURN)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("symmetry", NAMES)
def test_a_network_has_the_width_or_the_parameters_of_the_plain_one(symmetry: str) -> None:
    with torch.device("meta"):
        plain = build("convnet", num_classes=10, in_channels=1, size=(28, 28))
        options = {"symmetry": symmetry}
        wide, equal = (
            build(
                "convnet",
                num_classes=10,
                in_channels=1,
                size=(28, 28),
                options={**options, "equal": how},
            )
            for how in ("width", "parameters")
        )
    assert abs(count(equal) / count(plain) - 1) < 0.02
    assert count(wide) < 0.3 * count(plain)
    for one, other in zip(wide.stages[:-1], plain.stages[:-1], strict=True):
        assert abs(one.channels / other.channels - 1) < 0.05
        assert one.stride == other.stride


@pytest.mark.parametrize("case", ["convnet", "resnet20"])
def test_A6_E6_circular_shifts_quarter_turns_and_mirror_images_are_exact_together(
    case: str,
) -> None:
    size = 32
    name, options, _ = CASES[case]
    network = build(
        name,
        num_classes=5,
        in_channels=1,
        size=(size, size),
        options={
            **options,
            "symmetry": "d4",
            "downsampling": "polyphase",
            "padding": "circular",
        },
    )
    network = network.double().eval()
    x = torch.rand(1, 1, size, size, dtype=torch.float64)
    with torch.no_grad():
        still = network(x)
        for offset in ((1, 0), (3, -5)):
            for quarters in (0, 1):
                moved = torch.rot90(x.flip(3), quarters, (2, 3)).roll(offset, (2, 3))
                assert (network(moved) - still).norm() / still.norm() < 1e-10


def test_what_cannot_be_kept_is_refused_with_what_can() -> None:
    how = {"num_classes": 2, "in_channels": 1, "size": (28, 28)}
    with pytest.raises(UsageError, match="downsampling `ideal` cannot"):
        build("convnet", options={"symmetry": "c8", "downsampling": "ideal"}, **how)
    with pytest.raises(UsageError, match="is max or average; got `conv`"):
        build("convnet", options={"symmetry": "c8", "pool": "conv"}, **how)
    with pytest.raises(UsageError, match=r"`published` sees positions, .* Take head=mean"):
        build("vgg11", options={"symmetry": "c8", "head": "published"}, **how)
    with pytest.raises(UsageError, match="`c5` is not a symmetry of convnet"):
        build("convnet", options={"symmetry": "c5"}, **how)
    wide = {**how, "size": (28, 31)}
    with pytest.raises(UsageError, match=r"has 28×31 samples\. Take square images, --size 31,31"):
        build("convnet", options={"symmetry": "c8"}, **wide)
    with pytest.raises(UsageError, match="keeps quarter turns of a square one; this map has 5×7"):
        build("lenet5_modern", options={"symmetry": "c8"}, **{**how, "size": (28, 36)})
    with pytest.raises(
        UsageError, match=r"even height and width; got 15×15\. Take square images of 32"
    ):
        build(
            "convnet",
            options={"symmetry": "c4", "downsampling": "polyphase"},
            **{**how, "size": (30, 30)},
        )
