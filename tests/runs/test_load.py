import json
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.store.made import network, write_onnx
from torch import Tensor, nn

from neocog.data.open import open_data
from neocog.errors import DataError, ModelError, ShapeMismatch, UsageError
from neocog.models.external import SPEC_FILE
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.folder import RunFolder
from neocog.runs.load import load
from neocog.store.exported import save_exported
from neocog.types import InputSpec, ModelSpec

GRAY = {"size": (1, 28, 28), "mean": (0.13,), "std": (0.31,)}


class Pick(nn.Module):
    """Logits that are the first numbers of the flat input; a `tuple` of them if asked."""

    def __init__(self, form: str = "logits") -> None:
        super().__init__()
        self.form = form
        self.scale = nn.Linear(1, 1)

    def forward(self, x: Tensor) -> object:
        flat = x.flatten(1)
        return {
            "logits": flat[:, :10],
            "pair": (flat[0], flat.sum()),
            "one": flat[:, :1],
            "map": x[:, :1, :2, :2].expand(-1, 4, -1, -1),
            "sum": flat.sum(),
        }[self.form]


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with factories."""
    room = types.ModuleType("stranger_nets")
    room.gray = lambda: network(classes=10)
    for form in ("logits", "pair", "one", "map", "sum"):
        setattr(room, form, lambda form=form: Pick(form))
    monkeypatch.setitem(sys.modules, "stranger_nets", room)
    return "stranger_nets"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Weights for `gray`."""
    torch.manual_seed(5)
    state = {
        f"module.{k}": torch.rand_like(v.float())
        for k, v in network(classes=10).state_dict().items()
    }
    torch.save({"state_dict": state}, tmp_path / "w.pt")
    return tmp_path / "w.pt"


def test_a_factory_with_weights_is_a_model_with_its_contract(stranger: str, weights: Path) -> None:
    model = load(f"{stranger}:gray", weights=weights, **GRAY)
    signal = InputSpec(channels=1, size=(28, 28), mean=(0.13,), std=(0.31,))
    numbers = tuple(map(str, range(10)))
    assert model.spec == ModelSpec(task="classify", classes=numbers, input=signal)
    assert not model.module.training
    assert not model.black_box
    assert not model.named
    assert model.card["notes"] == []
    net = network(classes=10)
    state = torch.load(weights, weights_only=True)["state_dict"]
    net.load_state_dict({k.removeprefix("module."): v for k, v in state.items()})
    x = torch.rand(3, 1, 28, 28)
    assert torch.equal(model.module(x), net((x - 0.13) / 0.31))
    score = model.evaluate("digits")
    assert score.n == 1000
    assert score.classes == numbers


@pytest.mark.parametrize(("told", "words"), [
    ({}, "a mean of 0 and a standard deviation of 1, as no --mean and no --std was given"),
    ({"mean": (0.5,)}, "with a standard deviation of 1, as no --std was given"),
    ({"std": (0.5,)}, "with a mean of 0, as no --mean was given"),
])  # fmt: skip
def test_an_assumed_normalization_is_said(stranger, weights, told, words: str) -> None:
    with pytest.warns(UserWarning, match=words):
        model = load(f"{stranger}:gray", weights=weights, size=(1, 28, 28), **told)
    assert any(words in note for note in model.evaluate("digits").notes)


def test_missing_weights_are_said(stranger: str) -> None:
    with pytest.warns(UserWarning, match=r"No weights were given .* those of its factory"):
        load(f"{stranger}:gray", **GRAY)


def test_one_number_stands_for_all_channels(stranger: str) -> None:
    with pytest.warns(UserWarning, match="No weights"):
        model = load(f"{stranger}:logits", size=(3, 4, 4), mean=(0.4,), std=(0.2,))
    assert model.spec.input.mean == (0.4, 0.4, 0.4)
    assert model.spec.input.std == (0.2, 0.2, 0.2)


def test_arrays_are_numbers_too(stranger: str) -> None:
    told = {"size": np.array([3, 4, 4]), "mean": np.array([0.4, 0.5, 0.5]), "std": np.full(3, 0.2)}
    with pytest.warns(UserWarning, match="No weights"):
        signal = load(f"{stranger}:logits", **told).spec.input
    assert signal == InputSpec(channels=3, size=(4, 4), mean=(0.4, 0.5, 0.5), std=(0.2,) * 3)


