"""The field's words: one class a name, and no private word that was replaced comes back."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "neocog"

PRIVATE = re.compile(
    r"\b(stranger\w*|guests?|multiply[-–]adds?|optimis\w*|normalis\w*|colours?"
    r"|behaviours?|neighbour\w*|anticlockwise|learnt|contradictory)\b",
    re.IGNORECASE,
)
"""Words with one meaning, each with a term of the field in its place."""

OLD_NAMES = {"meant.py", "legacy.py", "CHANGELOG.md", "benchmarks.md"}
"""Files that read, list or record the names of before."""


def _texts() -> list[Path]:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    code = [
        p for p in SOURCE.rglob("*.py") if p.name not in OLD_NAMES and p.parent != SOURCE / "web"
    ]
    kept = [p for p in pages if p.name not in OLD_NAMES and "decisions" not in p.parts]
    return [*code, *kept]


def test_no_private_word_comes_back() -> None:
    back = []
    for file in _texts():
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            back += [f"{file.relative_to(ROOT)}:{number}: {m[0]}" for m in PRIVATE.finditer(line)]
    assert back == []


def test_the_pattern_finds_the_words_and_spares_ours() -> None:
    for word in ("strangers", "Colour", "optimiser", "behaviour", "multiply-adds", "learnt"):
        assert PRIVATE.search(f"the {word} here"), word
    for word in ("color", "colors", "optimizer", "behavior", "MACs", "learned", "stranded"):
        assert not PRIVATE.search(f"the {word} here"), word


def test_no_public_class_is_defined_twice() -> None:
    homes = defaultdict(list)
    for file in SOURCE.rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(file.relative_to(SOURCE).as_posix())
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}
