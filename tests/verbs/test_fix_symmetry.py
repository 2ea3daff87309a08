"""A fix that makes a trained network invariant to poses: exact, kept, loaded, exported, said."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import neocog
from neocog.errors import ModelError, UsageError
from neocog.layers.symmetrized import GroupAverage
from neocog.models.data_of import source_of
from neocog.models.model import Model
from neocog.models.seen_samples import SeenSamples
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.features import _features, backbone_of
from neocog.runs.load import load, symmetrized_by
from neocog.runs.start import _symmetry_notes
from neocog.store.tensors import read_tensors
from neocog.store.weights import load_weights
from neocog.surgery.symmetrize import Symmetry, symmetrize
from neocog.symmetry.groups import group_of
from neocog.symmetry.poses import poses_of
from neocog.verbs.fix import Fixed, fix

SETTINGS = {
    "model.name": "convnet",
    "model.widths": [4, 8],
    "model.depths": [1, 1],
    "train.batch_size": 16,
    "machine.memory_format": "channels_last",
    "machine.precision": "float32",
}


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 32×32: bars across, bars down, noise; a quarter turn exchanges two classes."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 80, (96, 32, 32, 3)).astype(np.uint8)
    y = np.arange(96) % 3
    for i in range(96):
        at = int(rng.integers(4, 24))
        if y[i] == 0:
            x[i, at : at + 4] = 220
        if y[i] == 1:
            x[i, :, at : at + 4] = 220
    file = tmp_path_factory.mktemp("bars") / "bars.npz"
    np.savez(file, x_train=x[:64], y_train=y[:64], x_test=x[64:], y_test=y[64:])
    return file


@pytest.fixture(scope="module")
def run(bars: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a second."""
    place = tmp_path_factory.mktemp("run") / "run"
    neocog.train(bars, epochs=1, settings=SETTINGS, out=place)
    return place


@pytest.fixture(scope="module")
def stranger() -> Model:
    """A network from elsewhere, with drawn weights."""
    with pytest.warns(UserWarning, match="No weights were given"):
        return load("tests.verbs.strangers:hub", size=(3, 32, 32), mean=(0.5,), std=(0.5,))


def fixed(model: Any, bars: Path, out: Path, **options: Any) -> Fixed:
    usual = {"symmetry": "c4", "finetune": 0, "n": 20, "keep": "fixed"}
    return fix(model, bars, **{**usual, **options}, out=out)


def invariant(model: Model, group: str) -> bool:
    """Whether its outputs are the same to the bit in all poses."""
    x = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        base = model.module(x)
        return all(torch.equal(model.module(pose(x)), base) for pose in poses_of(group_of(group)))


def test_a_run_of_ours_becomes_invariant_and_stays_a_run(
    run: Path, bars: Path, tmp_path: Path
) -> None:
    done = fixed(run, bars, tmp_path / "fixed", symmetry="D4")
    again = load(tmp_path / "fixed")
    assert invariant(again, "d4")
    assert not invariant(load(run), "c4")
    assert isinstance(again.module.network, GroupAverage)
    assert again.card["symmetry"] == {"group": "d4", "by": "averaging"}
    assert again.card["network"] == load(run).card["network"]  # its downsampling is what it was
    assert again.evaluate(bars).accuracy == done.after.accuracy
    held = read_tensors(tmp_path / "fixed" / "model.safetensors")[0]
    assert held.keys() == read_tensors(run / "model.safetensors")[0].keys()
    assert done.after.shift["d4"].flip_rate == 0.0
    assert done.after.macs == 8 * done.before.macs
    assert done.aim == "d4"
    assert "under quarter turns and mirror images, accuracy upright" in done.headline
    assert any(note.startswith("The network runs on 8 poses") for note in done.notes)


