"""A run folder may be called what it likes; another folder is not a file of that kind, and said
so."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.store.made import network

from neocog.networks.catalog import build
from neocog.runs.folder import RunFolder
from neocog.runs.recipe import Recipe
from neocog.store.exported import save_exported
from neocog.types import InputSpec, ModelSpec

NAMES = ["a.pt2", "b.onnx", "c.pth", "d.safetensors", "resnet18", "torch.nn:Flatten", "e.PT2",
         "timm:resnet18"]  # fmt: skip
SIGNAL = InputSpec(channels=1, size=(28, 28), mean=(0.2,), std=(0.4,))


@pytest.fixture(scope="module", params=["weights", "program"])
def run(request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a network that learned nothing: with its weights, or as a program."""
    folder = RunFolder(tmp_path_factory.mktemp("made") / "run")
    folder.path.mkdir()
    torch.manual_seed(0)
    if request.param == "weights":
        folder.write_recipe(Recipe())
        net = build("dense", num_classes=10, in_channels=1, size=(28, 28), options={"hidden": (4,)})
        folder.write_weights(net.state_dict())
        about = {"name": "dense", "options": {"hidden": [4]}}
    else:
        net = network(classes=10)
        save_exported(net, folder.path / "model.pt2", torch.rand(2, 1, 28, 28))
        about = {"name": "nets:make", "options": {}}
    spec = ModelSpec(task="classify", classes=tuple("0123456789"), input=SIGNAL)
    folder.write_card({"neocog": "0", "spec": spec.to_json(), "network": about})
    return folder.path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with an image."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    Image.fromarray(np.zeros((28, 28), np.uint8)).save("x.png")
    np.savez("x.npz", x_test=np.zeros((12, 28, 28), np.uint8), y_test=np.arange(12) % 10)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_a_run_works_under_any_name(run: Path, here: Path, name: str, call) -> None:
    shutil.copytree(run, here / name)
    said = call("summary", name, "--json")
    assert said.status == 0, said.err
    assert json.loads(said.out)["size"] == [1, 28, 28]
    said = call("evaluate", name, "x.npz", "--json")
    assert said.status == 0, said.err
    assert json.loads(said.out)["n"] == 12
    assert call("predict", name, "x.png").status == 0
    said = call("export", name, "--format", "torch", "--out", "out.pt", "--json")
    assert said.status == 0, said.err


@pytest.mark.parametrize("name", NAMES[:4])
@pytest.mark.parametrize("verb", ["summary", "evaluate", "predict", "export", "audit"])
def test_a_folder_that_is_no_run_is_said_to_be_one(here: Path, name: str, verb: str, call) -> None:
    (here / name).mkdir()
    said = call(verb, name, *(["x.npz"] if verb not in ("summary", "export") else []))
    assert (said.status, said.out) == (2, "")
    assert f"`{name}` is a folder, and neither a run, which has a recipe.toml, nor a" in said.err
    assert len(said.err.splitlines()) == 1
