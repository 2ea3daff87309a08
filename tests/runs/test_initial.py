"""Weights that a training starts from, of every kind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import neocog
from neocog.errors import ModelError, UsageError
from neocog.networks.catalog import build
from neocog.networks.pretrained import load_pretrained
from neocog.runs.initial import initial_weights, network_of
from neocog.runs.recipe import ModelConfig, Recipe
from neocog.runs.start import Start

TIMM = """
import torch
from torch import nn
from neocog.networks.catalog import build

def list_models(): return ["mobilenetv2_100", "tiny", "gone"]
def is_model_pretrained(name): return True

def create_model(name, *, pretrained, num_classes=10):
    torch.manual_seed(7)
    if name == "gone" and pretrained:
        raise OSError("no network")
    if name in ("tiny", "gone"):
        net = nn.Sequential(nn.Conv2d(3, 3, 7, 7), nn.Flatten(), nn.Linear(48, num_classes))
    else:
        how = {"in_channels": 3, "size": (96, 96), "options": {"stem": "published"}}
        net = build("mobilenet_v2", num_classes=num_classes, **how)
    net.num_classes = num_classes
    net.pretrained_cfg = {"input_size": (3, 96, 96), "mean": (0.4,) * 3, "std": (0.2,) * 3}
    return net
"""


@pytest.fixture
def timm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library of that name."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "timm.py").write_text(TIMM)
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def filled(model: ModelConfig, network: torch.nn.Module) -> tuple[Start, list[str]]:
    start = Start.of(model, needed=True)
    assert start is not None
    recipe, notes = start.fill(network, Recipe(model=model), resume=False)
    assert recipe.model.init_digest == start.digest != ""
    return start, notes


def test_imagenet_stands_for_the_weights_of_the_network_that_is_trained() -> None:
    model = ModelConfig(name="efficientnet_lite1", init="imagenet")
    net = build(model.name, num_classes=5, in_channels=3, size=(96, 96))
    start, notes = filled(model, net)
    assert start.external
    assert start.input is not None
    assert start.input.size == (240, 240)
    assert notes[0] == "320 of 322 tensors are from the ImageNet-1k weights of efficientnet_lite1."
    assert notes[1].startswith("The head of 1,000 classes is replaced by one of 5")
    whole = load_pretrained("efficientnet_lite1").network
    assert torch.equal(net.conv_head.weight, whole.conv_head.weight)
    learned = {"downsampling": "learned_polyphase"}
    model = ModelConfig(name=model.name, init="imagenet", options=learned)
    net = build(model.name, num_classes=5, in_channels=3, size=(96, 96), options=learned)
    _, notes = filled(model, net)
    assert notes[0].startswith("320 of 337 tensors are from")
    assert torch.equal(net.conv_head.weight, whole.conv_head.weight)
    with pytest.raises(UsageError, match=r"`resnet18` has none\. Take --model efficientnet_lite1"):
        Start.of(ModelConfig(name="resnet18", init="imagenet"), needed=True)
    with pytest.raises(ModelError, match=r"`nothing` does not exist\. Check the path\.$"):
        Start.of(ModelConfig(init="nothing"), needed=True)


def test_a_network_of_a_library_is_the_same_one_of_ours(timm: None) -> None:
    model = network_of("timm:mobilenetv2_100")
    assert model is not None
    assert (model.name, model.options) == ("mobilenet_v2", {"stem": "published"})
    net = build(model.name, num_classes=5, in_channels=3, size=(96, 96), options=model.options)
    start, notes = filled(model, net)
    assert start.input is not None
    assert (start.input.mean, start.input.size) == ((0.4,) * 3, (96, 96))
    assert "The head of 10 classes is replaced by one of 5" in " ".join(notes)
    assert start.digest == initial_weights("timm:mobilenetv2_100", model.name).digest
    with pytest.raises(ModelError, match=r"not available here: OSError.*Name a file"):
        initial_weights("timm:gone", "timm:gone")


def test_a_network_that_only_a_library_has_is_trained_and_opened_again(
    timm: None, images: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    model = network_of("timm:tiny")
    assert model is not None
    assert model.name == "timm:tiny"
    settings = {"model.init": model.init, "data.channels": 3}
    trained = neocog.train(
        images, model=model.name, settings=quick | settings, epochs=1, out=tmp_path / "run",
        progress=False,
    )  # fmt: skip
    assert trained.card["network"]["name"] == "timm:tiny"
    x = torch.rand(2, *trained.spec.input.shape)
    with torch.no_grad():
        assert torch.equal(neocog.load(tmp_path / "run").module(x), trained.module(x))
    with pytest.raises(UsageError, match=r"takes color images, 3 channels; got 1"):
        build("timm:tiny", num_classes=2, in_channels=1, size=(28, 28))


def test_a_state_dict_of_torch_is_taken_and_a_file_of_nothing_is_refused(tmp_path: Path) -> None:
    model = ModelConfig(name="dense", init=str(tmp_path / "old.pth"))
    old = build("dense", num_classes=7, in_channels=1, size=(28, 28)).state_dict()
    torch.save({"state_dict": {f"module.{k}": v for k, v in old.items()}}, model.init)
    net = build("dense", num_classes=2, in_channels=1, size=(28, 28))
    start, notes = filled(model, net)
    assert not start.external
    assert start.input is None
    assert "The head of 7 classes is replaced by one of 2" in " ".join(notes)
    with pytest.raises(ModelError, match=r"--init takes a run folder, a file of weights, imagenet"):
        Start.of(ModelConfig(name="dense", init=str(tmp_path / "none.pth")), needed=True)


def test_where_the_network_of_weights_is_known_it_is_named(timm: None, tmp_path: Path) -> None:
    assert network_of("imagenet").name == network_of("efficientnet_lite1").name
    assert network_of("torchvision:resnet50").name == "resnet50"
    assert network_of("torchvision:densenet121").name == "torchvision:densenet121"
    assert network_of(str(tmp_path / "weights.pth")) is None
