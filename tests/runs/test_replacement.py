"""A run is replaced: killed at any moment, the folder is the old run or the new one, whole."""

import json
import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from neocog.errors import ModelError, RunError
from neocog.networks.catalog import build
from neocog.runs.claim import claimed
from neocog.runs.folder import RunFolder
from neocog.runs.load import load
from neocog.runs.recipe import Provenance, Recipe, TrainConfig
from neocog.runs.replacement import beside
from neocog.types import InputSpec, ModelSpec
from neocog.verbs.train import resume, train

EVENTS = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree",
          "tempfile.mkdtemp", "tempfile.mkstemp", "os.chmod", "os.truncate")  # fmt: skip
"""What changes a folder, as Python reports it before it does it."""


SIGNAL = InputSpec(channels=1, size=(28, 28), mean=(0.5,), std=(0.25,))
CONTRACT = ModelSpec(task="classify", classes=("a", "b"), input=SIGNAL)
CARD = {"neocog": "0", "spec": CONTRACT.to_json(), "network": {"name": "dense", "options": {}}}


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kill leaves does not depend on it, and it takes most of the time."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def write(folder: RunFolder, seed: int, command: str = "train") -> None:
    """All files of a finished run whose every part says `seed`."""
    provenance = Provenance(command=command)
    folder.write_recipe(Recipe(train=TrainConfig(seed=seed), provenance=provenance))
    folder.write_weights({"w": torch.full((2, 2), float(seed))}, durable=False)
    folder.write_metrics([{"seed": seed}], durable=False)
    folder.write_checkpoint({"w": torch.full((2,), float(seed))}, {"seed": seed}, durable=False)
    folder.write_card(CARD | {"metrics": {"seed": seed}})


def seed_of(run: Path) -> int:
    """Of a run of which every part must say the same."""
    folder = RunFolder.open(run)
    kept = folder.checkpoint()
    assert kept is not None
    seeds = {
        folder.recipe.train.seed, int(folder.weights()["w"][0, 0]), kept[1]["seed"],
        folder.metrics()[0]["seed"], folder.card()["metrics"]["seed"],
    }  # fmt: skip
    assert len(seeds) == 1
    return seeds.pop()


def training(run: Path) -> None:
    with claimed(run, overwrite=True) as claim:
        folder = claim.begin(Recipe(train=TrainConfig(seed=2)))
        write(folder, 2)
        claim.finish()


def fixing(run: Path) -> None:
    with claimed(run, overwrite=True) as claim:
        write(claim.aside(), 2, "fix")
        claim.finish()


def counted(work: Callable[[], None], die_at: int) -> tuple[int, int]:
    """Do it in a process that dies before change number `die_at`; its status, and all changes."""
    read, send = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the child makes no use of other threads
        child = os.fork()
    if not child:
        changes = 0

        def count(event: str, values: tuple[Any, ...]) -> None:
            nonlocal changes
            opens = event == "open" and not (isinstance(values[2], int) and values[2] & 3)
            if event in EVENTS and not opens:
                changes += 1
                if changes == die_at:
                    os._exit(9)

        sys.addaudithook(count)
        try:
            work()
            os.write(send, json.dumps(changes).encode())
        except BaseException:
            os._exit(1)
        os._exit(0)
    os.close(send)
    _, status = os.waitpid(child, 0)
    text = os.read(read, 100)
    os.close(read)
    return os.waitstatus_to_exitcode(status), json.loads(text) if text else 0


