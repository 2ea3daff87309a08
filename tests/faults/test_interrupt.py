import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.processes import SETTINGS, start, wait
from tests.faults.test_kill import left_over, readable, same

from neocog.cli.main import main
from neocog.runs.events import Epoch, Event
from neocog.runs.experiment import prepare
from neocog.runs.load import load
from neocog.training.loop import Step
from neocog.verbs.train import resume, train

BEGIN = """
import sys
from neocog.cli.main import main
print("up", file=sys.stderr, flush=True)
sys.exit(main())
"""
"""The console script, which says when it is reached."""


@contextlib.contextmanager
def _command(*words: str, cache: Path) -> Iterator[subprocess.Popen[str]]:
    """`neocog WORDS` as a user's shell starts it; it does not outlive a test that fails."""
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN,
         *words],
        env={**os.environ, "NEOCOG_CACHE": str(cache), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def _settings() -> list[str]:
    return [w for k, v in SETTINGS.items() for w in ("--set", f"{k}={v}")]


def test_ctrl_c_saves_says_so_and_changes_no_bit(images: Path, whole: Path, tmp_path: Path) -> None:
    run, cache = tmp_path / "run", tmp_path / "cache"
    words = ["train", str(images), "--out", str(run), *_settings(), "--json"]
    with _command(*words, cache=cache) as process:
        assert process.stderr
        for line in process.stderr:
            if line.startswith("epoch   2"):
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    said = re.search(r"Interrupted\. (\d+) of 12 steps are saved\. .* --resume (\S+)`\.\n", err)
    assert said, err
    assert said[2] == str(run)
    assert "Traceback" not in err
    readable(run)
    assert wait(start(images, run, cache)) == 0
    same(whole, run)
    assert not left_over(run, cache)


@pytest.mark.parametrize("seconds", [0.05, 0.4, 1.0, 2.5])
def test_ctrl_c_while_starting_leaves_no_traceback(
    images: Path, tmp_path: Path, seconds: float
) -> None:
    run, cache = tmp_path / "run", tmp_path / "cache"
    words = ["train", str(images), "--out", str(run), *_settings(), "--epochs", "100000"]
    with _command(*words, cache=cache) as process:
        assert process.stderr
        assert process.stderr.readline() == "up\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert re.search(r"^Interrupted\.", err, re.M)
    assert not left_over(tmp_path)


SMALL = {**SETTINGS, "model.name": "dense", "model.hidden": [8], "train.epochs": 3.0}


@pytest.fixture(scope="module")
def whole_small(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps in this process."""
    run = tmp_path_factory.mktemp("small") / "run"
    train(images, settings=SMALL, out=run)
    return run


@pytest.mark.parametrize("kind", [Step, Epoch])
@pytest.mark.parametrize("step", [1, 2, 3, 6])
def test_ctrl_c_after_any_event_changes_no_bit(
    images: Path, whole_small: Path, tmp_path: Path, step: int, kind: type
) -> None:
    """The last step of an epoch is followed by its line in metrics.jsonl, interrupted or not."""

    def interrupt(event: Event) -> None:
        number = event.row["step"] if isinstance(event, Epoch) else getattr(event, "number", 0)
        if isinstance(event, kind) and number >= step and not asked:
            asked.append(number)
            signal.raise_signal(signal.SIGINT)

    asked: list[int] = []
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt, match=f"{step + step % 2 * (kind is Epoch)} of 6 steps"):
        train(images, settings=SMALL, out=run, progress=interrupt)
    assert asked
    resume(run)
    same(whole_small, run, epochs=3)


def test_a_second_ctrl_c_ends_at_once(images: Path, whole_small: Path, tmp_path: Path) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, Step) and event.number == 3:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(images, settings=SMALL, out=run, progress=interrupt)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resume(run)
    same(whole_small, run, epochs=3)


def test_a_ctrl_c_that_an_import_swallows_still_ends_the_training(
    images: Path,
    whole_small: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def swallowing(*args: object, **options: object) -> object:
        with contextlib.suppress(BaseException):
            signal.raise_signal(signal.SIGINT)
        return prepare(*args, **options)

    monkeypatch.setattr("neocog.runs.train.prepare", swallowing)
    run = tmp_path / "run"
    words = [w for k, v in SMALL.items() for w in ("--set", f"{k}={v}")]
    with pytest.raises(SystemExit) as left:
        main(["train", str(images), "--out", str(run), *words])
    assert left.value.code == 130
    assert "Interrupted. 1 of 6 steps are saved." in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resume(run)
    same(whole_small, run, epochs=3)


def test_a_stopped_replacement_leaves_the_old_run_and_is_taken_up(
    images: Path, whole_small: Path, tmp_path: Path
) -> None:
    """Of a run that starts from the very weights that it replaces."""

    def interrupt(event: Event) -> None:
        if isinstance(event, Step) and event.number == 3:
            signal.raise_signal(signal.SIGINT)

    wide = SMALL | {"model.hidden": [8, 4], "train.seed": 1}
    old, whole = tmp_path / "run", tmp_path / "whole"
    shutil.copytree(whole_small, old)
    train(images, settings=wide | {"model.init": str(whole_small)}, out=whole)
    with pytest.raises(KeyboardInterrupt, match=f"`neocog train --resume {old}`"):
        train(
            images, settings=wide | {"model.init": str(old)}, out=old, overwrite=True,
            progress=interrupt,
        )  # fmt: skip
    same(whole_small, old, epochs=3)
    resume(old)
    same(whole, old, epochs=3)
    assert load(old).card["network"]["options"]["hidden"] == [8, 4]
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
