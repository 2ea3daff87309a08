"""Whoever looks inside leaves the network as it was, also when it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neocog.data.samples import Samples
from neocog.errors import DataError
from neocog.explainers.activation_maximization import AscentConfig, maximize_activation
from neocog.explainers.feature_maps import feature_maps
from neocog.explainers.features import features_of
from neocog.explainers.filters import filters
from neocog.explainers.largest import largest_on
from neocog.explainers.top_activations import PatchGeometry, top_patches
from neocog.lectures.backward import backward
from neocog.lectures.classic_filters import classic

SIZE = (12, 12)


class Net(nn.Module):
    """With everything that can be disturbed; fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.drop = nn.Dropout(0.5)
        self.act = nn.ReLU(inplace=True)
        self.out = nn.Linear(3, 2)
        self.fails = False

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm(self.conv(x)))
        if self.fails:
            raise RuntimeError("told to")
        return self.out(self.drop(x.mean((2, 3))))


def drawn(n: int = 4) -> Tensor:
    return torch.rand(n, 1, *SIZE, generator=torch.Generator().manual_seed(0))


LOOKS: dict[str, Callable[[nn.Module], Any]] = {
    "filters": lambda net: filters(net, example=drawn()),
    "feature maps": lambda net: feature_maps(net, drawn(1)),
    "backward": lambda net: backward(net, "conv", drawn()),
    "patches": lambda net: top_patches(net, Samples.of(drawn()), "act"),
    "largest": lambda net: largest_on(net, Samples.of(drawn()), "", [0, 1]),
    "maximize": lambda net: maximize_activation(
        net, "act", 1, size=SIZE, in_channels=1, config=AscentConfig(steps=3, views=1)
    ),
    "features": lambda net: features_of(net, "act", PatchGeometry((3, 3), (1, 1), (0, 0))).run(
        drawn(1)
    ),
    "no features": lambda net: features_of(net, "out", PatchGeometry((3, 3), (1, 1), (0, 0))).run(
        drawn(1)
    ),
}


def prepared() -> Net:
    torch.manual_seed(0)
    net = Net().train()
    net.norm.eval()
    net.out.bias.requires_grad_(False)
    net(drawn()).sum().backward()
    net.conv.register_forward_hook(lambda m, args, out: None)
    return net


def state(net: nn.Module) -> dict[str, Any]:
    return {
        "modes": [m.training for m in net.modules()],
        "values": {k: v.clone() for k, v in net.state_dict().items()},
        "takes": [p.requires_grad for p in net.parameters()],
        "gradients": [None if p.grad is None else p.grad.clone() for p in net.parameters()],
        "hooks": [
            len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks)
            for m in net.modules()
        ],
        "random": torch.get_rng_state(),
    }


@pytest.mark.parametrize("fails", [False, True], ids=["it works", "it fails"])
@pytest.mark.parametrize("look", LOOKS)
def test_the_network_is_left_as_it_was(look: str, fails: bool) -> None:
    net = prepared()
    net.fails = fails
    before = state(net)
    fails &= look != "features"  # which look no further than their layer
    if fails or look == "no features":  # whose layer has no map
        with pytest.raises((RuntimeError, Exception), match=r"told to|Features are a map"):
            LOOKS[look](net)
    else:
        LOOKS[look](net)
    after = state(net)
    assert after["modes"] == before["modes"]
    assert after["takes"] == before["takes"]
    assert after["hooks"] == before["hooks"]
    assert torch.equal(after["random"], before["random"])
    assert all(torch.equal(v, before["values"][k]) for k, v in after["values"].items())
    for one, two in zip(after["gradients"], before["gradients"], strict=True):
        assert (one is None and two is None) or torch.equal(one, two)


@pytest.mark.parametrize("look", [name for name in LOOKS if "features" not in name])
def test_same_call_same_bits(look: str) -> None:
    one, two = LOOKS[look](prepared()), LOOKS[look](prepared())
    if isinstance(one, tuple):
        one, two = one[0], two[0]
    for name in vars(one):
        a, b = getattr(one, name), getattr(two, name)
        assert (a == b).all() if hasattr(a, "all") else a == b, name


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("look", [name for name in LOOKS if name != "no features"])
def test_networks_of_any_precision_are_looked_into(look: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    one, other = LOOKS[look](Net()), LOOKS[look](prepared_in(dtype))
    if isinstance(one, tuple):
        one, other = one[0], other[0]
    if isinstance(one, Tensor):
        one, other = [one.numpy()], [other.float().numpy()]
    else:
        one, other = (
            [v for v in vars(r).values() if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
            for r in (one, other)
        )
    # bfloat16 keeps 8 bits, of each of some sums in a row.
    near = 1e-4 if dtype == torch.float64 else 0.1
    for a, b in zip(one, other, strict=True):
        assert np.abs(a - b).max() <= near * max(1.0, np.abs(a).max())


def prepared_in(dtype: torch.dtype) -> Net:
    torch.manual_seed(0)
    return Net().to(dtype)


class InPlace(nn.Module):
    """Normalizes what it is given in place, as strangers do."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(1, 3, 3), nn.ReLU())
        self.out = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.body(x.sub_(0.45).div_(0.2)).mean((2, 3)))


SEEN = PatchGeometry((3, 3), (1, 1), (0, 0))

READS: dict[str, Callable[[nn.Module, Tensor], Any]] = {
    "filters": lambda net, x: filters(net, example=x)[0].weights,
    "feature maps": lambda net, x: feature_maps(net, x[:1])[-1].image,
    "backward": lambda net, x: backward(net, "body.1", x).upstream,
    "patches": lambda net, x: top_patches(net, Samples.of(x), "body.1", seen=SEEN).scores,
    "largest": lambda net, x: largest_on(net, Samples.of(x), "", [0, 1]).images,
    "maximize": lambda net, x: (
        maximize_activation(
            net,
            "body.1",
            1,
            size=SIZE,
            in_channels=1,
            config=AscentConfig(steps=3, views=1),
            samples=Samples.of(x),
        ).images
    ),
    "features": lambda net, x: features_of(net, "body.1", SEEN).run(x[:1]).numpy(),
}


@pytest.mark.parametrize("read", READS)
def test_the_images_are_left_as_they_were(read: str) -> None:
    torch.manual_seed(0)
    net, x = InPlace(), drawn()
    first = READS[read](net, x)
    assert torch.equal(x, drawn())
    assert (READS[read](net, x) == first).all()
    if read in ("feature maps", "maximize"):  # what comes back as an image is one
        assert 0 <= first.min() < first.max() <= 1


@pytest.mark.parametrize(
    "look",
    [
        lambda x: feature_maps(Net(), x[:1]),
        lambda x: backward(Net(), "conv", x),
        lambda x: classic(x[0]),
    ],
    ids=["feature maps", "backward", "classic"],
)
def test_images_that_nobody_scaled_are_refused(look: Callable[[Tensor], Any]) -> None:
    with pytest.raises(DataError, match=r"in \[0, 1\]; got uint8 from 0 to 255"):
        look((drawn() * 300).clamp(0, 255).to(torch.uint8) * (drawn() > 0.02))