@pytest.mark.parametrize("work", [training, fixing])
def test_killed_at_any_change_it_is_the_old_run_or_the_new_one(
    work: Callable[[Path], None], tmp_path: Path
) -> None:
    seen, taken_up, die_at, status = [], [], 0, 9
    while status:
        die_at += 1
        run = tmp_path / str(die_at) / "run"
        write(RunFolder(run), 1)
        (run / "notes.txt").write_text("mine")
        status, _ = counted(lambda run=run: work(run), die_at)  # type: ignore[misc]
        assert status in (0, 9)
        seen.append(seed_of(run))
        if work is training or seen[-1] == 1:
            with claimed(run, resume=True) as claim:
                taken_up.append(claim.folder.recipe.train.seed)
        else:
            with pytest.raises(RunError, match="the result of a fix"), claimed(run, resume=True):
                pass
        work(run)  # once more, undisturbed
        assert seed_of(run) == 2
        assert (run / "notes.txt").read_text() == "mine"
        assert [p.name for p in run.parent.iterdir()] == ["run"]
    assert die_at > 15, "too few changes were counted"
    # Once new, it is never old again; a training is taken up from early on.
    assert seen == sorted(seen)
    assert set(seen) == {1, 2}
    assert taken_up == sorted(taken_up)
    assert (seen + [2] * len(taken_up)).count(1) > 1
    if work is training:
        assert taken_up.count(2) > seen.count(2)


def test_a_fix_killed_before_its_end_is_nothing(tmp_path: Path) -> None:
    def work(run: Path) -> None:
        with claimed(run) as claim:
            write(claim.aside(), 2, "fix")
            claim.finish()

    die_at, status = 0, 9
    while status:
        die_at += 1
        run = tmp_path / str(die_at) / "run"
        run.parent.mkdir()
        status, _ = counted(lambda run=run: work(run), die_at)  # type: ignore[misc]
        try:
            assert seed_of(run) == 2
        except RunError:
            work(run)
            assert seed_of(run) == 2
        left = {p.name for p in run.parent.iterdir()}
        assert left == {"run"}
    assert die_at > 12


