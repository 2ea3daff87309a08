"""Who reads the output may leave, the output may be closed or full: that is not a missed bound."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from neocog.cli import terminal
from neocog.cli.main import main
from neocog.cli.terminal import Stream, flush, say, streams

CALL = [sys.executable, "-c", "from neocog.cli.main import main; main()"]
COUNT = ["summary", "dense", "--size", "1,28,28"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def left(words: str, redirected: str) -> tuple[int, str]:
    """Exit status and standard error of a command whose output a shell sends elsewhere."""
    line = f'exec "$0" -c "$1" {words} {redirected}'
    done = subprocess.run(
        ["sh", "-c", line, CALL[0], CALL[2]], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("words", "redirected", "status", "lines"),
    [
        ("summary dense --size 1,28,28", ">&-", 0, 0),
        ("--help", "<&- >&- 2>&-", 0, 0),
        ("--help", "> /dev/full", 2, 1),
        ("nosuch", "2> /dev/full", 2, 0),
        ("nosuch", "2>&-", 2, 0),
    ],
)
def test_closed_and_full(words, redirected, status, lines):
    code, err = left(words, redirected)
    assert code == status, err
    assert len(err.splitlines()) == lines, err
    assert not lines or "cannot be written: No space left on device" in err


@pytest.mark.parametrize("words", [["--help"], COUNT])
def test_a_reader_that_is_gone(words):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*CALL, *words], env=ENVIRONMENT, stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert done.returncode == 141
    assert done.stderr == ""


def test_a_training_whose_progress_nobody_reads_goes_on(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    words = ["train", "digits", "--out", str(tmp_path / "run"), "--model", "dense",
             "--epochs", "1", "--set", "model.hidden=[8]", "--set",
             "machine.precision=float32",
         "--set", "machine.memory_format=channels_last"]  # fmt: skip
    done = subprocess.run([*CALL, *words], env=ENVIRONMENT, stdout=writing, stderr=writing)
    os.close(writing)
    assert done.returncode == 141  # what it scored could not be said
    assert {"model.safetensors", "model.json", "report.html"} <= {
        p.name for p in (tmp_path / "run").iterdir()
    }


class _Broken(io.StringIO):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error

    def flush(self) -> None:
        raise self.error


PIPE, FULL = BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left on device")
SHUT = ValueError("I/O operation on closed file")


@pytest.mark.parametrize(
    ("error", "status"), [(PIPE, 141), (SHUT, 141), (FULL, 2), (OSError(5, "I/O error"), 2)]
)
@pytest.mark.parametrize("words", [[*COUNT], [*COUNT, "--json"], ["--version"]])
def test_the_status_says_what_became_of_the_result(words, error, status, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", _Broken(error))
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == status
    assert len(capsys.readouterr().err.splitlines()) == (status == 2)


@pytest.mark.parametrize("error", [PIPE, SHUT, FULL])
def test_progress_that_cannot_be_written_is_dropped(error, monkeypatch):
    monkeypatch.setattr(sys, "stderr", _Broken(error))
    with streams():
        say("progress", err=True)
        terminal.screen(err=True).print("more")
        assert flush(0) == 0


def test_a_lost_result_is_lost_for_good():
    out = Stream(_Broken(FULL))  # type: ignore[arg-type]
    for _ in range(2):  # click swallows the first, where it tries what kind of stream it is
        with pytest.raises(click.ClickException, match="No space left"):
            out.write("x")


def test_the_process_keeps_its_own_streams(tmp_path: Path, capsys):
    before = sys.stdin, sys.stdout, sys.stderr
    with pytest.raises(SystemExit):
        main(["--version"])
    assert (sys.stdin, sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out.startswith("neocog ")
