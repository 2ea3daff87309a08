"""What `pip install` gives: the wheel, in an environment of its own, far from this folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def run(*words: str | Path, cwd: Path) -> str:
    """The output of a program that sees nothing of this environment."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL"))}
    done = subprocess.run(words, cwd=cwd, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from this folder."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", out, ROOT, cwd=out)
    (built,) = out.glob("neocog-*.whl")
    return built


@pytest.mark.parametrize("constrained", [True, False])
def test_the_wheel_works_in_an_empty_environment(
    wheel: Path, constrained: bool, tmp_path: Path
) -> None:
    """Free but for PyTorch, whose build with CUDA libraries would be gigabytes."""
    venv.create(tmp_path / "env", with_pip=True)
    python, neocog = (tmp_path / "env" / "bin" / name for name in ("python", "neocog"))
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(
        "\n".join(s for s in lines if constrained or s.startswith("torch==")), encoding="utf-8"
    )
    run(python, "-m", "pip", "install", "-q", "-c", constraints, wheel, cwd=tmp_path)
    where = run(python, "-c", "import neocog; print(neocog.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(tmp_path / "env")
    run(python, "-m", "pip", "check", cwd=tmp_path)
    quick = ("--model", "dense", "--epochs", "0.5", "--out", "run", "--json")
    result = json.loads(run(neocog, "train", "digits", *quick, cwd=tmp_path))
    assert result["val"]["accuracy"] > 0.5
    assert (tmp_path / "run" / "report.html").is_file()
    found = run(neocog, "audit", "run", "digits", "--samples", "64", "--report", "audit.html",
                "--json", cwd=tmp_path)  # fmt: skip
    assert json.loads(found)["n"] == 64
    assert "<html" in (tmp_path / "audit.html").read_text(encoding="utf-8")