@pytest.mark.parametrize(("told", "error", "message"), [
    ({"mean": ()}, UsageError, r"`mean` is one number per channel, .* 0 for 1"),
    ({"size": None}, UsageError, r"needs an input size, .* Give --size C,H,W"),
    ({"size": (28,)}, UsageError, r"C,H,W, or C,N of a series, integers from 1; got \(28,\)"),
    ({"size": (1, 0, 28)}, UsageError, r"integers from 1"),
    ({"mean": (0.1, 0.2)}, UsageError, r"`mean` is one number per channel, .* 2 for 1"),
    ({"mean": (123.7,)}, UsageError, r"of pixels in 0…255 it is 123\.7/255 = 0\.485"),
    ({"std": (0.0,)}, UsageError, r"std 0 is not positive"),
    ({"classes": 9}, ModelError, r"has 10 outputs and 9 classes"),
    ({"classes": ["a"] * 10}, UsageError, r"Class names are unique, .* `a` is listed twice"),
    ({"classes": ["a"]}, UsageError, r"at least two; got 1"),
    ({"classes": "/no/such/file"}, UsageError, r"one per line, is a regular file; `/no/such/file`"),
    ({"task": "clasify"}, UsageError, r"Did you mean `classify`"),
    ({"task": "segment"}, ModelError, r"returns \(B, K, H, W\); .* \(2, 10\)"),
    ({"size": (3, 28, 28)}, ShapeMismatch,
     r"for \(3, 28, 28\) layer `0` \(Conv2d\) fails on \(2, 3, 28, 28\): .*Check --size"),
    ({"weights": "/no/such/file"}, ModelError, r"`/no/such/file` does not exist"),
])  # fmt: skip
def test_what_does_not_fit_is_a_sentence(stranger, weights, told, error, message: str) -> None:
    options = {"weights": weights, **GRAY, **told}
    with pytest.raises(error, match=message) as e:
        load(f"{stranger}:gray", **options)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(("form", "message"), [
    ("pair", r"a tensor of a row per sample, alone or among others; .* gave `0` \(784,\), `1`"),
    ("sum", r"this one returned \(\)\. Name a factory"),
    ("one", r"returns \(B, K\), K ≥ 2; .* \(2, 1\)"),
    ("map", r"returns \(B, K\), K ≥ 2; .* \(2, 4, 2, 2\)"),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:No weights")
def test_answers_of_another_form_are_refused(stranger: str, form: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load(f"{stranger}:{form}", **GRAY)


@pytest.mark.filterwarnings("ignore:No weights")
def test_other_tasks_are_opened_and_not_scored(stranger: str) -> None:
    model = load(f"{stranger}:map", task="segment", **GRAY)
    assert (model.spec.task, len(model.spec.classes)) == ("segment", 4)
    with pytest.raises(UsageError, match=r"need a classifier; .* does `segment`"):
        model.evaluate("digits")
    with pytest.raises(UsageError, match="Audit it instead"):
        model.predict(["x.png"])
    assert load(f"{stranger}:one", task="regress", **GRAY).spec.classes == ("0",)


@pytest.mark.filterwarnings("ignore:No weights")
def test_the_pass_that_looks_leaves_no_hooks(stranger: str) -> None:
    model = load(f"{stranger}:gray", **GRAY)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.module.modules())


def numbered(folder: Path, labels: list[int]) -> Path:
    x = np.random.default_rng(0).integers(0, 255, (len(labels), 28, 28)).astype(np.uint8)
    np.savez(folder / "data.npz", x_test=x, y_test=np.array(labels))
    return folder / "data.npz"


@pytest.mark.filterwarnings("ignore:No weights")
def test_classes_go_by_name_where_there_are_names(stranger, tmp_path, images: Path) -> None:
    place = f"{stranger}:gray"
    plain = load(place, **GRAY)
    few = plain.evaluate(numbered(tmp_path, [7, 3, 3, 7] * 5))
    assert [r["n"] for r in few.per_class] == [0, 0, 0, 10, 0, 0, 0, 10, 0, 0]
    with pytest.raises(DataError, match=r"has 10 outputs and .* 3 classes\. Name the outputs"):
        plain.evaluate(images)
    names = tmp_path / "names.txt"
    names.write_text("noise\ndown\n\n across \nd\ne\nf\ng\nh\ni\nj\n")
    named = load(place, classes=names, **GRAY)
    assert named.spec.classes[:3] == ("noise", "down", "across")
    score = named.evaluate(images)
    counts = {r["class"]: r["n"] for r in score.per_class}
    found = {c: int((open_data(str(images)).whole.y == i).sum())
             for i, c in enumerate(("across", "down", "noise"))}  # fmt: skip
    assert {c: counts[c] for c in found} == found
    with pytest.raises(DataError, match=r"must be a class of the model, and `0` is not"):
        named.evaluate("digits")


def test_outputs_without_names_take_those_of_the_data(images: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.pt2"
    save_exported(network(), file, torch.rand(2, 1, 28, 28))
    model = load(file, mean=(0.5,), std=(0.25,))
    score = model.evaluate(images)
    assert score.classes == ("across", "down", "noise")
    assert any("in the order of the data's classes: across, down, noise." in n for n in score.notes)
    assert model.spec.classes == ("0", "1", "2")


def test_a_program_says_its_size_and_may_hold_its_contract(tmp_path: Path) -> None:
    signal = InputSpec(channels=1, size=(28, 28), mean=(0.2,), std=(0.4,))
    spec = ModelSpec(task="classify", classes=("a", "b", "c"), input=signal)
    file = tmp_path / "x.pt2"
    texts = {SPEC_FILE: json.dumps(spec.to_json())}
    save_exported(network(), file, torch.rand(2, 1, 28, 28), texts=texts)
    model = load(file)
    assert model.spec == spec
    assert model.named
    x = torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(model.module(x), network()((x - 0.2) / 0.4))
    assert load(file, classes=["x", "y", "z"]).spec.classes == ("x", "y", "z")
    save_exported(network(), file, torch.rand(2, 1, 28, 28), texts={SPEC_FILE: "{"})
    with pytest.raises(ModelError, match="must be JSON, and is not"):
        load(file)
    save_exported(network(), file, torch.rand(2, 1, 28, 28), texts={SPEC_FILE: "{}"})
    with pytest.raises(
        ModelError,
        match=r"`input` in the spec inside .*x\.pt2` must be a table of keys, and is missing",
    ):
        load(file)


def test_an_onnx_file_is_a_black_box(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
    file = write_onnx(tmp_path / "x.onnx", batch=1, shape=(1, 28, 28))
    model = load(file, mean=(0.0,), std=(1.0,))
    assert model.black_box
    assert model.spec.input.size == (28, 28)
    score = model.evaluate(numbered(tmp_path, [0, 1, 2] * 9))
    # The third column of the matrix is the largest, and pixels are not negative.
    assert score.confusion == ((0, 0, 9), (0, 0, 9), (0, 0, 9))


def test_a_factory_may_return_a_model_with_a_contract(tmp_path, monkeypatch) -> None:
    signal = InputSpec(channels=1, size=(28, 28), mean=(0.2,), std=(0.4,))
    spec = ModelSpec(task="classify", classes=("a", "b", "c"), input=signal)
    room = types.ModuleType("stranger_model")
    room.make = lambda: SpecifiedNetwork(network(), spec)
    monkeypatch.setitem(sys.modules, "stranger_model", room)
    with pytest.warns(UserWarning, match="No weights"):
        assert load("stranger_model:make").spec == spec


def test_a_run_folder_may_hold_a_program(tmp_path: Path) -> None:
    signal = InputSpec(channels=1, size=(28, 28), mean=(0.2,), std=(0.4,))
    spec = ModelSpec(task="classify", classes=("a", "b", "c"), input=signal)
    folder = RunFolder(tmp_path / "fixed")
    save_exported(network(), folder.path / "model.pt2", torch.rand(2, 1, 28, 28))
    network_said = {"name": "stranger_nets:gray", "options": {}}
    folder.write_card({"spec": spec.to_json(), "network": network_said})
    x = torch.rand(3, 1, 28, 28)
    for opened in (load(folder.path), load(folder.path)):
        assert opened.spec == spec
        torch.testing.assert_close(opened.module(x), network()((x - 0.2) / 0.4))


def test_a_run_folder_is_told_nothing(tmp_path: Path) -> None:
    signal = InputSpec(channels=1, size=(28, 28), mean=(0.2,), std=(0.4,))
    spec = ModelSpec(task="classify", classes=("a", "b", "c"), input=signal)
    folder = RunFolder(tmp_path / "run")
    save_exported(network(), folder.path / "model.pt2", torch.rand(2, 1, 28, 28))
    folder.write_card({"spec": spec.to_json(), "network": {"name": "", "options": {}}})
    assert load(folder.path, task="classify").spec == spec
    for told in ({"size": (1, 28, 28)}, {"weights": "w.pt"}, {"task": "segment"}):
        name = next(iter(told))
        with pytest.raises(UsageError, match=rf"knows its model's {name}; .* with --{name}"):
            load(folder.path, **told)


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.safetensors"])
def test_weights_alone_are_no_model(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UsageError, match=r"not a network by itself.*module:factory --weights"):
        load(tmp_path / name)
    for file in ("x.pt2", "x.onnx"):
        with pytest.raises(UsageError, match=r"need a function that makes the network"):
            load(tmp_path / file, weights=tmp_path / name)


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("nets/small.py", r"Name a function in it, as `nets\.small:FUNCTION`"),
        ("nets.small", r"as `nets\.small:FUNCTION`"),
        ("./nets/small.py", r"as `nets\.small:FUNCTION`"),
        ("rnu", r"Did you mean `run`\?"),
        ("zebra", r"Check the path, or train one"),
        ("x" * 5000, r"Check the path"),
        ("a\0b", r"Check the path"),
        ("", r"Check the path"),
    ],
)
def test_a_place_that_is_no_model_is_a_sentence(
    place: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    with pytest.raises(UsageError, match=r"MODEL is a run folder, .* is none\. .*" + hint):
        load(place)
    for suffix in (".pt2", ".onnx"):
        with pytest.raises(ModelError, match="there is none at"):
            load("x" * 5000 + suffix)


def test_what_timm_says_of_a_network_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for timm, which keeps beside each network what it takes."""
    net = network(3, 10)
    net.pretrained_cfg = {"input_size": (3, 24, 32), "mean": (0.4, 0.5, 0.6), "std": (0.2,) * 3}
    room = types.ModuleType("timm")
    room.list_models = lambda: ["small"]
    room.create_model = lambda name, *, pretrained: net
    monkeypatch.setitem(sys.modules, "timm", room)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = load("timm:small", std=(0.3,))
    signal = InputSpec(channels=3, size=(24, 32), mean=(0.4, 0.5, 0.6), std=(0.3, 0.3, 0.3))
    assert model.spec.input == signal
    assert not model.named
    notes = [str(w.message) for w in said]
    assert [n.split()[0] for n in notes] == ["The", "Size"]  # weights; and mean, as timm gives them


def test_a_model_of_series_is_opened_by_the_same_door() -> None:
    net = nn.Sequential(nn.Conv1d(2, 4, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    model = load(net, size=(2, 32), mean=(3.0, -1.0), std=(2.0,))
    assert (model.spec.input.shape, model.spec.input.axes) == ((2, 32), 1)
    assert ModelSpec.from_json(model.spec.to_json()) == model.spec
    x = torch.rand(3, 2, 32)
    with torch.no_grad():
        own = net((x - torch.tensor([[3.0], [-1.0]])) / 2)
        assert torch.equal(model.module(x), own)
    with pytest.raises(ShapeMismatch, match=r"takes series of shape \(B, 2, 32\)"):
        model.module(torch.rand(3, 2, 30))
    with pytest.raises(UsageError, match="the model takes series"):
        _ = model.spec.input.image_size


def test_maps_of_series_are_predictions_too() -> None:
    net = nn.Conv1d(1, 3, 3, padding=1)
    assert load(net, size=(1, 16), task="segment").spec.task == "segment"
    with pytest.raises(ModelError, match=r"returns \(B, K\), K ≥ 2"):
        load(net, size=(1, 16), task="classify")
