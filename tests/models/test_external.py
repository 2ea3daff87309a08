"""Mean and standard deviation that were computed for pixels in 0 to 255."""

import json
import sys
import types
import warnings
from pathlib import Path

import pytest
from torch import nn

from neocog.errors import ModelError, UsageError
from neocog.models.external import SPEC_FILE
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.load import load
from neocog.store.exported import save_exported
from neocog.types import InputSpec, ModelSpec, not_of_pixels


@pytest.fixture
def nets(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    room = types.ModuleType("nets_of_bytes")
    room.flat = nn.Flatten
    monkeypatch.setitem(sys.modules, "nets_of_bytes", room)
    return room


@pytest.mark.parametrize(("option", "words"), [
    (["--mean", "123.7"], ["mean 123.7", "123.7/255 = 0.485"]),
    (["--std", "58.4"], ["std 58.4", "58.4/255 = 0.229", "Correct --std."]),
    (["--std", "255"], ["std 255", "255/255 = 1"]),
    (["--mean", "0.485", "--std", "58.4,57.1,57.4"],
     ["58.4/255 = 0.229", "57.1/255 = 0.224", "57.4/255 = 0.225"]),
    (["--mean", "123.7,116.3,103.5", "--std", "0.229"],
     ["123.7/255 = 0.485", "116.3/255 = 0.456", "103.5/255 = 0.406"]),
    (["--mean", "123.7", "--std", "58.4"], ["123.7/255 = 0.485", "58.4/255 = 0.229"]),
    (["--mean", "123.7", "--std", "1"], ["123.7/255 = 0.485", "1/255 = 0.00392"]),
    (["--mean", "31600", "--std", "15000"], ["3.16e+04/65535 = 0.482", "1.5e+04/65535 = 0.229"]),
    (["--mean=-0.5"], ["mean -0.5 is below 0", "[-1, 1]"]),
    (["--std", "0"], ["std 0 is not positive"]),
    (["--std", "0.2,-0.2,0.2"], ["std -0.2 is not positive"]),
])  # fmt: skip
def test_the_division_is_written_out(call, nets, option, words) -> None:
    for verb in ("evaluate", "audit", "fix", "predict", "explore", "explain"):
        said = call(verb, "nets_of_bytes:flat", "digits", "--size", "3,8,8", *option)
        assert (said.status, said.out) == (2, "")
        assert len(said.err.splitlines()) == 1
        for word in words:
            assert word in said.err


@pytest.mark.parametrize(("mean", "std"), [
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), ((0.5,), (0.5,)), ((0.0,), (1.0,)),
    ((1.0,), (0.01,)), ((0.48,), (1 / 255,)), ((0.4488,), (1.0000001,)),
])  # fmt: skip
def test_usual_statistics_are_taken(mean, std) -> None:
    assert not_of_pixels(mean, std) is None


@pytest.mark.parametrize(("mean", "std", "words"), [
    ((124.0,), (1.0,), "1/255"), ((0.5,), (1.5,), "1.5/255"), ((1e6,), (1.0,), "divide by"),
    ((float("nan"),), (1.0,), "not a finite"), ((0.5,), (float("inf"),), "not a finite"),
])  # fmt: skip
def test_a_model_in_python_is_held_to_the_same(mean, std, words) -> None:
    signal = InputSpec(channels=1, size=(4, 4), mean=mean, std=std)
    with pytest.raises(ModelError, match=words):
        SpecifiedNetwork(nn.Flatten(), ModelSpec(task="classify", classes=("a", "b"), input=signal))


def test_a_file_that_says_it_of_itself_is_refused(tmp_path: Path) -> None:
    import torch

    signal = {"channels": 1, "size": [2, 2], "mean": [33.3], "std": [78.6], "fit": "crop"}
    texts = {SPEC_FILE: json.dumps({"task": "classify", "classes": list("abcd"), "input": signal})}
    save_exported(nn.Flatten(), tmp_path / "x.pt2", torch.rand(2, 1, 2, 2), texts=texts)
    with pytest.raises(ModelError, match=r"states that its .* 33\.3/255 = 0\.131"):
        load(tmp_path / "x.pt2")
    assert load(tmp_path / "x.pt2", mean=(0.13,), std=(0.31,)).spec.input.std == (0.31,)


@pytest.mark.parametrize(("given", "sentence"), [
    ({}, "Size, mean and std are those that timm gives for this network."),
    ({"std": (0.3,)}, "Size and mean are those that timm gives for this network."),
    ({"size": (3, 4, 4), "mean": (0.1,)}, "Std is what timm gives for this network."),
    ({"size": (3, 4, 4), "mean": (0.1,), "std": (0.3,)}, ""),
])  # fmt: skip
def test_what_timm_gave_is_said_and_no_more(monkeypatch, given, sentence: str) -> None:
    net = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
    net.pretrained_cfg = {"input_size": (3, 6, 6), "mean": (0.4,) * 3, "std": (0.2,) * 3}
    room = types.ModuleType("timm")
    room.list_models = lambda: ["small"]
    room.create_model = lambda name, *, pretrained, **more: net
    monkeypatch.setitem(sys.modules, "timm", room)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        load("timm:small", **given)
    assert [str(w.message) for w in said if "gives for this network" in str(w.message)] == [
        sentence
    ] * bool(sentence)


@pytest.mark.filterwarnings("ignore:The weights of")
def test_what_timm_gives_is_checked_too(monkeypatch) -> None:
    net = nn.Flatten()
    net.pretrained_cfg = {"input_size": (3, 6, 6), "mean": (123.7,) * 3, "std": (58.4,) * 3}
    room = types.ModuleType("timm")
    room.list_models = lambda: ["small"]
    room.create_model = lambda name, *, pretrained, **more: net
    monkeypatch.setitem(sys.modules, "timm", room)
    with pytest.raises(ModelError, match=r"`timm:small` states that its"):
        load("timm:small")
    with pytest.raises(UsageError, match=r"58\.4/255 = 0\.229"):
        load("timm:small", mean=(0.4,))
    with pytest.warns(UserWarning, match="Size is what timm gives"):
        assert load("timm:small", mean=(0.4,), std=(0.2,)).spec.input.size == (6, 6)
