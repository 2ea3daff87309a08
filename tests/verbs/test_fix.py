"""Fixing a run of ours and a stranger's network: what is kept, what is said, what is refused."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import neocog
from neocog.data.open import open_data
from neocog.data.split import Split
from neocog.errors import ModelError, RunError, UsageError
from neocog.models.model import Model
from neocog.runs.finetune import tune
from neocog.runs.folder import RunFolder
from neocog.runs.load import load
from neocog.runs.session import TrainingProgress
from neocog.store.exported import save_exported
from neocog.store.tensors import read_tensors
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
    """Images of 32×32: bars across, bars down, noise."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 80, (144, 32, 32, 3)).astype(np.uint8)
    y = np.arange(144) % 3
    for i in range(144):
        at = int(rng.integers(4, 24))
        if y[i] == 0:
            x[i, at : at + 4] = 220
        if y[i] == 1:
            x[i, :, at : at + 4] = 220
    file = tmp_path_factory.mktemp("bars") / "bars.npz"
    np.savez(file, x_train=x[:96], y_train=y[:96], x_test=x[96:], y_test=y[96:])
    return file


@pytest.fixture(scope="module")
def run(bars: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a second."""
    place = tmp_path_factory.mktemp("run") / "run"
    neocog.train(bars, epochs=2, settings=SETTINGS, out=place)
    return place


@pytest.fixture(scope="module")
def stranger() -> Model:
    """A network from elsewhere, with drawn weights."""
    size, gray = (3, 32, 32), (0.5,)
    with pytest.warns(UserWarning, match="No weights were given"):
        return load("tests.verbs.strangers:hub", size=size, mean=gray, std=gray)


def fixed(model: Any, bars: Path, out: Path, **options: Any) -> Fixed:
    """Kept whatever it is; what is better is told apart in tests/field."""
    usual = {
        "downsampling": "polyphase",
        "finetune": 1,
        "n": 20,
        "shift": ("circular",),
        "keep": "fixed",
    }
    return fix(model, bars, **{**usual, **options}, out=out)


@pytest.fixture(scope="module")
def circular(
    run: Path, bars: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Fixed, list[Any]]:
    """The run with borders that wrap around, and what was said on the way."""
    events: list[Any] = []
    out = tmp_path_factory.mktemp("circular") / "fixed"
    before = (run / "model.safetensors").read_bytes()
    done = fixed(run, bars, out, padding="circular", progress=events.append)
    assert (run / "model.safetensors").read_bytes() == before
    return done, events


def check_estimates(done: Fixed, events: list[Any]) -> None:
    at = next(i for i, e in enumerate(events) if str(e).startswith("before training: MACs"))
    assert all(isinstance(e, str) for e in events[:at])
    assert any(not isinstance(e, str) for e in events[at:])
    assert f"({done.candidate.macs / done.before.macs:.2f}×)" in events[at]
    assert "validation samples circular consistency" in events[at]


def test_cost_and_gain_are_estimated_before_anything_is_trained(
    circular: tuple[Fixed, list[Any]], run: Path, bars: Path, tmp_path: Path
) -> None:
    done, events = circular
    check_estimates(done, events)
    assert done.candidate.macs == done.before.macs
    events = []
    done = fixed(run, bars, tmp_path / "fixed", progress=events.append)
    check_estimates(done, events)
    assert done.candidate.macs > done.before.macs  # where the border does not wrap


def test_a_run_of_ours_comes_out_as_a_run_of_ours(
    circular: tuple[Fixed, list[Any]], run: Path, bars: Path
) -> None:
    done, _ = circular
    place = Path(done.run)
    again = load(place)
    assert again.card["network"]["options"]["downsampling"] == "polyphase"
    assert again.card["network"]["options"]["padding"] == "circular"
    assert again.evaluate(bars).accuracy == done.after.accuracy
    assert again.card["metrics"]["test"]["accuracy"] == done.after.accuracy
    assert [r.name for r in done.replaced] == ["stem.conv", "stage2.0"]
    assert not done.skipped
    assert done.after.shift["circular"].consistency == 1.0
    assert done.after.macs == done.before.macs  # the phase is chosen before the operators run
    assert done.after.params == done.before.params
    assert done.before.ms > 0
    recipe = (place / "recipe.toml").read_text()
    assert f'init = "{run}"' in recipe
    assert "epochs = 1.0" in recipe
    assert "batch_size = 20" in recipe  # ten of eighty samples, each shown twice
    assert done.finetune["epochs"] == 1
    assert "Fixed" in (place / "report.html").read_text()


def test_all_shifts_with_wrap_around_is_answered_alike(circular: tuple[Fixed, list[Any]]) -> None:
    done, _ = circular
    assert done.model is not None
    x = torch.rand(1, 3, 32, 32)
    moved = torch.cat([torch.roll(x, (i, j), (2, 3)) for i in range(32) for j in range(32)])
    with torch.no_grad():
        answers = torch.cat([done.model.module(part) for part in moved.split(128)])
    torch.testing.assert_close(answers, answers[:1].expand_as(answers), rtol=0, atol=1e-5)


def test_the_same_seed_gives_the_same_weights(run: Path, bars: Path, tmp_path: Path) -> None:
    files, looks = [], []
    for name in ("one", "two"):
        done = fixed(run, bars, tmp_path / name, downsampling="blur", seed=3)
        files.append((tmp_path / name / "model.safetensors").read_bytes())
        looks.append(done.finetune["looks"])
    assert files[0] == files[1]
    assert looks[0] == looks[1]


@pytest.mark.slow
def test_a_steady_fine_tune_is_another_one(run: Path, bars: Path, tmp_path: Path) -> None:
    """What it does to the answers is held by tests/training/test_steady.py."""
    losses = []
    for steady in (0.0, 15.0):
        done = fixed(
            run, bars, tmp_path / str(steady), downsampling="blur", consistency_weight=steady
        )
        assert done.to_json()["finetune"]["consistency_weight"] == steady
        losses.append(RunFolder(tmp_path / str(steady)).metrics()[-1]["train_loss"])
    assert losses[0] != losses[1]


def test_without_a_fine_tune_the_weights_stay(run: Path, bars: Path, tmp_path: Path) -> None:
    """Running statistics of batch norms alone are others, where that is better."""
    done = fixed(run, bars, tmp_path / "fixed", downsampling="blur", finetune=0)
    now, then = load(tmp_path / "fixed").module, load(run).module.state_dict()
    assert all(torch.equal(v, then[k]) for k, v in now.named_parameters())
    held = dict(now.named_buffers())
    moved = {k for k, v in held.items() if k in then and not torch.equal(v, then[k])}
    assert all(k.endswith(("running_mean", "running_var")) for k in moved)
    assert bool(moved) == (done.finetune["chosen"]["what"] == "recalibrated")
    assert done.finetune["epochs"] == 0


def test_a_strangers_network_is_kept_as_a_program_and_as_weights(
    stranger: Model, bars: Path, tmp_path: Path
) -> None:
    before = {k: v.clone() for k, v in stranger.module.state_dict().items()}
    done = fixed(stranger, bars, tmp_path / "fixed", padding="circular", rank_layers=True)
    assert all(torch.equal(v, before[k]) for k, v in stranger.module.state_dict().items())
    again = load(tmp_path / "fixed")
    assert again.spec.classes == ("0", "1", "2")
    assert again.evaluate(bars).accuracy == done.after.accuracy
    assert done.after.shift["circular"].consistency == 1.0
    assert {r.group for r in done.replaced} == {"conv1", "maxpool", "layer2.0.conv1"}
    assert {a.group for a in done.advice} == {"conv1", "maxpool", "layer2.0.conv1"}
    assert again.card["fixed"]["downsampling"] == "polyphase"
    assert again.card["parity"] <= 1e-5
    weights = tmp_path / "fixed" / "model.safetensors"
    with_weights = load(
        "tests.verbs.strangers:hub", weights=weights, size=(3, 32, 32), mean=(0.5,), std=(0.5,)
    )
    tuned = read_tensors(weights)[0]
    assert {f"network.{name}" for name in tuned} == before.keys()
    now = with_weights.module.state_dict()
    assert all(torch.equal(now[f"network.{k}"], v) for k, v in tuned.items())


@pytest.mark.slow
def test_a_program_is_fixed_and_what_is_fixed_is_not_fixed_again(
    stranger: Model, bars: Path, tmp_path: Path
) -> None:
    network, file = stranger.module.network, tmp_path / "hub.pt2"
    save_exported(network, file, torch.randn(2, 3, 32, 32))
    program = load(file, size=(3, 32, 32), mean=(0.5,), std=(0.5,))
    done = fixed(program, bars, tmp_path / "once", padding="circular", finetune=0)
    assert len(done.replaced) == 4
    assert done.after.shift["circular"].consistency == 1.0
    with pytest.raises(ModelError, match=r"nothing can be replaced"):
        fixed(tmp_path / "once", bars, tmp_path / "twice")


def test_its_result_in_json_is_plain(stranger: Model, bars: Path, tmp_path: Path) -> None:
    done = fixed(
        stranger, bars, tmp_path / "fixed", downsampling="blur", finetune=0.5, rank_layers=True
    )
    plain = json.loads(json.dumps(done.to_json()))
    assert set(plain["replaced"][0]) == {"name", "was", "now", "group"}
    assert set(plain["after"]) >= {"accuracy", "shift", "macs", "ms", "memory"}
    assert plain["after"]["shift"]["circular"]["n"] == 20
    assert plain["run"] == str(tmp_path / "fixed")
    assert plain["finetune"]["epochs"] == 0.5
    assert set(plain["rank_layers"][0]) == {"group", "members", "flips", "macs", "gain"}
    gains = [a["gain"] / a["macs"] for a in plain["rank_layers"] if a["macs"] > 0]
    assert len(gains) > 1
    assert gains == sorted(gains, reverse=True)


@pytest.mark.slow
def test_only_one_group(stranger: Model, bars: Path, tmp_path: Path) -> None:
    done = fixed(stranger, bars, tmp_path / "fixed", layers=["maxpool"], finetune=0)
    assert [r.name for r in done.replaced] == ["maxpool"]


@pytest.mark.slow
def test_what_is_measured_or_chosen_on_is_not_learned_from(
    stranger: Model, bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: dict[str, int] = {}

    def counted(model: Any, split: Split, *rest: Any, **how: Any) -> Any:
        learned["now"] = len(split)
        yield from tune(model, split, *rest, **how)

    monkeypatch.setattr("neocog.runs.finetune_search.tune", counted)
    splits = {k: len(v) for k, v in open_data(bars).splits.items()}
    assert splits["val"]
    held_out = {"test": 0, "val": round(0.1 * splits["train"])}
    for name, fewer in held_out.items():
        place = f"{bars}:{name}"
        done = fixed(stranger, place, tmp_path / name, downsampling="blur", finetune=0.5)
        assert abs(learned["now"] - (splits["train"] - fewer)) <= 12  # as by tossing coins
        assert done.after.n == splits[name]
    with pytest.raises(UsageError, match=r"names the training samples. Use DATA:val"):
        fix(stranger, f"{bars}:train", out=tmp_path / "train")
    assert not (tmp_path / "train").exists()


def test_a_network_that_looks_at_values_is_kept_as_weights(bars: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="No weights were given"):
        opened = load("tests.verbs.strangers:wayward", size=(3, 32, 32), mean=(0.5,), std=(0.5,))
    done = fixed(opened, bars, tmp_path / "fixed", downsampling="blur", finetune=0)
    assert done.model is None
    assert any("cannot be saved as a program" in note for note in done.notes)
    assert (tmp_path / "fixed" / "model.safetensors").is_file()


def test_a_stop_keeps_what_was_reached(
    run: Path, bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(model: Any, split: Any, recipe: Any, told: TrainingProgress, **how: Any) -> Any:
        for step in tune(model, split, recipe, told, **how):
            yield step
            told.interrupted = True
            told.rows = [{"epoch": 1}]
            break

    monkeypatch.setattr("neocog.runs.finetune_search.tune", stopped)
    with pytest.raises(KeyboardInterrupt, match="is kept in"):
        fixed(run, bars, tmp_path / "fixed")
    kept = load(tmp_path / "fixed").card
    assert kept["network"]["options"]["downsampling"] == "polyphase"
    assert kept["fixed"]["finetune"]["stopped"] == "it was interrupted"


def test_wrong_use(run: Path, bars: Path, tmp_path: Path) -> None:
    out = tmp_path / "fixed"
    with pytest.raises(UsageError, match=r"another downsampling than `stride`"):
        fixed(run, bars, out, downsampling="stride")
    with pytest.raises(UsageError, match=r"`finetune` is a number of epochs, at least 0, got -1"):
        fixed(run, bars, out, finetune=-1)
    with pytest.raises(UsageError, match=r"`budget` is a number of seconds above 0, got 0"):
        fixed(run, bars, out, budget=0)
    with pytest.raises(
        UsageError, match=r"`best` is not a choice of what to keep. Known: `better`"
    ):
        fixed(run, bars, out, keep="best")
    with pytest.raises(UsageError, match=r"`lr` is a positive learning rate, got -1"):
        fixed(run, bars, out, lr=-1)
    with pytest.raises(UsageError, match=r"`consistency_weight` is a weight, at least 0, got nan"):
        fixed(run, bars, out, consistency_weight=float("nan"))
    with pytest.raises(
        UsageError, match=r"`consistency_weight` only affects the fine-tune, and `finetune` is 0"
    ):
        fixed(run, bars, out, consistency_weight=5.0, finetune=0)
    with pytest.raises(UsageError, match=r"`zoom` is not a kind of shift. Known: `circular`"):
        fixed(run, bars, out, shift=("zoom",))
    with pytest.raises(UsageError, match=r"`conv9` is not a convertible group"):
        fixed(run, bars, out, layers=["conv9"])
    assert not out.exists()
    out.mkdir()
    (out / "mine").touch()
    with pytest.raises(RunError, match=r"is not empty"):
        fixed(run, bars, out)
    with pytest.raises(RunError, match=r"is not empty"):
        fixed(run, bars, out, overwrite=True)


def test_a_black_box_is_refused(stranger: Model, bars: Path, tmp_path: Path) -> None:
    box = dataclasses.replace(stranger, black_box=True)
    with pytest.raises(UsageError, match=r"is a black box. Fix the network that it was exported"):
        fixed(box, bars, tmp_path / "fixed")


@pytest.mark.slow
def test_what_is_fixed_already(run: Path, bars: Path, tmp_path: Path) -> None:
    once = fixed(run, bars, tmp_path / "once", downsampling="blur", finetune=0)
    with pytest.raises(UsageError, match=r"has downsampling blur already"):
        fixed(tmp_path / "once", bars, tmp_path / "twice", downsampling="blur")
    other = fixed(tmp_path / "once", bars, tmp_path / "other", finetune=0)
    assert once.replaced
    assert other.after.macs == once.after.macs - blurred(once)
    again = fixed(tmp_path / "once", bars, tmp_path / "over", downsampling="ideal", finetune=0)
    over = fixed(run, bars, tmp_path / "over", downsampling="blur", finetune=0, overwrite=True)
    assert again.run == over.run
    assert load(tmp_path / "over").card["network"]["options"]["downsampling"] == "blur"


def test_a_fix_replaces_any_other(
    circular: tuple[Fixed, list[Any]], run: Path, stranger: Model, bars: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(circular[0].run, tmp_path / "over")
    assert (out / "recipe.toml").exists()
    fixed(stranger, bars, out, downsampling="blur", finetune=0, overwrite=True)
    assert not (out / "recipe.toml").exists()
    assert (out / "model.pt2").exists()
    fixed(run, bars, out, downsampling="ideal", finetune=0, overwrite=True)
    assert not (out / "model.pt2").exists()
    assert load(out).card["fixed"]["downsampling"] == "ideal"
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "model.json").write_text('{"format": 1}')
    with pytest.raises(RunError, match=r"is not empty"):
        fixed(stranger, bars, mine, overwrite=True)


def blurred(done: Fixed) -> int:
    """What the blurs themselves cost."""
    return done.after.macs - done.before.macs - extra(done)


def extra(done: Fixed) -> int:
    """The strided stem at stride 1: four times as many products, three times more than before."""
    return 3 * 16 * 16 * 4 * 3 * 25


def test_what_drops_no_samples(bars: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="No weights were given"):
        opened = load("tests.verbs.strangers:make", size=(3, 32, 32), mean=(0.5,), std=(0.5,))
    with pytest.raises(ModelError, match=r"nothing can be replaced: it has none"):
        fixed(opened, bars, tmp_path / "fixed")
