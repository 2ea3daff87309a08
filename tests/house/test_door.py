"""The doors stay light and the verbs are documented."""

import ast
import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
import torch

import neocog
from neocog.cli.main import VERBS

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "neocog").rglob("*.py"))
HEAVY = {"torch", "numpy", "PIL", "jinja2", "rich", "safetensors", "starlette", "uvicorn"}


def _modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys, json; print(json.dumps([m.split('.')[0] for m in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("room", ["neocog", "neocog.layers", "neocog.audits"])
def test_import_loads_nothing_heavy(room: str) -> None:
    assert not _modules_after(f"import {room}") & HEAVY


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import contextlib, io\nfrom neocog.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main(['--help'])"
    )
    assert not _modules_after(code) & HEAVY


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_loads_no_torch(verb: str) -> None:
    code = (
        "import contextlib, io\nfrom neocog.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main([{verb!r}, '--help'])"
    )
    assert "torch" not in _modules_after(code)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_has_help(verb: str) -> None:
    command = importlib.import_module(f"neocog.cli.{verb}").command
    assert command.help
    for option in command.params:
        assert not isinstance(option, click.Option) or option.help, option.name


def test_the_reference_of_commands_is_what_they_say() -> None:
    path = ROOT / "scripts" / "make_commands.py"
    spec = importlib.util.spec_from_file_location("make_commands", path)
    assert spec
    assert spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    said = script.page()
    assert script.PAGE.read_text() == said, "run python scripts/make_commands.py"


@pytest.mark.parametrize("room", ["neocog", "neocog.layers", "neocog.audits"])
def test_public_names_open(room: str) -> None:
    opened = importlib.import_module(room)
    for name in opened.__all__:
        assert callable(getattr(opened, name)) or name == "__version__"
        # A module of that name would take its place as soon as it is imported.
        assert not (ROOT / "src" / room.replace(".", "/") / f"{name}.py").exists()
    with pytest.raises(AttributeError, match="has no attribute `trian`"):
        opened.trian  # noqa: B018


def test_layers_have_the_names_that_a_user_of_torch_looks_for() -> None:
    from neocog.layers import BlurPool2d, MaxBlurPool2d, PolyphaseDown2d

    x = torch.rand(2, 3, 8, 8)
    assert BlurPool2d(2)(x).shape == (2, 3, 4, 4)
    assert MaxBlurPool2d(2, 2)(x).shape == (2, 3, 4, 4)
    assert PolyphaseDown2d(2)(x).shape == (2, 3, 4, 4)


@pytest.mark.parametrize("file", SOURCES, ids=lambda f: str(f.relative_to(ROOT / "src" / "neocog")))
def test_public_functions_and_classes_say_what_they_are(file: Path) -> None:
    tree = ast.parse(file.read_text())
    assert ast.get_docstring(tree), "the module"
    lines = len(file.read_text().splitlines())
    assert lines <= 600, "longer than one concept"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node) or _inner(node, tree), node.name


def _inner(node: ast.AST, tree: ast.Module) -> bool:
    """Whether a definition stands inside a function or a private class."""
    for outer in ast.walk(tree):
        private = isinstance(outer, ast.ClassDef) and outer.name.startswith("_")
        closed = isinstance(outer, ast.FunctionDef) or private
        if closed and outer is not node and any(n is node for n in ast.walk(outer)):
            return True
    return False


@pytest.mark.parametrize("file", SOURCES, ids=lambda f: str(f.relative_to(ROOT / "src" / "neocog")))
def test_no_pickle_no_eval_no_print(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            assert not {a.name for a in node.names} & {"pickle", "marshal", "shelve", "dill"}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "print")


def test_images_are_opened_in_one_place() -> None:
    """Elsewhere nobody starts a decoder: it would try every format that the library knows."""
    callers = {
        file.relative_to(ROOT / "src" / "neocog").as_posix()
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "open"
        and "Image" in ast.unparse(node.func.value)
    }
    assert callers == {"data/formats.py"}


def test_versions_agree() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == neocog.__version__
    assert f"## {neocog.__version__}" in (ROOT / "CHANGELOG.md").read_text()
