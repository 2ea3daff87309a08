"""What MkDocs does besides turning pages into HTML: `make docs`, by the hooks of mkdocs.yml.

- Pages from outside docs/: README, CONTRIBUTING, CHANGELOG, the benchmark book.
- The Python reference: a page for each room of src/neocog, of the public names of its modules.
- Chapters of the lectures: what was measured for each claim, as text and drawings, and the chapter
  as a notebook. SITE_EVIDENCE=0 leaves the measuring out, which takes two minutes.
- Links that leave docs/ lead to the page made of their target; where there is none, the text stays.
"""

from __future__ import annotations

import ast
import doctest
import html
import json
import os
import posixpath
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "neocog"

OUTSIDE = {
    "README.md": "readme.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmark-book.md",
}
"""File of the repository to page of the site."""

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
EVIDENCE = re.compile(r"<!-- evidence ([A-H]) -->")
SESSION = re.compile(r"^```pycon\n(.*?)^```\n", re.DOTALL | re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The parts of the navigation that are long: the Python reference and the decisions."""
    assert config.nav is not None
    decisions = sorted(p.name for p in (ROOT / "docs/decisions").glob("[0-9]*.md"))
    rooms = sorted(uri for uri in reference() if uri != "api/index.md")
    config.nav += [
        {"Python": ["api/index.md", *({Path(uri).stem: uri} for uri in rooms)]},
        {"Decisions": ["decisions/README.md", *(f"decisions/{name}" for name in decisions)]},
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages and files that are made."""
    from mkdocs.structure.files import File

    def add(uri: str, content: str) -> None:
        files.append(File.generated(config, uri, content=content))

    for source, uri in OUTSIDE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        add(uri, relinked(text, source, uri))
    for uri, text in reference().items():
        add(uri, text)
    for file in sorted((ROOT / "docs/lectures").glob("[a-h]-*.md")):
        text = file.read_text(encoding="utf-8")
        add(f"lectures/{file.stem}.ipynb", json.dumps(notebook(text), indent=1))
    for name, drawing in drawings().items():
        add(f"lectures/evidence/{name}.svg", drawing)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links of a page of docs/, and the evidence of a chapter."""
    uri = page.file.src_uri
    if page.file.generated_by is None:
        markdown = relinked(markdown, f"docs/{uri}", uri)
    if re.fullmatch(r"lectures/[a-h]-.*\.md", uri):
        markdown += f"\n[This chapter as a notebook]({Path(uri).stem}.ipynb)\n"
    return EVIDENCE.sub(lambda m: evidence(m[1]), markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """The index of the search, which every page loads, has the names of the reference alone."""
    index = Path(config.site_dir) / "search/search_index.json"
    content = json.loads(index.read_text(encoding="utf-8"))
    for entry in content["docs"]:
        if entry["location"].startswith("api/"):
            entry["text"] = ""
    index.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")


def relinked(markdown: str, source: str, uri: str) -> str:
    """A page with the links of its place in the repository turned into those of the site.

    Args:
        markdown: the page.
        source: its file in the repository.
        uri: of the page in the site.

    Example:
        >>> relinked("[a](docs/map.md) and [b](LICENSE)", "README.md", "readme.md")
        '[a](map.md) and b'
    """

    def target(link: str) -> str | None:
        path, mark, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link) or not path:
            return link
        file = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if file in OUTSIDE:
            inside = OUTSIDE[file]
        elif file.startswith("docs/"):
            inside = file.removeprefix("docs/")
        else:
            return None
        return posixpath.relpath(inside, posixpath.dirname(uri) or ".") + mark + anchor

    def link(m: re.Match[str]) -> str:
        to = target(m[2])
        return m[1] if to is None else f"[{m[1]}]({to})"

    def image(m: re.Match[str]) -> str:
        return f"![{m[1]}]({target(m[2])})"

    return IMAGE.sub(image, LINK.sub(link, markdown))


# ---- the Python reference


@cache
def reference() -> dict[str, str]:
    """Page to text: an index, and a page for each room."""
    pages = {}
    rows = ["# Python", "", "Every public name, by the room that it lives in.", "",
            "| room | what for |", "|---|---|"]  # fmt: skip
    for room in sorted(p for p in SOURCE.iterdir() if _is_room(p)):
        modules = [m for m in sorted(room.rglob("*.py")) if public_names(m)]
        if not modules:
            continue
        name = f"neocog.{room.name}"
        first = (ast.get_docstring(_tree(room / "__init__.py")) or "").partition("\n")[0]
        pages[f"api/{room.name}.md"] = _listed(name, first, modules)
        rows.append(f"| [`{name}`]({room.name}.md) | {first} |")
    own = [m for m in sorted(SOURCE.glob("*.py")) if public_names(m)]
    pages["api/neocog.md"] = _listed("neocog", "What every program starts with.", own)
    rows.insert(6, "| [`neocog`](neocog.md) | What every program starts with. |")
    return {"api/index.md": "\n".join(rows) + "\n", **pages}


def public_names(file: Path) -> list[str]:
    """What a module says is public; nothing of private modules."""
    path = file.relative_to(SOURCE)
    inside = [*path.parent.parts, *([] if path.name == "__init__.py" else [path.stem])]
    if any(part.startswith("_") for part in inside):
        return []
    for node in _tree(file).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=names)):
                return [n.value for n in names if isinstance(n, ast.Constant)]
    return []


def _listed(name: str, what: str, modules: list[Path]) -> str:
    lines = [f"# {name}", "", what, ""]
    for file in modules:
        path = file.relative_to(SOURCE.parent).with_suffix("")
        module = ".".join(path.parts).removesuffix(".__init__")
        lines += [f"## {module.removeprefix(name + '.')}", "", f"::: {module}",
                  "    options:", "      show_root_heading: false", ""]  # fmt: skip
        if file.name == "__init__.py" and file.parent != SOURCE:
            lines.append("      members: false\n")
    return "\n".join(lines)


def _is_room(path: Path) -> bool:
    return (path / "__init__.py").is_file()


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


# ---- what was measured


@cache
def measured() -> Any:
    """Every claim with its evidence; None where it is left out."""
    if os.environ.get("SITE_EVIDENCE") == "0":
        return None
    import neocog

    return neocog.lectures.run()


def drawings() -> dict[str, str]:
    """Claim to a drawing of its exhibits, as SVG."""
    from neocog.render.drawing import as_svg

    report = measured()
    claims = () if report is None else report.claims
    return {
        c.claim.id: as_svg(c.evidence.exhibits, title=c.claim.text)
        for c in claims
        if c.evidence.exhibits
    }


def evidence(chapter: str) -> str:
    """The claims of a chapter: what each says, its verdict, its numbers, its drawing."""
    report = measured()
    if report is None:
        return "*The claims were not measured for this copy of the page.*"
    parts = []
    for judged in report.claims:
        claim, found = judged.claim, judged.evidence
        if claim.chapter != chapter:
            continue
        parts.append(f"### {claim.id} {html.escape(claim.text.rstrip('.'))}\n")
        parts.append(f"**{judged.outcome}**, measured on {html.escape(found.measured_on)}.\n")
        if found.comparisons:
            rows = [f"| {_cell(c.name)} | {_cell(c.text)} |" for c in found.comparisons]
            parts.append("\n".join(["| what | number |", "|---|---|", *rows]) + "\n")
        for label, text in (
            ("Not shown", found.missing), ("The lectures slip", found.slip), ("", found.note)
        ):  # fmt: skip
            if text:
                parts.append(f"{label}{': ' if label else ''}{html.escape(text)}\n")
        if found.exhibits:
            names = ", ".join(e.title for e in found.exhibits)
            alt = html.escape(f"{claim.id}: {names}", quote=True)
            parts.append(f'<img src="evidence/{claim.id}.svg" alt="{alt}" loading="lazy">\n')
    return "\n".join(parts)


def _cell(text: str) -> str:
    return html.escape(text).replace("|", "\\|")


# ---- notebooks


def notebook(markdown: str) -> dict[str, Any]:
    """A chapter as a notebook: sessions become cells without their prompts and outputs.

    Args:
        markdown: the chapter.

    Example:
        >>> cells = notebook("# A\\n```pycon\\n>>> 1 + 1\\n2\\n\\n```\\nend\\n")["cells"]
        >>> [(c["cell_type"], "".join(c["source"])) for c in cells]
        [('markdown', '# A'), ('code', '1 + 1'), ('markdown', 'end')]
    """
    cells: list[dict[str, Any]] = []

    def text(part: str) -> None:
        part = EVIDENCE.sub("", part)
        part = re.sub(r'<div class="play".*?</div>\n*', "", part).strip()
        if part:
            cells.append({"cell_type": "markdown", "metadata": {}, "source": _lines(part)})

    def code(lines: str) -> None:
        if lines:
            cells.append({"cell_type": "code", "metadata": {}, "execution_count": None,
                          "outputs": [], "source": _lines(lines.rstrip())})  # fmt: skip

    at = 0
    for m in SESSION.finditer(markdown):
        text(markdown[at : m.start()])
        lines = ""
        for example in doctest.DocTestParser().get_examples(m[1]):
            lines += example.source
            if example.want:  # a cell shows its last value alone
                code(lines)
                lines = ""
        code(lines)
        at = m.end()
    text(markdown[at:])
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
