"""The page as one file: its scripts and styles, and what they would ask the program.

Scripts are modules, each an address of its own in the file's import map; the one that asks the
program (`api.js`) is replaced by the one that reads what the file holds (`offline.js`). Names and
numbers lie in one block of base64 and never among the elements.
"""

from __future__ import annotations

import base64
import re
from html import escape
from pathlib import Path

__all__ = ["POLICY", "page_file"]

STATIC = Path(__file__).parent / "static"

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)
"""What the file may load: nothing from outside itself."""

_IMPORT = re.compile(r'((?:from|import) )"\./([\w.]+)"')
_DROPPED = re.compile(r'<(?:link rel="(?:stylesheet|modulepreload)"|script )[^\n]*\n')


def page_file(data: bytes, *, title: str) -> str:
    """One self-contained HTML file.

    Args:
        data: what `offline.js` reads, packed.
        title: of the page.
    """
    modules = {file.name: file.read_text(encoding="utf-8") for file in STATIC.glob("*.js")}
    theme = modules.pop("theme.js")
    modules["api.js"] = modules.pop("offline.js")
    imports = {f"neocog/{name}": _address(text) for name, text in sorted(modules.items())}
    entries = ",".join(f'"{name}":"{address}"' for name, address in imports.items())
    style = "".join(_read(name) for name in ("style.css", "views.css"))
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n<script>{theme}</script>\n"
        f'<script type="importmap">{{"imports":{{{entries}}}}}</script>\n'
        '<script type="module">import "neocog/main.js";</script>\n'
    )
    html = _DROPPED.sub("", _read("index.html"))
    html = re.sub(r"<title>.*?</title>\n", lambda _: head, html)
    packed = base64.b64encode(data).decode("ascii")
    block = f'<script type="application/octet-stream" id="neocog-data">{packed}</script>\n'
    return html.replace("</body>", block + "</body>")


def _read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def _address(text: str) -> str:
    """A module as an address; those that it imports by their names in the import map."""
    text = _IMPORT.sub(r'\1"neocog/\2"', text)
    packed = base64.b64encode(text.encode("utf-8")).decode("ascii")
    return f"data:text/javascript;charset=utf-8;base64,{packed}"
