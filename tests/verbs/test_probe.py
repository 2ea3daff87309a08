"""Nearest neighbors and a linear classifier on frozen features."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import neocog
from neocog.data.open import open_data
from neocog.errors import DataError, ModelError
from neocog.networks.catalog import build
from neocog.networks.model import SpecifiedNetwork
from neocog.runs import features
from neocog.runs.features import backbone_of, features_of, kept_features
from neocog.types import InputSpec, ModelSpec
from neocog.verbs.probe import probe


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    """Bars across and bars down, in folders."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(("across", "down")):
        (tmp_path / name).mkdir()
        for i in range(30):
            x, at = rng.integers(0, 90, (28, 28)).astype(np.uint8), int(rng.integers(4, 20))
            x[(slice(at, at + 4), slice(None))[:: 1 - 2 * number]] = 220
            Image.fromarray(x).save(tmp_path / name / f"{i}.png")
    return tmp_path


def _model() -> neocog.models.model.Model:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2), nn.ReLU(), nn.AdaptiveMaxPool2d(4), nn.Flatten(),
        nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 7),
    )  # fmt: skip
    return neocog.load(net, size=(1, 28, 28), mean=(0.3,), std=(0.3,))


def test_the_features_are_what_the_last_linear_layer_is_given(bars: Path) -> None:
    model = _model()
    backbone = backbone_of(model.module, "net")
    assert (backbone.head, backbone.width) == ("6", 32)
    split = open_data(bars).splits["train"]
    found = torch.cat(list(features_of(backbone, split)))
    from neocog.data.batches import pixels

    with torch.no_grad():
        logits = model.module(pixels(split, slice(None)))
    assert torch.allclose(backbone.linear(found), logits, atol=1e-5)  # batches of another size


def test_features_are_kept_by_data_weights_and_spec(
    bars: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = backbone_of(_model().module, "net")
    split = open_data(bars).splits["train"]
    first = kept_features(backbone, split, data="a")
    calls: list[str] = []
    before = features.features_of

    def counted(*a: object, **k: object) -> object:
        calls.append("computed")
        return before(*a, **k)  # type: ignore[arg-type]

    monkeypatch.setattr(features, "features_of", counted)
    assert torch.equal(kept_features(backbone, split, data="a"), first)
    with torch.no_grad():
        backbone.linear.weight.add_(1.0)  # the head plays no part
    assert torch.equal(kept_features(backbone, split, data="a"), first)
    assert calls == []
    kept_features(backbone, split, data="b")
    kept_features(backbone, split, np.arange(3), data="a")
    with torch.no_grad():
        next(backbone.module.network.parameters()).add_(0.1)
    assert not torch.equal(kept_features(backbone, split, data="a"), first)
    assert len(calls) == 3


def test_a_probe_is_measured_on_samples_that_it_did_not_learn_from(bars: Path) -> None:
    found = neocog.evaluate(_model(), bars, probe=True)
    sizes = {n: len(s) for n, s in open_data(bars).splits.items()}
    assert (found.split, found.n) == ("test", sizes["test"])
    assert found.train == sizes["train"] + sizes["val"]
    assert found.linear["accuracy"] >= 0.8
    low, high = found.knn["accuracy_ci"]
    assert low <= found.knn["accuracy"] <= high
    assert set(found.to_json()) >= {"n", "train", "knn", "linear"}
    assert "linear classifier" in repr(found)
    val = probe(_model(), f"{bars}:val")  # test samples stay unseen
    assert (val.split, val.n, val.train) == ("val", sizes["val"], sizes["train"])


def test_what_cannot_be_probed_is_said(
    bars: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    flat = tmp_path_factory.mktemp("flat")
    for i, file in enumerate(sorted(bars.glob("*/*.png"))[:6]):
        (flat / f"{i}.png").write_bytes(file.read_bytes())
    with pytest.raises(DataError, match="needs labels"):
        probe(_model(), flat)
    with pytest.raises(DataError, match="name the split test or val"):
        probe(_model(), f"{bars}:train")
    convolution = nn.Sequential(nn.Conv2d(1, 3, 28), nn.Flatten())
    with pytest.raises(ModelError, match="does not end in one"):
        probe(neocog.load(convolution, size=(1, 28, 28), mean=(0.3,), std=(0.3,)), bars)


def _of_catalog(options: dict[str, object], spec: InputSpec, weights: dict) -> features.Backbone:
    network = build("lenet5_modern", num_classes=2, in_channels=1, size=(28, 28), options=options)
    network.load_state_dict(weights)
    whole = ModelSpec(task="classify", classes=("a", "b"), input=spec)
    return backbone_of(SpecifiedNetwork(network, whole).eval(), "net")


class _Scaled(nn.Module):
    """Modules and tensors of another network, and a forward pass of its own."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.head, self.factor = nn.Linear(28 * 28, 2), factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x.flatten(1) * self.factor)


def test_networks_of_equal_weights_that_differ_otherwise_share_no_features(bars: Path) -> None:
    split = open_data(bars).splits["train"].subset(np.arange(4))
    torch.manual_seed(0)
    weights = build("lenet5_modern", num_classes=2, in_channels=1, size=(28, 28)).state_dict()
    spec = InputSpec(channels=1, size=(28, 28), mean=(0.3,), std=(0.3,))
    backbones = [
        _of_catalog(options, signal, weights)
        for options, signal in (
            ({}, spec),
            ({"padding": "circular"}, spec),
            ({"downsampling": "blur"}, spec),
            ({"downsampling": "polyphase"}, spec),
            ({"padding": "circular", "downsampling": "blur"}, spec),
            ({}, replace(spec, mean=(0.4,))),
        )
    ]
    other = _of_catalog({}, spec, weights)
    other.module.network.act = nn.Tanh()
    scaled = [_Scaled(1.0), _Scaled(1.01)]
    scaled[1].load_state_dict(scaled[0].state_dict())
    whole = ModelSpec(task="classify", classes=("a", "b"), input=spec)
    backbones += [other, *(backbone_of(SpecifiedNetwork(n, whole), "net") for n in scaled)]
    for backbone in backbones:
        kept = kept_features(backbone, split, data="options")
        assert torch.equal(kept, torch.cat(list(features_of(backbone, split))))
    keys = {features._key(b, "options", np.arange(4), "cpu") for b in (*backbones, backbones[0])}
    assert len(keys) == len(backbones)


def test_the_nearest_images_of_a_probe_are_drawn_mistakes_first_when_a_page_shows_them(
    bars: Path,
) -> None:
    found = probe(_model(), str(bars))
    assert "near" not in found.to_json()
    _, section = found.sections()
    (gallery,) = section.exhibits
    captions = np.array(gallery.captions).reshape(-1, gallery.together)
    assert gallery.together == 6
    labels = {"is across", "is down"}
    assert set(captions[:, 0]) <= labels
    wrong = [row[1].startswith("✗ ") for row in captions]  # the nearest has another label
    assert wrong == sorted(wrong, reverse=True)
    similarity = [[float(c.split("\n")[1]) for c in row[1:]] for row in captions]
    assert all(row == sorted(row, reverse=True) for row in similarity)
