from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from neocog.errors import ModelError, ShapeMismatch
from neocog.explainers.feature_maps import FeatureMaps, feature_maps, sections
from neocog.networks.catalog import build
from neocog.render.page import page


def test_G2_maps_by_hand() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 2, bias=False), nn.ReLU(inplace=True), nn.Flatten())
    with torch.no_grad():
        net[0].weight[0, 0] = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
        net[0].weight[1, 0] = -1
    x = torch.arange(9.0).view(1, 3, 3)
    found = {f.layer: f for f in feature_maps(net, x)}
    assert list(found) == ["0", "1"]
    assert found["0"].maps.tolist() == [[[19, 25], [37, 43]], [[-8, -12], [-20, -24]]]
    assert found["1"].maps[1].tolist() == [[0, 0], [0, 0]]  # and the record above is of before it
    assert np.array_equal(found["0"].image, x.numpy())


def test_G2_any_layer_for_any_image_and_the_network_as_it_was() -> None:
    torch.manual_seed(0)
    net = build("resnet20", num_classes=10, in_channels=3, size=(32, 32)).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    found = feature_maps(net, torch.rand(1, 3, 32, 32))
    assert len(found) > 20
    assert {f.maps.shape[1:] for f in found} >= {(32, 32), (16, 16), (8, 8)}
    assert net.training
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert not any(m._forward_hooks for m in net.modules())
    (stage,) = feature_maps(net, torch.rand(3, 32, 32), layers=[found[3].layer])
    assert stage.layer == found[3].layer


def test_dark_is_zero_not_the_smallest_value() -> None:
    maps = np.array([[[1.0, 2.0]], [[0.0, 2.0]]])
    found = FeatureMaps(layer="a", kind="ReLU", maps=maps, image=np.zeros((1, 1, 2)))
    one, two = (p.astype(int).sum(2)[0] for p in found.images())
    assert one[1] == two[1] > one[0] > two[0]
    both = FeatureMaps(layer="a", kind="Conv2d", maps=maps - 1, image=np.zeros((1, 1, 2)))
    assert both.images()[0][0, 0].tolist() == [243, 242, 239]  # zero is nearly white


def test_series_and_drawing() -> None:
    net = nn.Sequential(nn.Conv1d(2, 5, 3), nn.ReLU(), nn.Conv1d(5, 2, 3))
    found = feature_maps(net, torch.rand(2, 30))
    assert [f.maps.shape for f in found] == [(5, 28), (5, 28), (2, 26)]
    page("Maps", sections(found))
    net = nn.Sequential(nn.Conv2d(3, 70, 3), nn.ReLU())
    nn.init.constant_(net[0].weight[3], 0.0)
    nn.init.constant_(net[0].bias, 0.0)
    shown = sections(feature_maps(net, torch.rand(3, 9, 9)))
    html = page("Maps", shown)
    assert "Network input" in html
    assert "The first 64 are shown" in html
    assert "zero everywhere" in html
    json.dumps([f.to_json() for f in found], allow_nan=False)


def test_wrong_use() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 2))
    x = torch.rand(1, 1, 8, 8)
    with pytest.raises(ModelError, match="is none"):
        feature_maps(net, x, layers=["conv"])
    with pytest.raises(ShapeMismatch, match=r"`2` outputs \(1, 2\)"):
        feature_maps(net, x, layers=["2"])
    with pytest.raises(ShapeMismatch, match=r"a single sample.*got \(2, 1, 8, 8\)"):
        feature_maps(net, x.repeat(2, 1, 1, 1))
    with pytest.raises(ModelError, match="`Sequential` has none"):
        feature_maps(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), x)
