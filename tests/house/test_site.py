"""The chapters of the site: as notebooks they run from top to bottom, and links lead somewhere."""

import doctest
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("site_hooks", ROOT / "scripts/site.py")
assert SPEC is not None
assert SPEC.loader is not None
site = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(site)
CHAPTERS = sorted((ROOT / "docs/lectures").glob("[a-h]-*.md"))


def test_its_examples_run() -> None:
    done = doctest.testmod(site)
    assert (done.failed, done.attempted) == (0, 3)


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda p: p.stem)
def test_a_chapter_is_a_notebook_that_runs(page: Path) -> None:
    text = page.read_text("utf-8")
    cells = site.notebook(text)["cells"]
    code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    assert code
    names: dict[str, object] = {}
    for lines in code:
        exec(compile(lines, page.name, "exec"), names)
    # Every value that the page shows is the last of a cell.
    examples = doctest.DocTestParser().get_examples(text)
    assert len(code) >= sum(bool(e.want) for e in examples)
    assert site.EVIDENCE.findall(text) == [page.name[0].upper()]
