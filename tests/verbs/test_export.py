import json
import sys
import types
from pathlib import Path

import pytest
import torch
from tests.store.made import network, write_onnx
from torch import nn

from neocog.errors import ModelError, RunError, UsageError
from neocog.runs.folder import RunFolder
from neocog.runs.load import load
from neocog.store.exported import save_exported
from neocog.types import InputSpec, ModelSpec
from neocog.verbs.export import FORMATS, export

CONTRACT = ModelSpec(
    task="classify",
    classes=("a", "b", "c"),
    input=InputSpec(channels=1, size=(28, 28), mean=(0.2,), std=(0.4,)),
)
X = torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with a program."""
    folder = RunFolder(tmp_path / "run")
    save_exported(network(), folder.path / "model.pt2", X[:2])
    folder.write_card({"spec": CONTRACT.to_json(), "network": {"name": "", "options": {}}})
    return folder.path


@pytest.mark.parametrize(("kind", "tolerance"), [
    ("pt2", 0),  # the same operators
    ("onnx", 1e-5),  # sums of a few products in float32, added in another order
])  # fmt: skip
def test_a_file_with_its_normalization_inside_answers_as_the_model(
    run: Path, tmp_path: Path, kind: str, tolerance: float
) -> None:
    if kind == "onnx":
        for name in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(name, reason="needs the extra `onnx`")
    file = tmp_path / f"x{FORMATS[kind]}"
    done = export(run, format=kind, out=file)
    assert (done.path, done.format) == (str(file), kind)
    assert done.max_abs_difference <= tolerance
    content = file.read_bytes()
    assert b".py" not in content, "traces of this machine"
    again = load(file)
    assert again.spec.classes == ("a", "b", "c")
    assert again.spec.input == InputSpec(channels=1, size=(28, 28), mean=(0.0,), std=(1.0,))
    expected = load(run).module(X)
    assert not torch.allclose(network()(X), expected, atol=1e-2), "the normalization is inside"
    for n in (1, 5):
        torch.testing.assert_close(again.module(X[:n]), expected[:n], atol=1e-5, rtol=0)


def test_a_state_dict_has_the_contract_beside_it_and_can_be_weights(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = types.ModuleType("stranger_of_export")
    room.make = lambda: network()
    monkeypatch.setitem(sys.modules, "stranger_of_export", room)
    state = {k: torch.rand_like(v.float()) for k, v in network().state_dict().items()}
    torch.save(state, tmp_path / "w.pt")
    told = {"size": (1, 28, 28), "mean": (0.2,), "std": (0.4,)}
    first = {"weights": tmp_path / "w.pt", **told}
    done = export("stranger_of_export:make", format="torch", out=tmp_path / "x.pt", **first)
    assert done.max_abs_difference == 0
    held = torch.load(tmp_path / "x.pt", weights_only=True)
    assert held["spec"]["input"]["mean"] == [0.2]
    assert held["network"]["name"] == "stranger_of_export:make"
    one = load("stranger_of_export:make", weights=tmp_path / "x.pt", **told)
    other = load("stranger_of_export:make", **first)
    assert torch.equal(one.module(X), other.module(X))


def test_names_of_files(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert export(run, format="pt2").path == "run.pt2"
    with pytest.raises(RunError, match=r"writes a new file, and `run\.pt2` exists"):
        export(run, format="pt2")
    with pytest.raises(RunError, match=r"holds the files of its run alone"):
        export(run, format="torch", out=run / "x.pt")


def test_what_cannot_be_exported_is_said(run: Path, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(UsageError, match=r"got `onx`\. Did you mean `onnx`"):
        export(run, format="onx")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ModelError, match=r"needs the package onnxscript, .*neocog\[onnx\]"):
        export(run, format="onnx", out=tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()
    pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
    box = write_onnx(tmp_path / "box.onnx", shape=(1, 28, 28))
    with pytest.raises(UsageError, match=r"`.*box\.onnx` is a black box"):
        export(box, format="pt2", mean=(0.0,), std=(1.0,))


def test_the_command_says_where_and_how_far(run: Path, tmp_path: Path, capsys) -> None:
    from neocog.cli.export import command

    command.main(
        [str(run), "--format", "pt2", "--out", str(tmp_path / "x.pt2"), "--json"],
        standalone_mode=False,
    )
    said = json.loads(capsys.readouterr().out)
    assert said == {
        "path": str(tmp_path / "x.pt2"), "format": "pt2", "max_abs_difference": 0.0,
    }  # fmt: skip
    command.main(
        [str(run), "--format", "torch", "--out", str(tmp_path / "x.pt")], standalone_mode=False
    )
    assert capsys.readouterr().out == f"{tmp_path}/x.pt: torch, max |Δ output| 0.0e+00\n"


@pytest.mark.parametrize("difference", [float("nan"), 0.5])
def test_a_file_that_answers_otherwise_is_removed(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, difference: float
) -> None:
    def wrong(module: nn.Module, path: Path, example: torch.Tensor, **texts: object) -> float:
        path.write_bytes(b"x")
        return difference

    monkeypatch.setattr("neocog.verbs.export.save_exported", wrong)
    with pytest.raises(ModelError, match=rf"differs by {difference:g} where .*was removed. Try"):
        export(run, format="pt2", out=tmp_path / "x.pt2")
    assert not (tmp_path / "x.pt2").exists()


@pytest.mark.parametrize("kind", ["pt2", "torch"])
def test_a_model_whose_answers_are_no_numbers_is_not_written(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = types.ModuleType("stranger_of_export")
    broken = network()
    for p in broken.parameters():
        p.data.fill_(1e30)  # finite, unlike what comes out
    room.make = lambda: broken
    monkeypatch.setitem(sys.modules, "stranger_of_export", room)
    told = {"size": (1, 28, 28), "mean": (0.2,), "std": (0.4,)}
    file = tmp_path / f"x{FORMATS[kind]}"
    with (
        pytest.warns(UserWarning, match="No weights were given"),
        pytest.raises(
            ModelError, match=r"outputs of a model are finite numbers; those of .* are not"
        ),
    ):
        export("stranger_of_export:make", format=kind, out=file, **told)
    assert not file.exists()
