"""Of a transformer the units are features, whatever the order of the axes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.explainers.nets import Vit, drawn
from torch import Tensor, nn

from neocog.data.samples import Samples
from neocog.errors import UsageError
from neocog.explainers.activation_maximization import AscentConfig, maximize_activation
from neocog.explainers.feature_maps import feature_maps
from neocog.explainers.largest import largest_on
from neocog.explainers.target import choose_layer
from neocog.explainers.top_activations import top_patches
from neocog.explainers.units import layout_for, output_of
from neocog.graph.activations import differentiable

PATCH = 4


class Last(nn.Module):
    """Channels last in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 24, PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(24)
        self.head = nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(x).permute(0, 2, 3, 1)).mean((1, 2)))


class Second(nn.Module):
    """The batch is the second axis, as in transformers for sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 24, PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(24)
        self.head = nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(x).flatten(2).permute(2, 0, 1)).mean(0))


def true_maps(net: nn.Module, x: Tensor) -> Tensor:
    """What `norm` puts out, (B, 24, 4, 4), by hand."""
    kept = []
    handle = net.norm.register_forward_hook(lambda m, args, out: kept.append(out.detach()))
    net.eval()(x)
    handle.remove()
    out = kept[0]
    if isinstance(net, Second):
        out = out.transpose(0, 1)
    elif isinstance(net, Vit):
        out = out[:, out.shape[1] - 16 :]
    return out.reshape(len(x), 4, 4, 24).permute(0, 3, 1, 2)


NETS = {
    "class token": lambda: Vit(width=24),
    "no class token": lambda: Vit(width=24, token=False),
    "channels last": Last,
    "batch second": Second,
}


@pytest.fixture(params=NETS)
def net(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return NETS[request.param]()


def test_patches_are_those_of_features(net: nn.Module) -> None:
    x = drawn(6, 3, 16, 16)
    maps = true_maps(net, x).flatten(2)
    found = top_patches(net, Samples.of(x), "norm", k=2, batch=4)
    assert found.units.tolist() == list(range(24))
    assert found.position.shape == (24, 2, 2)
    most, place = maps.max(2)
    # Other batches, other order of sums.
    assert np.abs(found.scores[:, 0] - most.amax(0).numpy()).max() < 1e-5
    assert found.index[:, 0].tolist() == most.argmax(0).tolist()
    flat = found.position[:, 0] @ [4, 1]
    assert flat.tolist() == [int(place[i, u]) for u, i in enumerate(found.index[:, 0])]


def test_the_largest_on_data_and_the_raised_are_features(net: nn.Module) -> None:
    x = drawn(6, 3, 16, 16)
    maps = true_maps(net, x)
    most = largest_on(net, Samples.of(x), "norm", [3, 23])
    assert np.abs(most.values - maps.mean((2, 3)).amax(0)[[3, 23]].numpy()).max() < 1e-5
    raised = maximize_activation(
        net, "norm", [3, 23], size=(16, 16), in_channels=3, config=AscentConfig(steps=4)
    )
    own = true_maps(net, torch.from_numpy(raised.images)).mean((2, 3))
    assert np.abs(raised.activations - own[[0, 1], [3, 23]].numpy()).max() < 1e-5
    with pytest.raises(UsageError, match="the units 0 to 23"):
        maximize_activation(net, "norm", 24, size=(16, 16), in_channels=3)


def test_feature_maps_are_a_map_a_feature(net: nn.Module) -> None:
    x = drawn(1, 3, 16, 16)
    named = feature_maps(net, x, layers=["norm"])[0]
    assert np.abs(named.maps - true_maps(net, x)[0].numpy()).max() < 1e-5
    (among,) = [f for f in feature_maps(net, x) if f.layer == "norm"]
    assert np.array_equal(among.maps, named.maps)


def test_vectors_and_maps_of_convolutions_stay_as_they_are() -> None:
    net, x = Last(), drawn(2, 3, 16, 16)
    assert layout_for(net, net, "conv", x) is None
    assert layout_for(net, net, "head", x) is None
    assert layout_for(net, net, "", x) is None


def test_feature_maps_of_norms_with_about_as_many_features_as_rows() -> None:
    torch.manual_seed(0)
    norm, x = nn.LayerNorm(12), drawn(1, 12, 8, 8)

    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = norm

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(x.permute(0, 2, 3, 1)).mean((1, 2))

    (found,) = feature_maps(Turned(), x, layers=["norm"])
    wanted = norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)[0].detach()
    assert np.array_equal(found.maps, wanted.numpy())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_layers_are_chosen_and_read_in_the_type_of_the_network(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    net, x = Last().to(dtype), drawn(2, 3, 16, 16)
    with differentiable(net) as run:
        assert choose_layer(run, net, x).name == "norm"
    with torch.no_grad():
        assert output_of(net, net, "conv", x).dtype == dtype
    assert torch.equal(x, drawn(2, 3, 16, 16))
