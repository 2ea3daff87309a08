"""The audit in a run folder, and the fingerprint of what it is of."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from neocog.errors import RunError
from neocog.exhibits import Scalar, Section
from neocog.models.model import Model
from neocog.networks.catalog import build
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.claim import claimed
from neocog.runs.folder import RunFolder
from neocog.runs.recipe import Recipe
from neocog.runs.saved_audit import fingerprint, keep_audit, kept_audit
from neocog.types import InputSpec, ModelSpec

SIGNAL = InputSpec(channels=1, size=(28, 28), mean=(0.5,), std=(0.25,))
CONTRACT = ModelSpec(task="classify", classes=("a", "b"), input=SIGNAL)
SECTIONS = [Section(title="Shifts", exhibits=(Scalar(title="samples", value=3),))]


def trained(folder: Path, spec: ModelSpec = CONTRACT) -> Model:
    """A model as if it had been trained into a folder."""
    torch.manual_seed(0)
    network = build("convnet", num_classes=2, in_channels=1, size=(28, 28))
    card = {"network": {"name": "convnet", "options": {}}}
    return Model(SpecifiedNetwork(network, spec).eval(), card, folder)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "recipe.toml").write_text("")
    return tmp_path


def test_what_is_kept_is_found_again(run: Path) -> None:
    model = trained(run)
    assert kept_audit(model) is None
    assert keep_audit(model, data="digits", result={"n": 3}, sections=SECTIONS)
    found = kept_audit(model)
    assert found is not None
    assert (found.data, found.result, found.model) == ("digits", {"n": 3}, fingerprint(model))
    assert found.sections[0]["exhibits"][0]["value"] == 3
    assert not list(run.glob(".*.part"))


def test_the_last_audit_counts(run: Path) -> None:
    model = trained(run)
    for n in (1, 2):
        keep_audit(model, data="digits", result={"n": n}, sections=SECTIONS)
    found = kept_audit(model)
    assert found is not None
    assert found.result == {"n": 2}


def test_a_model_from_elsewhere_is_left_alone(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "net.onnx", Path("nets:make")):
        model = trained(place)
        assert not keep_audit(model, data="digits", result={}, sections=SECTIONS)
        assert kept_audit(model) is None
    assert not list(tmp_path.iterdir())


def test_a_black_box_has_no_folder(run: Path) -> None:
    model = replace(trained(run), black_box=True)
    assert not keep_audit(model, data="digits", result={}, sections=SECTIONS)


def test_the_fingerprint_is_of_weights_contract_and_network(run: Path) -> None:
    model = trained(run)
    same = fingerprint(trained(run / "elsewhere"))
    assert fingerprint(model) == same
    assert fingerprint(trained(run, replace(CONTRACT, classes=("b", "a")))) != same
    card = {"network": {"name": "convnet", "options": {"downsampling": "blur"}}}
    assert fingerprint(replace(model, card=card)) != same
    lies = torch.channels_last
    assert fingerprint(replace(model, module=model.module.to(memory_format=lies))) == same
    with torch.no_grad():
        next(model.module.parameters()).view(-1)[0] += 1e-3
    assert fingerprint(model) != same


def test_a_new_training_takes_the_audit_away(run: Path) -> None:
    keep_audit(trained(run), data="digits", result={}, sections=SECTIONS)
    RunFolder(run).write_recipe(Recipe())
    with claimed(run, overwrite=True) as claim:
        claim.begin(Recipe())
        claim.finish()
    assert not (run / "audit.json").exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", json.dumps({"format": 99}), json.dumps({"format": 1})]
)
def test_what_is_no_audit_is_none(run: Path, text: str) -> None:
    (run / "audit.json").write_text(text)
    assert kept_audit(trained(run)) is None


def test_a_folder_that_cannot_be_written_is_said(run: Path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("neocog.targets.tempfile.mkstemp", full)
    with pytest.raises(RunError, match=r"`.*audit\.json` must be writable"):
        keep_audit(trained(run), data="digits", result={}, sections=SECTIONS)
