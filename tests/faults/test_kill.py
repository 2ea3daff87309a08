import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.faults.processes import SETTINGS, start, wait

from neocog.runs.folder import RunFolder
from neocog.runs.load import load

KILLS = 10


def readable(run: Path) -> None:
    """Every file of a run folder has either not been written or is whole."""
    if not (run / "recipe.toml").exists():
        assert all(p.name.startswith(".") for p in run.glob("*"))
        return
    folder = RunFolder.open(run)
    assert folder.recipe.model.name == "lenet5_modern"
    rows = folder.metrics()
    assert [r["epoch"] for r in rows] == list(range(1, len(rows) + 1))
    kept = folder.checkpoint()
    if kept is not None:
        assert kept[1]["step"] >= max((r["step"] for r in kept[1]["rows"]), default=1)
    if (run / "model.json").exists():
        load(run)
    if (run / "report.html").exists():
        assert (run / "report.html").read_text().endswith("</html>\n")


def same(one: Path, two: Path, *, epochs: int = 6) -> None:
    """Equal weights, bit for bit, and equal metrics, but for the times they took."""
    a, b = RunFolder(one).weights(), RunFolder(two).weights()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)
    clock = {"seconds", "images_per_second"}
    rows, others = (
        [{k: v for k, v in r.items() if k not in clock} for r in RunFolder(p).metrics()]
        for p in (one, two)
    )
    assert rows == others
    assert len(rows) == epochs


def left_over(*folders: Path) -> list[Path]:
    found = [p for f in folders for p in f.rglob("*")]
    return [p for p in found if p.name.endswith((".part", ".lock")) or p.name.startswith(".new-")]


def test_ten_kills_by_the_clock_change_no_bit(images: Path, tmp_path: Path) -> None:
    run, cache, whole = tmp_path / "run", tmp_path / "cache", tmp_path / "whole"
    settings = SETTINGS | {"train.epochs": 40.0}
    assert wait(start(images, tmp_path / "warm", cache)) == 0
    begun = time.monotonic()
    assert wait(start(images, whole, tmp_path / "another", settings=settings)) == 0
    seconds = time.monotonic() - begun
    killed = 0
    for share in np.random.default_rng(0).uniform(0.02, 0.35, KILLS):
        process = start(images, run, cache, settings=settings)
        process.join(share * seconds)
        process.kill()
        killed += wait(process) == -9
        readable(run)
    # Where the machine is much faster than just measured, the last ones come too late.
    assert killed >= KILLS // 2
    assert wait(start(images, run, cache, settings=settings)) == 0
    readable(run)
    same(whole, run, epochs=40)
    assert not left_over(run, cache)


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_kill_at_any_access_to_a_file_changes_no_bit(
    images: Path, whole: Path, tmp_path: Path, seed: int
) -> None:
    accesses = int((whole.parent / "accesses").read_text())
    # One in each tenth of them: while starting, decoding, keeping checkpoints, reporting.
    at = int((seed + np.random.default_rng(seed).uniform()) * accesses / KILLS) + 1
    run, cache = tmp_path / "run", tmp_path / "cache"
    assert wait(start(images, run, cache, die_at=at)) == -9
    readable(run)
    assert wait(start(images, run, cache)) == 0
    readable(run)
    same(whole, run)
    assert not left_over(run, cache)
