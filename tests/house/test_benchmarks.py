"""The benchmarks' files agree with each other and with the recipes' reader."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from neocog.networks.catalog import build
from neocog.runs.recipe import from_toml

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
RECIPES = sorted((BENCHMARKS / "recipes").glob("*.toml"))
RESULTS = sorted((BENCHMARKS / "results").glob("*.json"))


@pytest.mark.parametrize("file", RECIPES, ids=lambda f: f.stem)
def test_recipes_are_read_and_their_networks_built(file: Path) -> None:
    recipe = from_toml(file.read_text(), file.name)
    assert not recipe.data.path, "a recipe here names no place: that is the reader's"
    assert recipe.train.epochs > 0
    assert recipe.machine is not None
    channels = recipe.data.channels or 1
    with torch.device("meta"):
        build(
            recipe.model.name,
            num_classes=10,
            in_channels=channels,
            size=(28, 28),
            options=recipe.model.options,
        )


def test_tables_of_results_are_not_stale() -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "run.py", "table", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"run `benchmarks/run.py table`: {done.stderr}"


@pytest.mark.parametrize("file", RESULTS, ids=lambda f: f.stem)
def test_results_say_how_they_were_measured(file: Path) -> None:
    result = json.loads(file.read_text())
    assert result["name"] == file.stem
    assert result["question"]
    assert result["rows"], "a benchmark was stopped before its end; run it again"
    assert {"cpu", "cores", "python", "versions"} <= result["machine"].keys()
    assert all({"utc", "commit", "load"} <= part["at"].keys() for part in result["parts"].values())


def _options(tree: ast.AST) -> set[str]:
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    named = [c for c in calls if getattr(c.func, "attr", "") == "add_argument"]
    set_ = [c for c in calls if getattr(c.func, "attr", "") == "set_defaults"]
    first = [c.args[0].value for c in named if isinstance(c.args[0], ast.Constant)]
    return {str(n).lstrip("-").replace("-", "_") for n in first} | {
        str(k.arg) for c in set_ for k in c.keywords
    }


def _read(tree: ast.AST) -> set[str]:
    """Attributes of `given`, which is what every script calls its parsed options."""
    attributes = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute)]
    return {a.attr for a in attributes if isinstance(a.value, ast.Name) and a.value.id == "given"}


def test_every_option_that_a_script_reads_is_one_that_it_has() -> None:
    trees = {f.name: ast.parse(f.read_text()) for f in BENCHMARKS.glob("*.py")}
    shared = _options(trees["common.py"]) | _options(trees["recipe.py"])
    missing = {
        name: lost
        for name, tree in trees.items()
        if (lost := _read(tree) - _options(tree) - shared)
    }
    assert missing == {}