def test_its_result_says_both_poses_and_cost(bars: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match="No weights were given"):
        linear = load("tests.verbs.strangers:make", size=(3, 32, 32), mean=(0.5,), std=(0.5,))
    done = fixed(linear, bars, tmp_path / "fixed")
    assert done.before.shift["c4"].flip_rate > 0.2  # type: ignore[operator]
    plain = json.loads(json.dumps(done.to_json()))
    assert plain["symmetry"]["group"] == "c4"
    assert plain["symmetry"]["flip_rate"]["candidate"] == 0.0
    assert plain["symmetry"]["flip_rate_ci"]["before"][0] < plain["symmetry"]["flip_rate"]["before"]
    posed = plain["symmetry"]["accuracy_in_a_random_pose"]
    assert posed["candidate"] == pytest.approx(done.after.shift["c4"].accuracy_shifted)
    assert plain["cost"]["macs"]["ratio"] == 4.0
    assert plain["replaced"] == [
        {
            "name": "symmetry",
            "was": "one pass, as the image comes",
            "now": "the mean over 4 poses, weighted by evidence: quarter turns",
            "group": "symmetry",
        }
    ]
    screen = done.first_screen().text()
    assert "accuracy in a random pose" in screen
    report = (tmp_path / "fixed" / "report.html").read_text()
    assert "rotated by" in report  # an image that no longer flips, in its two poses
    assert "in two poses, and what was predicted before" in report


def test_an_external_network_with_shifts_too_in_one_pass(
    stranger: Model, bars: Path, tmp_path: Path
) -> None:
    done = fixed(
        stranger, bars, tmp_path / "fixed", padding="circular", by="canonical", shift=("circular",)
    )
    again = load(tmp_path / "fixed")
    assert invariant(again, "c4")
    assert done.after.shift["c4"].consistency == done.after.shift["circular"].consistency == 1.0
    assert done.after.macs < 1.5 * done.before.macs  # a thin network; its poses are scored
    assert {r.name for r in done.replaced} > {"symmetry", "conv1"}
    x = torch.rand(4, 3, 32, 32)
    moved = torch.rot90(x, 1, (2, 3)).roll((5, 2), (2, 3))
    with torch.no_grad():
        torch.testing.assert_close(again.module(moved), again.module(x), rtol=0, atol=1e-4)
    weights = tmp_path / "fixed" / "model.safetensors"
    load("tests.verbs.strangers:hub", weights=weights, size=(3, 32, 32), mean=(0.5,), std=(0.5,))


def test_it_is_fine_tuned_in_all_poses(run: Path, bars: Path, tmp_path: Path) -> None:
    done = fixed(run, bars, tmp_path / "fixed", finetune=2, lr=0.02)
    assert done.finetune["epochs"] == 2
    assert done.finetune["consistency_weight"] == 0.0
    assert any(v["what"] == "fine-tuned" for v in done.finetune["looks"])
    assert all(v["consistency"] == 1.0 for v in done.finetune["looks"])
    assert invariant(load(tmp_path / "fixed"), "c4")


def test_every_verb_takes_it(run: Path, bars: Path, tmp_path: Path) -> None:
    fixed(run, bars, tmp_path / "fixed")
    model = load(tmp_path / "fixed")
    exported = model.export(tmp_path / "whole.pt2")
    assert exported.max_abs_difference < 1e-5
    assert invariant(load(tmp_path / "whole.pt2"), "c4")
    model.export(tmp_path / "state.pt")
    held = torch.load(tmp_path / "state.pt", weights_only=True)["state_dict"]
    assert held.keys() == load(run).module.network.state_dict().keys()
    audit = model.audit(bars, n=4, shift=("circular",)).audit
    known = {*dict(load(run).module.network.named_modules()), "the whole network"}
    assert {e.name for e in audit.layers} <= known  # each once, in the upright pose
    assert model.summary().cost.macs == 4 * load(run).summary().cost.macs
    fields = [m.summary().fields.layers[-1].receptive_field for m in (model, load(run))]
    assert fields[0] == fields[1]


