"""The documentation can fail: its examples run, its links lead somewhere."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_examples_of_a_page_run(page):
    report = []
    text = page.read_text(encoding="utf-8").replace("```", "")
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    result = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=report.append)
    assert result.failed == 0, "".join(report)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not re.match(r"\w+:", target):
            assert (page.parent / target).exists(), target


def test_conventions_has_an_assert_for_every_rule():
    text = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
    sections = text.split("\n## ")[1:]
    assert len(sections) >= 7
    assert all("assert" in section for section in sections)


def test_every_decision_is_listed_and_numbered_in_order():
    folder = ROOT / "docs" / "decisions"
    pages = sorted(p.name for p in folder.glob("[0-9]*.md"))
    assert [int(name[:4]) for name in pages] == list(range(1, len(pages) + 1))
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text("utf-8"))
    assert listed == pages


def test_every_page_is_listed_where_the_documentation_begins():
    folder = ROOT / "docs"
    listed = re.findall(r"\]\(([\w/.-]+\.md)\)", (folder / "README.md").read_text("utf-8"))
    pages = {p.relative_to(folder).as_posix() for p in folder.rglob("*.md")}
    # Decisions and chapters are listed in a page of their own.
    rooms = {p for p in pages if p.startswith(("decisions/", "lectures/"))}
    assert pages - rooms - {"README.md"} <= set(listed)
    chapters = (folder / "lectures/index.md").read_text("utf-8")
    for page in sorted((folder / "lectures").glob("[a-h]-*.md")):
        assert f"]({page.name})" in chapters
    assert "lectures/index.md" in listed
    assert "decisions/README.md" in listed
