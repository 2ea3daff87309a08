import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import SETTINGS, start, wait
from test_kill import left_over, readable, same

BEGIN = """
import sys
from neocog.cli.main import main
print("up", file=sys.stderr, flush=True)
sys.exit(main())
"""
"""The console script, which says when it is reached."""


def _command(*words: str, cache: Path) -> subprocess.Popen[str]:
    """`neocog WORDS` as a user's shell starts it."""
    return subprocess.Popen(
        [sys.executable, "-c", BEGIN,
         *words],
        env={**os.environ, "NEOCOG_CACHE": str(cache), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _settings() -> list[str]:
    return [w for k, v in SETTINGS.items() for w in ("--set", f"{k}={v}")]


def test_ctrl_c_saves_says_so_and_changes_no_bit(
    pictures: Path, whole: Path, tmp_path: Path
) -> None:
    run, cache = tmp_path / "run", tmp_path / "cache"
    words = ["train", str(pictures), "--out", str(run), *_settings(), "--json"]
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
    assert wait(start(pictures, run, cache)) == 0
    same(whole, run)
    assert not left_over(run, cache)


@pytest.mark.parametrize("seconds", [0.05, 0.4, 1.0, 2.5])
def test_ctrl_c_while_starting_leaves_no_traceback(
    pictures: Path, tmp_path: Path, seconds: float
) -> None:
    run, cache = tmp_path / "run", tmp_path / "cache"
    words = ["train", str(pictures), "--out", str(run), *_settings(), "--epochs", "100000"]
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
