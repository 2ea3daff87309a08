"""`evaluate` and `predict` of models that were not trained here, as a user types them."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.store.made import write_onnx

ROOT = Path(__file__).resolve().parents[2]
CIFAR = ["--size", "3,32,32", "--mean", ".485,.456,.406", "--std", ".229,.224,.225"]
RESNET = "tests.strangers.resnet20:make"


@pytest.fixture(scope="session")
def cifar(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 500 test images of CIFAR-10 as an .npz."""
    folder = shared / "data" / "cifar10"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/cifar10")
    with Image.open(folder / "test_00.webp") as image:
        tiles = np.asarray(image.convert("RGB")).reshape(20, 32, 50, 32, 3).swapaxes(1, 2)
    x = tiles.reshape(1000, 32, 32, 3)[:500]
    y = np.load(folder / "labels.npz")["test_labels"][:500]
    file = tmp_path_factory.mktemp("cifar") / "cifar.npz"
    np.savez(file, x_test=x, y_test=y)
    return file


@pytest.fixture(scope="session")
def published(shared: Path) -> Path:
    """A stranger's weights."""
    file = shared / "models" / "resnet20-cifar10" / "resnet20-12fca82f.th"
    if not file.is_file():
        pytest.skip("needs the published ResNet-20 weights in ../shared/models")
    return file


def test_D5_a_stranger_s_resnet20_scores_as_published(
    call, cifar: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    said = call("evaluate", RESNET, cifar, "--weights", published, *CIFAR, "--json")
    assert said.err == ""
    score = json.loads(said.out)
    # Of all 10,000 test images 91.73 % are right, as published; of the first 500 these are.
    assert (score["n"], round(score["accuracy"] * 500)) == (500, 453)
    assert score["accuracy_ci"][0] < 0.9173 < score["accuracy_ci"][1]


@pytest.mark.filterwarnings("always")
def test_a_wrong_normalization_is_said_and_costs(
    call, cifar: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    said = call("evaluate", RESNET, cifar, "--weights", published, *CIFAR[:2], "--json")
    assert said.err.startswith("note     Pixels from 0 to 1 are normalized with a mean of 0 and a")
    assert json.loads(said.out)["accuracy"] < 0.85


def test_predict_names_the_classes_of_a_file(
    call, cifar: Path, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    names = "airplane automobile bird cat deer dog frog horse ship truck"
    (tmp_path / "names.txt").write_text(names.replace(" ", "\n"))
    held = np.load(cifar)
    Image.fromarray(held["x_test"][0]).save(tmp_path / "0.png")
    said = call(
        "predict", RESNET, tmp_path / "0.png", "--weights", published, *CIFAR,
        "--classes", tmp_path / "names.txt", "--json",
    )  # fmt: skip
    answer = json.loads(said.out)
    assert answer["label"] == names.split(" ")[held["y_test"][0]] == "cat"


@pytest.mark.parametrize("option", [
    ["--size", "32"], ["--size", "3,0,32"], ["--mean", "a,b"], ["--std", "nan"],
    ["--classes", "1"], ["--classes", "none.txt"], ["--weights", "none.pt"],
])  # fmt: skip
def test_wrong_words_are_one_sentence(call, option, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = {"--size": "3,32,32", "--mean": "0.5", "--std": "0.5", option[0]: option[1]}
    said = call("evaluate", RESNET, "digits", *(w for pair in words.items() for w in pair))
    assert (said.status, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1
    assert option[1] in said.err or "classes" in said.err


@pytest.mark.parametrize(("model", "words"), [
    ("no_such_module:make", "there is no `no_such_module`"),
    ("tests.strangers.resnet20:mke", "Did you mean `make`"),
    ("tests.strangers.resnet20:Block", "failed with TypeError"),
    ("torchvision:resnet18", "needs the package torchvision"),
    ("timm:resnet18", "needs the package timm"),
    ("none.pt2", "there is none at"),
    ("none.onnx", "there is none at"),
    ("none.safetensors", "not a network by itself"),
])  # fmt: skip
def test_a_model_that_is_not_there_is_one_sentence(call, model, words, monkeypatch) -> None:
    import sys

    for library in ("torchvision", "timm"):
        monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.chdir(ROOT)
    for verb in ("evaluate", "predict"):
        said = call(verb, model, "digits", *CIFAR)
        assert (said.status, said.out) == (2, "")
        assert len(said.err.splitlines()) == 1
        assert words in said.err


def test_a_run_folder_is_told_nothing(call, digits_run: Path) -> None:
    said = call("evaluate", digits_run, "digits", "--mean", "0.5")
    assert said.status == 2
    assert "A run folder knows its model's mean" in said.err


def test_an_onnx_file_predicts(call, tmp_path: Path, seven: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
    file = write_onnx(tmp_path / "x.onnx", batch=1, shape=(1, 28, 28))
    said = call("predict", file, seven, "--mean", "0", "--std", "1", "--classes", "3")
    assert said.err == ""
    # Its third column of weights is the largest, and pixels are not negative.
    assert said.out.split("\t")[0] == "2"


class _Trap:
    def __reduce__(self):
        return (os.mkdir, ("executed",))


@pytest.mark.parametrize("verb", ["evaluate", "predict"])
def test_weights_that_would_run_code_end_with_a_sentence(
    call, tmp_path: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    torch.save({"state_dict": {"w": torch.ones(1)}, "x": _Trap()}, tmp_path / "w.pt")
    said = call(verb, RESNET, "digits", "--weights", tmp_path / "w.pt", *CIFAR)
    assert (said.status, said.out) == (2, "")
    assert "would execute code" in said.err
    assert len(said.err.splitlines()) == 1
    assert not Path("executed").exists()