@pytest.mark.slow
def test_what_is_fixed_again(run: Path, bars: Path, tmp_path: Path) -> None:
    fixed(run, bars, tmp_path / "once")
    with pytest.raises(ModelError, match=r"invariant once, and this one is by averaging over C4"):
        fixed(tmp_path / "once", bars, tmp_path / "twice", symmetry="d4")
    fixed(tmp_path / "once", bars, tmp_path / "blur", symmetry="", downsampling="blur")
    both = load(tmp_path / "blur")
    assert both.card["symmetry"] == {"group": "c4", "by": "averaging"}
    assert both.card["network"]["options"]["downsampling"] == "blur"
    assert invariant(both, "c4")


def test_wrong_use(run: Path, bars: Path, tmp_path: Path) -> None:
    out = tmp_path / "fixed"
    with pytest.raises(UsageError, match=r"A symmetry is c or d with a number of rotations"):
        fixed(run, bars, out, symmetry="p4")
    with pytest.raises(UsageError, match=r"infinitely many. The nearest that works is c16"):
        fixed(run, bars, out, symmetry="so2")
    with pytest.raises(UsageError, match=r"`by` is how a network is made invariant, got `vote`"):
        fixed(run, bars, out, by="vote")
    with pytest.raises(UsageError, match=r"`layers` names downsamplers, and none is replaced"):
        fixed(run, bars, out, layers=["stem.conv"])
    with pytest.raises(UsageError, match=r"`rank_layers` tries downsamplers"):
        fixed(run, bars, out, rank_layers=True)
    assert not out.exists()


def test_weights_of_it_are_used_with_their_symmetry_or_a_note(
    run: Path, bars: Path, tmp_path: Path
) -> None:
    fixed(run, bars, tmp_path / "fixed", symmetry="d4")
    model = load(tmp_path / "fixed")
    model.export(tmp_path / "state.pt")
    assert torch.load(tmp_path / "state.pt", weights_only=True)["symmetry"] == {
        "group": "d4", "by": "averaging",
    }  # fmt: skip
    inner = copy.deepcopy(model.module.network.inner)
    for values in inner.state_dict().values():
        values.zero_()
    load_weights(inner, tmp_path / "state.pt")
    again = symmetrized_by(inner, tmp_path / "state.pt", model.spec)
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(again.eval()(x), model.module.network(x))
    for init in (tmp_path / "fixed", tmp_path / "fixed" / "model.safetensors"):
        (note,) = _symmetry_notes(init)
        assert "was made invariant to d4" in note
        assert "`--symmetry d4 --by averaging`" in note
    assert _symmetry_notes(run) == []
    normed = source_of(model, str(bars)).split("train")
    model = replace(model, recall=lambda: SeenSamples.of(None, recalibrated=normed))
    notes = " ".join(model.evaluate(f"{bars}:train").notes)
    assert f"recalibrated on {len(normed)} of these {len(normed)} samples, without labels" in notes
    assert "trained on" not in notes


@pytest.mark.parametrize("by", ["averaging", "canonical"])
def test_features_of_it_are_invariant(run: Path, by: str) -> None:
    made = load(run).module
    plain = backbone_of(made, "run")
    network = symmetrize(made.network, Symmetry("c4", by), made.spec)
    backbone = backbone_of(SpecifiedNetwork(network, made.spec).eval(), "fixed")
    assert (backbone.head, backbone.width) == (plain.head, plain.width)
    x = torch.rand(2, 3, 32, 32)
    features = _features(backbone, x)
    assert features.shape == (2, plain.width)
    assert torch.equal(_features(backbone, torch.rot90(x, 1, (2, 3))), features)


@pytest.mark.slow
def test_lower_accuracy_upright_is_not_called_good(
    stranger: Model, bars: Path, tmp_path: Path
) -> None:
    done = fixed(stranger, bars, tmp_path / "fixed")
    seen = load(tmp_path / "fixed").seen()
    assert len(seen.train) == 0  # nothing was fine-tuned
    assert (len(seen.recalibrated) > 0) == (done.finetune["chosen"]["what"] == "recalibrated")
    done = replace(done, better=True)
    lower = replace(done, accuracy=(-0.1, -0.2, -0.01)).first_screen()
    even = replace(done, accuracy=(-0.1, -0.2, 0.01)).first_screen()
    assert (lower.level, even.level) == ("open", "good")
    assert "worse upright" in lower.badge
