"""One process writes into a run folder at a time: nobody holds what another holds."""

import multiprocessing
import os
import signal
import stat
import time
from itertools import pairwise
from pathlib import Path

import pytest

from neocog.errors import RunError
from neocog.runs.claim import claimed
from neocog.runs.folder import RunFolder
from neocog.runs.recipe import Recipe

SECONDS = 1.5
"""That three processes contend."""


def _contend(run: Path, log: Path, way: str) -> None:
    """Have the folder as often as possible; note when it was had, by a clock that all share."""
    refused: set[str] = set()
    holds, end = [], time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            with claimed(run, overwrite=way == "replaced", resume=way == "kept") as claim:
                begun = time.monotonic()
                if way == "replaced":
                    claim.begin(Recipe())
                    claim.finish()
                else:
                    time.sleep(0.0005)
                holds.append(f"{begun} {time.monotonic()}\n")
        except RunError as e:
            refused.add(str(e).partition(",")[0])
    assert refused <= {"Only one process can write to a run"}
    log.write_text("".join(holds))


@pytest.mark.parametrize("way", ["made", "kept", "replaced"])
def test_three_contenders_never_hold_it_together(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    if way != "made":  # else the folder comes and goes with its holder
        RunFolder(run).write_recipe(Recipe())
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["neocog.runs.claim"])
    logs = [tmp_path / f"{n}.log" for n in range(3)]
    processes = [context.Process(target=_contend, args=(run, log, way)) for log in logs]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    spans = sorted(
        tuple(map(float, line.split())) for log in logs for line in log.read_text().splitlines()
    )
    assert len(spans) > 20
    assert sum(bool(log.read_text()) for log in logs) > 1, "nobody contended"
    assert not [a for a, b in pairwise(spans) if b[0] < a[1]]
    assert {p.name for p in tmp_path.iterdir()} - {"run"} == {log.name for log in logs}


def test_a_killed_holder_frees_it(tmp_path: Path) -> None:
    RunFolder(tmp_path).write_recipe(Recipe())
    context = multiprocessing.get_context("forkserver")
    here, there = context.Pipe()
    process = context.Process(target=_hold, args=(tmp_path, there))
    process.start()
    assert here.recv() == "held"
    with pytest.raises(RunError, match="Only one process"), claimed(tmp_path, resume=True):
        pass
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    with claimed(tmp_path, resume=True):
        pass


def _hold(run: Path, pipe: object) -> None:
    with claimed(run, resume=True):
        pipe.send("held")  # type: ignore[attr-defined]
        time.sleep(60)


def test_a_run_in_use_is_read_by_all(tmp_path: Path) -> None:
    RunFolder(tmp_path).write_recipe(Recipe())
    with claimed(tmp_path, resume=True):
        assert RunFolder.open(tmp_path).recipe == Recipe()


def test_a_folder_that_may_not_be_written_is_read_and_refused_at_once(tmp_path: Path) -> None:
    run = tmp_path / "run"
    RunFolder(run).write_recipe(Recipe())
    mode = stat.S_IMODE(run.stat().st_mode)
    run.chmod(0o555)
    try:
        assert RunFolder.open(run).recipe == Recipe()
        if not os.access(run, os.W_OK):  # root may write in spite of it
            with pytest.raises(RunError, match="can be written"), claimed(run, resume=True):
                pass
    finally:
        run.chmod(mode)
