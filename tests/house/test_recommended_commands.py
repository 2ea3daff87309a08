"""Each command that a message recommends exists, with the options that it is recommended with."""

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import neocog
from neocog.cli.main import VERBS

SOURCE = Path(neocog.__file__).parent


def _texts(node: ast.AST) -> Iterator[str]:
    """Strings as they are read: parts put together, what is filled in as X."""
    match node:
        case ast.JoinedStr(values=parts):
            yield "".join(p.value if isinstance(p, ast.Constant) else "X" for p in parts)  # type: ignore[misc]
        case ast.Constant(value=str(text)):
            yield text
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _texts(child)


def _recommended() -> set[tuple[str, str]]:
    found = set()
    for file in SOURCE.rglob("*.py"):
        for text in _texts(ast.parse(file.read_text(encoding="utf-8"))):
            found |= {(file.name, words) for words in re.findall(r"`neocog ([^`]+)`", text)}
    return found


def test_every_recommended_command_exists() -> None:
    found = _recommended()
    assert len(found) > 12
    for file, words in sorted(found):
        verb, *rest = words.split()
        if verb in ("X", "VERB"):
            continue
        assert verb in VERBS, (file, words)
        command = importlib.import_module(f"neocog.cli.{verb}").command
        options = {o for p in command.params for o in p.opts} | {"--help"}
        named = {w.rstrip(".,") for w in rest if w.startswith("-")}
        assert named <= options, (file, words, named - options)


def test_every_recommended_option_exists() -> None:
    """`Try --batch-size`, where no command is named: some command has it."""
    options = {
        o
        for verb in VERBS
        for p in importlib.import_module(f"neocog.cli.{verb}").command.params
        for o in (*p.opts, *p.secondary_opts)
    } | {"--help", "--debug", "--version"}
    missing = set()
    for file in SOURCE.rglob("*.py"):
        if file.name == "suggest.py":  # lists what others call our options
            continue
        for text in _texts(ast.parse(file.read_text(encoding="utf-8"))):
            for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", text):
                if option not in options:
                    missing.add((file.name, option))
    assert not missing


def test_every_command_of_the_makefile_and_the_readme_is_understood() -> None:
    """Each is parsed by the command line itself, but for what runs it."""
    root = SOURCE.parents[1]
    lines = []
    makefile = (root / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines += re.findall(r"(?m)^\t\.venv/bin/neocog ([a-z]+ [^#\n]*)", makefile)
    readme = (root / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"(?s)```sh\n(.*?)```", readme):
        lines += re.findall(r"(?m)^neocog ([a-z]+ [^#\n]*)", block)
    assert len(lines) > 10
    for line in lines:
        verb, *words = shlex.split(line)
        command = importlib.import_module(f"neocog.cli.{verb}").command
        command.make_context(verb, words)  # refuses what it does not know
