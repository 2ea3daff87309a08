"""The page's own files, without a browser: all there, nothing inline, nothing from elsewhere."""

import re
from importlib.resources import files

import pytest

from neocog.render.color import ANCHORS

STATIC = files("neocog.web") / "static"
NAMES = sorted(f.name for f in STATIC.iterdir() if f.is_file())
MODULES = [n for n in NAMES if n.endswith(".js")]


def read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def test_what_the_page_names_is_in_the_package() -> None:
    named = re.findall(r'(?:src|href)="/static/([^"]+)"', read("index.html"))
    assert {"main.js", "style.css", "views.css", "theme.js"} <= set(named)
    assert set(named) <= set(NAMES)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_what_is_there_and_stays_short(name: str) -> None:
    text = read(name)
    assert set(re.findall(r'from "\./([^"]+)"', text)) <= set(MODULES)
    assert len(text.splitlines()) <= 400


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_inline_or_from_elsewhere(name: str) -> None:
    text = read(name)
    addresses = set(re.findall(r"https?://[^\s\"']+", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # a name, not an address that is asked
    assert not re.search(r"innerHTML|insertAdjacentHTML|outerHTML|document\.write|\beval\(", text)
    if name == "index.html":
        assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", text)


def test_the_palette_is_that_of_the_reports() -> None:
    rows = re.findall(r"(\w+): \{ light: \[([^\]]*)\], dark: \[([^\]]*)\] \}", read("colors.js"))
    found = {
        (name, scheme): tuple(re.findall(r"#\w+", colors))
        for name, *both in rows
        for scheme, colors in zip(("light", "dark"), both, strict=True)
    }
    ours = {"sequential": "amount", "diverging": "both"}
    assert found == {
        (name, scheme): ANCHORS[kind, scheme]
        for name, kind in ours.items()
        for scheme in ("light", "dark")
    }
    # Legends are gradients of the style sheet.
    for name, at in (("below", 0), ("zero", 1), ("above", 2)):
        light, dark = (ANCHORS["both", scheme][at] for scheme in ("light", "dark"))
        assert f"--{name}:light-dark({light},{dark})" in read("style.css")


def test_a_saved_page_is_asked_as_the_program_is() -> None:
    def given(name: str) -> set[str]:
        text = read(name)
        names = re.findall(r"^export (?:async )?(?:const|function) (\w+)", text, re.M)
        return {*names, *re.findall(r"^export \{ (\w+) \}", text, re.M)}

    assert given("offline.js") == given("api.js")
