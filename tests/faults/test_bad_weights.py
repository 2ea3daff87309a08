"""Run folders whose weights or cards were tampered with, cut or mixed up."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.faults.processes import SETTINGS

from neocog.cli.main import main
from neocog.errors import ModelError, ShapeMismatch, UnsafeWeights
from neocog.runs.load import load
from neocog.verbs.train import train

SMALL = {**SETTINGS, "model.name": "dense", "model.hidden": [8], "train.epochs": 1.0}


@pytest.fixture(scope="module")
def trained(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch."""
    run = tmp_path_factory.mktemp("trained") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEOCOG_CACHE", str(run.parent / "cache"))
        train(images, settings=SMALL, out=run)
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy that a test may harm."""
    return shutil.copytree(trained, tmp_path / "run")


class _Trap:
    """Unpickling this creates a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (open, (str(self.file), "w"))


def _pickled(protocol: int) -> Callable[[Path, Path], None]:
    def write(file: Path, mark: Path) -> None:
        file.write_bytes(pickle.dumps(_Trap(mark), protocol=protocol))

    return write


def _saved_by_torch(file: Path, mark: Path) -> None:
    torch.save({"weight": _Trap(mark)}, file)


def _saved_by_old_torch(file: Path, mark: Path) -> None:
    torch.save({"weight": _Trap(mark)}, file, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize(
    "write", [*(_pickled(p) for p in range(6)), _saved_by_torch, _saved_by_old_torch]
)
def test_weights_that_would_execute_code_are_refused_unread(
    run: Path,
    images: Path,
    tmp_path: Path,
    write: Callable[[Path, Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    mark = tmp_path / "executed"
    write(run / "model.safetensors", mark)
    assert not mark.exists()
    with pytest.raises(ModelError):
        load(run)
    for words in (["evaluate", str(run), str(images)],
                  ["train", str(images), "--init", str(run), "--model", "dense"]):  # fmt: skip
        with pytest.raises(SystemExit) as left:
            main([*words])
        assert left.value.code == 2
        assert "model.safetensors" in capsys.readouterr().err
    assert not mark.exists()


@pytest.mark.parametrize("write", [_pickled(2), _pickled(5), _saved_by_torch, _saved_by_old_torch])
def test_a_pickle_is_called_one(
    run: Path, tmp_path: Path, write: Callable[[Path, Path], None]
) -> None:
    write(run / "model.safetensors", tmp_path / "executed")
    with pytest.raises(UnsafeWeights, match=r"is a pickle, which can execute code"):
        load(run)


def test_a_pickle_in_place_of_the_checkpoint_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _saved_by_torch(run / "checkpoint" / "state.safetensors", tmp_path / "executed")
    with pytest.raises(SystemExit) as left:
        main(["train", "--resume", str(run)])
    assert left.value.code == 2
    assert "is a pickle" in capsys.readouterr().err
    assert not (tmp_path / "executed").exists()


def _tensors(run: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(run / "model.safetensors")
    change(tensors)
    save_file(tensors, run / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda t: t.pop("layers.1.weight"), ModelError, r"1 missing \(`layers\.1\.weight`\)"),
        (lambda t: t.update(x=torch.ones(1)), ModelError, r"1 unexpected \(`x`\)"),
        (
            lambda t: t.update({"layer.1.weight": t.pop("layers.1.weight")}),
            ModelError,
            r"1 missing .*1 unexpected .*Did you mean `layer\.1\.weight`",
        ),
        (
            lambda t: t.update({"layers.1.weight": torch.ones(8, 3)}),
            ShapeMismatch,
            r"`layers\.1\.weight` of the network has shape \(8, 784\); .* holds \(8, 3\)",
        ),
        (lambda t: t.clear(), ModelError, r"\d missing"),
    ],
    ids=["missing", "extra", "renamed", "shape", "none"],
)
def test_tensors_that_do_not_fit_are_explained(
    run: Path, change: Callable[[Any], object], error: type[ModelError], message: str
) -> None:
    _tensors(run, change)
    with pytest.raises(error, match=message):
        load(run)


@pytest.mark.parametrize("keep", [0, 4, 7, 8, 100, -1])
def test_a_file_that_is_cut_off_is_explained(run: Path, keep: int) -> None:
    file = run / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"must be a whole safetensors file"):
        load(run)


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_checkpoint_that_is_cut_off_is_explained(run: Path, keep: int) -> None:
    file = run / "checkpoint" / "state.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(SystemExit) as left:
        main(["train", "--resume", str(run)])
    assert left.value.code == 2


def test_a_checkpoint_without_a_state_is_explained(run: Path) -> None:
    from neocog.verbs.train import resume

    save_file({"x": torch.ones(1)}, run / "checkpoint" / "state.safetensors")
    with pytest.raises(ModelError, match=r"must hold the state of a training, and does not"):
        resume(run)


def _card(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    def edit(text: str) -> str:
        card = json.loads(text)
        change(card)
        return json.dumps(card)

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text[: len(text) // 2], r"must be JSON, and is not"),
        (lambda text: "", r"must be JSON, and is not"),
        (lambda text: "[]", r"reads run folders of format 2"),
        (_card(lambda c: c.update(format=3)), r"format 2; .* is of format 3"),
        (_card(lambda c: c.pop("spec")), r"`spec` in .* is missing"),
        (_card(lambda c: c.pop("network")), r"`network` in .* is missing"),
        (_card(lambda c: c.update(network=3)), r"`network` in .* a table of keys; got 3"),
        (_card(lambda c: c["network"].update(options=[1])), r"a table of keys; got \[1\]"),
        (_card(lambda c: c["spec"].pop("classes")), r"a list of strings, and is missing"),
        (_card(lambda c: c["spec"]["input"].pop("mean")), r"input\.mean` in .* is missing"),
        (
            _card(lambda c: c["spec"]["input"].update(size=[28])),
            r"cannot be built.*takes series, \(1, 28\)",
        ),
        (_card(lambda c: c["spec"]["input"].update(std=[0])), r"std 0 is not positive"),
        (
            _card(lambda c: c["spec"]["input"].update(mean=[0, 0])),
            r"1 finite numbers .* got \[0, 0\]",
        ),
        (_card(lambda c: c["spec"]["classes"].pop()), r"has shape \(1, 8\); .*holds \(2, 8\)"),
        (_card(lambda c: c["network"].update(name="dens")), r"Did you mean `dense`"),
        (
            _card(lambda c: c["network"].update(name=["dense"])),
            r"must be a string; got \['dense'\]",
        ),
        (_card(lambda c: c["network"]["options"].update(hidden=[-1])), r"cannot be built"),
        (_card(lambda c: c["network"]["options"].update(hiden=[1])), r"Did you mean `hidden`"),
    ],
)
def test_a_damaged_card_is_explained(
    run: Path,
    edit: Callable[[str], str],
    message: str,
    images: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = run / "model.json"
    file.write_text(edit(file.read_text()))
    with pytest.raises(ModelError, match=message):
        load(run)
    with pytest.raises(SystemExit) as left:
        main(["predict", str(run), str(images)])
    assert left.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_run_without_a_model_is_explained(run: Path) -> None:
    (run / "model.json").unlink()
    with pytest.raises(ModelError, match=r"has not reached a checkpoint"):
        load(run)
    shutil.copy(run / "recipe.toml", run / "model.json")
    (run / "model.safetensors").unlink()
    with pytest.raises(ModelError):
        load(run)
