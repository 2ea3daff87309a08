"""The field's words: one class a name, and no private word that was replaced comes back."""

from __future__ import annotations

import ast
import inspect
import re
from collections import defaultdict
from pathlib import Path

import pytest

from neocog.networks.catalog import NETWORKS

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "neocog"

PRIVATE = re.compile(
    r"\b(stranger\w*|guests?|multiply[-–]adds?|optimis(?!tic)\w*|normalis\w*|colours?"
    r"|behaviours?|neighbour\w*|anticlockwise|learnt|contradictory"
    r"|unmoved|per cent|sub-modules?|short cuts?|(?:model|network)s? from elsewhere"
    r"|learned by heart|hindrances?|barren|figures flatter"
    r"|places? of data|(?:right|wrong) answers?"
    r"|came|nobody knows|asked twice|(?:was|were) asked|asked (?:for|about)|as asked"
    r"|model as it was|naming (?:one|the most frequent) class"
    r"|looked behind|looked at by itself|its output's norm"
    r"|(?<!there )is no (?:kind|way|layer|option|network|model|method|folder|file|number|image"
    r"|padding|image|split|run|map|class|part|\w+ of (?:a|the|an)) "
    r"|put(?:s)? out|whole numbers?|truth values?|mend(?:ed|s|ing)?|anew|taken up|letters long"
    r"|(?:pixels|numbers?|labels|images|rows?|lines?|cycles|outputs?|values?|ms|one)"
    r" an? (?:side|channel|class|sample|image|epoch|axis|output|layer|unit)"
    r"|says? (?:of itself|nothing of)|claimed of|chooses? nothing|interval after (?:Wilson|Student)"
    r"|less the other)\b",
    re.IGNORECASE,
)
"""Words with one meaning, each with a term of the field in its place."""

OLD_NAMES = {"suggest.py", "legacy.py", "CHANGELOG.md", "benchmarks.md"}
"""Files that read, list or record the names of before."""


def _texts() -> list[Path]:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    code = [p for p in SOURCE.rglob("*.py") if p.name not in OLD_NAMES]
    shown = [
        p
        for end in ("js", "html", "css")
        for p in SOURCE.rglob(f"*.{end}")
        if "vendor" not in p.parts
    ]
    kept = [p for p in pages if p.name not in OLD_NAMES and "decisions" not in p.parts]
    return [*code, *shown, *kept]


def test_no_private_word_comes_back() -> None:
    back = []
    for file in _texts():
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            back += [f"{file.relative_to(ROOT)}:{number}: {m[0]}" for m in PRIVATE.finditer(line)]
    assert back == []


def test_the_pattern_finds_the_words_and_spares_ours() -> None:
    for word in (
        "strangers", "Colour", "optimiser", "multiply-adds", "a place of data", "barren",
        "`a` is no option of", "layer puts out", "whole numbers", "8 pixels a side", "set anew",
    ):  # fmt: skip
        assert PRIVATE.search(f"the {word} here"), word
    for word in (
        "color",
        "optimizer",
        "MACs",
        "optimistic",
        "there is no layer",
        "8 pixels per side",
    ):
        assert not PRIVATE.search(f"the {word} here"), word


def test_no_public_class_is_defined_twice() -> None:
    homes = defaultdict(list)
    for file in SOURCE.rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(file.relative_to(SOURCE).as_posix())
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


UNNAMED = {
    *("found", "asked", "told", "said", "shown", "came", "wish", "shelf"),
    *("answer", "answers", "picture", "pictures", "stranger", "guest", "unmoved", "deviation"),
}
"""Parts of a name that say how a value came about, or in our words what it is, where the field
has a noun for it: layers, config, options, notes, images, reason, predictions."""

KEPT = {
    "found_sizes": "key of a data report, which caches hold",
    "found_splits": "key of a data report, which caches hold",
}
"""Names with such a part, each with its reason."""


def _identifiers(tree: ast.AST) -> set[tuple[str, int]]:
    """Names that a module makes or uses, with their lines."""
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                names.add((name, node.lineno))
            case ast.arg(arg=name) | ast.keyword(arg=str(name)):
                names.add((name, node.lineno))
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add((name, node.lineno))
            case ast.ClassDef(name=name):
                names.add((name, node.lineno))
    return names


def _is_unnamed(name: str) -> bool:
    return name not in KEPT and bool(UNNAMED & set(name.lower().split("_")))


@pytest.mark.parametrize(
    "room",
    sorted({p.name for p in SOURCE.iterdir() if p.is_dir() or p.suffix == ".py"}),
)
def test_values_are_called_by_nouns_of_the_field(room: str) -> None:
    home = SOURCE / room
    files = home.rglob("*.py") if home.is_dir() else [home]
    found = [
        f"{file.relative_to(SOURCE)}:{line}: {name}"
        for file in sorted(files)
        for name, line in sorted(_identifiers(ast.parse(file.read_text(encoding="utf-8"))))
        if _is_unnamed(name)
    ]
    assert found == []


def test_the_parts_of_a_name_are_looked_at() -> None:
    tree = ast.parse("def f(asked_for): x.said = found_sizes; g(told=1); Answer()")
    names = {name for name, _ in _identifiers(tree) if _is_unnamed(name)}
    assert names == {"asked_for", "said", "told", "Answer"}


def test_every_name_that_is_kept_is_there() -> None:
    text = "".join(p.read_text(encoding="utf-8") for p in SOURCE.rglob("*.py"))
    assert [name for name in KEPT if name not in text] == []


TORCH_NAMES = {
    "kernel": ("kernel_size", re.compile(r"\b(int|Pair|Size|Sequence\[int\]|tuple\[int.*)")),
    "classes": ("num_classes", re.compile(r"^(int|int \| None|None \| int)$")),
}
"""Names of numbers that torch.nn and torchvision call otherwise, and the annotations of these."""


def _other_names(tree: ast.Module, *, builder: bool) -> list[str]:
    """Arguments and fields that PyTorch has another name for."""
    others = []
    for node in ast.walk(tree):
        name = getattr(node, "arg", None) or getattr(getattr(node, "target", None), "id", None)
        kind = getattr(node, "annotation", None)
        if name is None or kind is None:
            continue
        if name in TORCH_NAMES and TORCH_NAMES[name][1].search(ast.unparse(kind)):
            others.append(f"{node.lineno}: {name} is {TORCH_NAMES[name][0]}")
        if builder and name in ("inputs", "outputs") and ast.unparse(kind) == "int":
            others.append(f"{node.lineno}: {name} is {name.removesuffix('puts')}_channels")
    return others


def test_arguments_are_called_what_torch_nn_calls_them() -> None:
    others = []
    for file in sorted(SOURCE.rglob("*.py")):
        room = file.relative_to(SOURCE).parts[0]
        tree = ast.parse(file.read_text(encoding="utf-8"))
        if room != "cli":  # --classes takes a file of names or their number
            found = _other_names(tree, builder=room == "layers")
            others += [f"{file.relative_to(SOURCE)}:{line}" for line in found]
    assert others == []


def test_every_builder_takes_in_channels_and_num_classes() -> None:
    for name, builder in NETWORKS.items():
        names = set(inspect.signature(builder).parameters)
        assert {"in_channels", "num_classes", "size"} <= names, name


def test_other_names_than_those_of_torch_nn_are_found() -> None:
    tree = ast.parse(
        "def f(inputs: int, kernel: Pair, classes: int | None): x: int\nkernel: str = ''"
    )
    assert _other_names(tree, builder=True) == [
        "1: inputs is in_channels", "1: kernel is kernel_size", "1: classes is num_classes",
    ]  # fmt: skip
