"""Feature maps of windows of an image."""

from __future__ import annotations

import json

import torch
from torch import Tensor, nn

from neocog.explainers.features import features_of
from neocog.explainers.top_activations import PatchGeometry
from neocog.graph.receptive_field import receptive_field
from neocog.lectures.template_matching import search
from neocog.networks.model import SpecifiedNetwork
from neocog.render.page import page
from neocog.types import InputSpec, ModelSpec


def texture(size: int = 64, channels: int = 1) -> Tensor:
    """A smooth random image with a bright corner."""
    x = torch.rand(1, channels, size, size, generator=torch.Generator().manual_seed(3))
    x = nn.functional.avg_pool2d(x, 5, 1, 2)[0]
    x = (x - x.min()) / (x.max() - x.min()) * 0.6
    x[:, :16, :16] = 1.0
    return x


def test_features_of_a_network_that_checks_its_size() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 6, 3, padding=1),
        nn.Flatten(), nn.Linear(6 * 64, 3),
    )  # fmt: skip
    signal = InputSpec(channels=1, size=(16, 16), mean=(0.4,), std=(0.2,))
    model = SpecifiedNetwork(
        network, ModelSpec(task="classify", classes=("a", "b", "c"), input=signal)
    )
    model.train()
    f = receptive_field(model, (1, 16, 16)).of("network.3")
    features = features_of(model, "network.3", PatchGeometry(f.receptive_field, f.jump, f.start))
    x = texture()
    with torch.no_grad():
        torch.testing.assert_close(features.run(x[None]), network[:4]((x[None] - 0.4) / 0.2))
    scores, step, first = features.match(x, x[:, 30:46, 20:40])
    assert step == (2, 2)
    at = divmod(int(scores.argmax()), scores.shape[1])
    assert abs(first[0] + 2 * at[0] - 30) <= 2
    assert abs(first[1] + 2 * at[1] - 20) <= 2
    assert model.training
    assert not any(m._forward_hooks for m in model.modules())
    found = search(x, (30, 46, 20, 40), features=features, changes=["as it is", "less contrast"])
    assert [r.correct for r in found.of("features")] == [True, True]
    html = page("Templates", found.sections())
    assert "normalized, of features 2 of 2" in html
    json.dumps(found.to_json(), allow_nan=False)


def test_a_map_that_begins_before_the_image_is_read_from_its_start() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 12, 3, stride=4, padding=3))
    features = features_of(net, "0", PatchGeometry((3, 3), (4, 4), (-3, -3)))
    x = texture()
    scores, step, first = features.match(x, x[:, 28:48, 16:40])
    at = divmod(int(scores.argmax()), scores.shape[1])
    assert (first[0] + step[0] * at[0], first[1] + step[1] * at[1]) == (28, 16)
    assert float(scores.max()) > 0.99  # but for the border, the same elements
