"""Two runs are compared only on samples that neither was trained on, by what the samples are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neocog.audits.config import AuditConfig
from neocog.errors import UsageError
from neocog.models.seen_samples import read_seen
from neocog.runs.load import load
from neocog.verbs.audit import audit
from neocog.verbs.train import train

QUICK = {
    "model.name": "lenet5_modern",
    "train.batch_size": 16,
    "train.epochs": 1.0,
    "train.ema_decay": 0.0,
    "machine.memory_format": "channels_last",
    "machine.precision": "float32",
}
ASKED = AuditConfig(
    shift=("circular",), map_max_shift=0, rotation=False, scale=False, elastic=False, layers=False
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))


def _make(root: Path, n: int, first: int = 0) -> Path:
    for i in range(first, first + n):
        path = root / ("cat", "dog")[i % 2] / f"{i:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        x = np.random.default_rng(i).integers(0, 256, (28, 28), np.uint8)
        Image.fromarray(x).save(path)
    return root


def _ids(run: Path, root: Path, split: str = "test") -> set[int]:
    found = load(run).samples(f"{root}:{split}").split.ids
    assert found is not None
    return set(found.tolist())


def test_a_run_keeps_the_ids_of_what_it_saw(tmp_path):
    root, run = _make(tmp_path / "set", 80), tmp_path / "run"
    train(root, settings=QUICK, out=run)
    seen = read_seen(run)
    assert seen is not None
    assert set(seen.train.tolist()) == _ids(run, root, "train")
    assert set(seen.val.tolist()) == _ids(run, root, "val")
    assert not set(seen.train.tolist()) & _ids(run, root)


def test_runs_of_two_seeds_meet_where_both_hold_out(tmp_path):
    root, a, b = _make(tmp_path / "set", 160), tmp_path / "a", tmp_path / "b"
    train(root, settings=QUICK, out=a)
    train(root, settings={**QUICK, "data.seed": 1, "data.size": (32, 32)}, out=b)
    both = _ids(a, root) & _ids(b, root)
    assert 0 < len(both) < len(_ids(a, root))
    found = audit(a, root, ASKED, baseline=b)
    assert found.other is not None
    assert found.audit.shift["circular"].n == found.other.shift["circular"].n == len(both)
    leaked = len(_ids(a, root) & _ids(b, root, "train"))
    said = " ".join(found.audit.notes)
    assert f"{leaked} of the {len(_ids(a, root))} test samples were trained on by `{b}`" in said
    assert f"Compared on {len(both)} samples held out by both." in said


def test_runs_of_one_seed_are_compared_on_all(tmp_path):
    root, a, b = _make(tmp_path / "set", 80), tmp_path / "a", tmp_path / "b"
    train(root, settings=QUICK, out=a)
    train(root, settings={**QUICK, "data.size": (32, 32)}, out=b)
    found = audit(a, root, ASKED, baseline=b)
    assert found.audit.shift["circular"].n == len(_ids(a, root)) == len(_ids(b, root))
    assert any("The models use images at 28 × 28 and 32 × 32" in n for n in found.audit.notes)
    assert "trained on by" not in " ".join(found.audit.notes)


def test_nothing_left_is_refused(tmp_path):
    root, a, b = _make(tmp_path / "set", 60), tmp_path / "a", tmp_path / "b"
    train(root, settings=QUICK, out=a)
    held = tmp_path / "held"
    model = load(a)
    for name in model.samples(root).split.names:
        (held / Path(name).parent).mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, held / name)
    (tmp_path / "other" / "train").mkdir(parents=True)
    shutil.copytree(held, tmp_path / "other" / "train", dirs_exist_ok=True)
    shutil.copytree(_make(tmp_path / "more", 20, 900), tmp_path / "other" / "val")
    train(tmp_path / "other", settings=QUICK, out=b)  # on a's very test samples
    with pytest.raises(UsageError, match="samples held out by both, and there are none"):
        audit(a, root, ASKED, baseline=b)
    scored = load(b).evaluate(root)
    assert "The model was trained on these samples." not in scored.notes or scored.n
    overlap = len(_ids(a, root))
    again = load(b).samples(f"{tmp_path / 'other'}:train")
    assert "The model was trained on these samples." in again.notes
    assert len(again.split) == overlap


def test_a_set_that_grew_says_how_many_were_trained_on(tmp_path):
    root, run = _make(tmp_path / "set", 60), tmp_path / "run"
    train(root, settings=QUICK, out=run)
    _make(root, 40, 500)
    notes = " ".join(load(run).evaluate(root).notes)
    assert "trained on" not in notes  # adding moves nothing, and this can be known
    card = json.loads((run / "model.json").read_text())
    card["data"]["seed"] = 3
    (run / "model.json").write_text(json.dumps(card))
    assert "samples: figures on them are optimistic" in " ".join(load(run).evaluate(root).notes)


def test_weights_of_a_training_before_count(tmp_path):
    root, a, b = _make(tmp_path / "set", 60), tmp_path / "a", tmp_path / "b"
    train(root, settings=QUICK, out=a)
    train(
        _make(tmp_path / "two", 60, 300),
        settings={**QUICK, "model.init": str(a), "data.seed": 5},
        out=b,
    )
    one, two = read_seen(a), read_seen(b)
    assert one is not None
    assert two is not None
    assert set(one.train.tolist()) < set(two.train.tolist())