def test_what_is_replaced_works_until_then(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write(RunFolder(run), 1)
    with claimed(run, overwrite=True) as claim:
        write(claim.begin(Recipe()), 2)
        assert seed_of(run) == 1
        claim.finish()
        assert seed_of(run) == 2
        with pytest.raises(RunError, match="Only one process"), claimed(run, overwrite=True):
            pass


def test_a_stopped_replacement_is_taken_up_and_not_lost(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write(RunFolder(run), 1)
    with claimed(run, overwrite=True) as claim:
        write(claim.begin(Recipe()), 2)
    assert seed_of(run) == 1
    for words in ("replaces the run", "--resume", "--overwrite"):
        with pytest.raises(RunError, match=words), claimed(run):
            pass
    with claimed(run, resume=True) as claim:
        assert claim.folder.metrics() == [{"seed": 2}]
        claim.finish()
    assert seed_of(run) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_a_stopped_replacement_outlives_what_it_replaces(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write(RunFolder(run), 1)
    with claimed(run, overwrite=True) as claim:
        write(claim.begin(Recipe()), 2)
    shutil.rmtree(run)
    with pytest.raises(RunError, match=r"exists\. Continue that with `neocog train --resume"):
        RunFolder.open(run)
    with pytest.raises(RunError, match="that replaces the run"), claimed(run):
        pass
    with claimed(run, resume=True) as claim:
        claim.finish()
    assert seed_of(run) == 2


def test_a_link_to_a_run_stays_a_link(tmp_path: Path) -> None:
    write(RunFolder(tmp_path / "real" / "run"), 1)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "run")
    training(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert seed_of(tmp_path / "real" / "run") == 2


def test_names_that_are_patterns(tmp_path: Path) -> None:
    for name in ("a[1]*?", "[", ".hidden", "a b"):
        other = beside(tmp_path / name, "x.part")
        other.mkdir()
        write(RunFolder(tmp_path / name), 1)
        training(tmp_path / name)
        assert seed_of(tmp_path / name) == 2
        assert not other.exists()


@pytest.mark.parametrize("name", ["run.2", "run.part", "run.new.x"])
def test_what_another_run_is_written_into_is_let_alone(tmp_path: Path, name: str) -> None:
    """Its name may begin like that of this one."""
    with claimed(tmp_path / name) as other:
        write(other.aside(), 3, "fix")
        with claimed(tmp_path / "run") as claim:
            write(claim.aside(), 2, "fix")
            claim.finish()
        other.finish()
    assert seed_of(tmp_path / name) == 3
    assert seed_of(tmp_path / "run") == 2


@pytest.mark.parametrize("at", [".next", ".old"])
def test_a_run_whose_renaming_was_killed_is_found_by_who_only_reads(
    tmp_path: Path, at: str
) -> None:
    run = tmp_path / "run"
    write(RunFolder(beside(run, "next")), 2)
    if at == ".old":
        write(RunFolder(beside(run, "old")), 1)
    assert seed_of(run) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_a_run_that_is_replaced_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never the spec of one and the weights of the other."""
    run, times = tmp_path / "run", [1]

    def made(hidden: int) -> None:
        model = build(
            "dense", num_classes=2, in_channels=1, size=(28, 28), options={"hidden": (hidden,)}
        )
        with claimed(run, overwrite=True) as claim:
            folder = claim.begin(Recipe())
            folder.write_weights(model.state_dict())
            network = {"name": "dense", "options": {"hidden": [hidden]}}
            folder.write_card(CARD | {"network": network})
            claim.finish()

    whole = RunFolder.card

    def card(folder: RunFolder) -> dict[str, Any]:
        found = whole(folder)
        if times and times.pop():
            made(9)
        return found

    made(5)
    monkeypatch.setattr(RunFolder, "card", card)
    assert load(run).module.network.state_dict()["layers.1.weight"].shape[0] == 9
    times.extend([1] * 20)
    with pytest.raises(RunError, match="was replaced 3 times"):
        load(run)


# ---- what a fix left


def test_the_result_of_a_fix_is_no_training(tmp_path: Path) -> None:
    """Of a network of ours, of one from elsewhere, and where weights alone could be kept."""
    for kind in ("ours", "program", "weights"):
        run = tmp_path / kind
        folder = RunFolder(run)
        folder.write_weights({"w": torch.ones(1)})
        if kind == "ours":
            folder.write_recipe(Recipe())  # of a neocog that did not note the command
        if kind == "program":
            (run / "model.pt2").write_bytes(b"a program")
        fixed = {"from": "runs/a b", "downsampling": "blur"}
        folder.write_card(CARD | {"metrics": {"n": 1}, "fixed": fixed, "data": {"path": "d"}})
        before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
        command = f"`neocog fix 'runs/a b' d --overwrite --out {run}`"
        words = "has only weights" if kind == "weights" else command
        with pytest.raises(RunError, match=re.escape(words)):
            resume(run)
        with pytest.raises(RunError, match="Choose another with --out, or replace the run with"):
            train("digits", out=run)
        assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("kind", ["nothing", "empty", "a file", "other files", "no card"])
def test_what_cannot_be_taken_up_is_said_with_what_to_do(kind: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    if kind != "nothing":
        run.mkdir()
    if kind == "a file":
        run.rmdir()
        run.write_text("mine")
    if kind == "other files":
        (run / "thesis.txt").write_text("mine")
    if kind == "no card":
        RunFolder(run).write_recipe(Recipe(provenance=Provenance(command="fix")))
    words = {"no card": "run the command that made it, with --overwrite"}
    with pytest.raises(RunError, match=words.get(kind, "train one with `neocog train DATA`")):
        resume(run)
    assert run.exists() == (kind != "nothing")


def test_a_run_whose_model_json_cannot_be_read_is_not_trained_over(tmp_path: Path) -> None:
    """Nobody knows what made it."""
    write(RunFolder(tmp_path / "run"), 1)
    (tmp_path / "run" / "model.json").write_text('{"format": 1, "fixed')
    with pytest.raises(ModelError, match=r"model\.json"):
        resume(tmp_path / "run")


def test_a_finished_training_without_its_checkpoint_is_not_begun_again(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write(RunFolder(run), 1)
    shutil.rmtree(run / "checkpoint")
    with pytest.raises(RunError, match=r"is finished, and its checkpoint was removed\. Repeat it"):
        resume(run)
    RunFolder(run).write_card(CARD)  # not finished: it begins again, from its recipe
    with claimed(run, resume=True) as claim:
        assert claim.folder.checkpoint() is None
