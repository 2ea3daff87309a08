"""Open every page of the built site in a browser and say what is wrong: `make docs` ends with it.

No request may leave the site, every image needs a text, no page may be wider than a telephone of
400 px, every link and anchor must exist, text must have a contrast of AA in light and dark, figures
must be usable by keyboard, and the first page may weigh 300 kB.
"""

from __future__ import annotations

import functools
import gzip
import shutil
import sys
import threading
import urllib.parse
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

FIRST = 300_000
"""Bytes of the first page with all that it loads, compressed as servers of pages do."""

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")

LOOK = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
"""A function of no arguments that returns what is wrong with the page."""


def main(root: Path) -> int:
    """Print what is wrong; the exit status."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}/"
    pages = sorted(p.relative_to(root).as_posix() for p in root.rglob("*.html"))
    wrong: list[str] = []
    names: dict[str, set[str]] = {}
    links: list[tuple[str, str]] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=_browser(), args=list(FLAGS))
        for scheme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": 400, "height": 900},
                color_scheme=scheme,  # type: ignore[arg-type]
            )
            page = context.new_page()
            requests: list[str] = []
            page.on("request", lambda r, requests=requests: requests.append(r.url))
            page.on("pageerror", lambda e, requests=requests: requests.append(f"error: {e}"))
            for uri in pages:
                requests.clear()
                page.goto(base + uri, wait_until="load")
                found = _looked_at(page)
                found += [f"asks for {u}" for u in requests if not u.startswith((base, "data:"))]
                wrong += [f"{uri} ({scheme}): {text}" for text in found]
                if scheme == "light":
                    names[uri] = set(
                        page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
                    )
                    hrefs = page.evaluate("[...document.links].map(a => a.href)")
                    links += [(uri, href) for href in hrefs]
            context.close()
        wrong += _weighed(browser, base)
        browser.close()
    wrong += _broken(root, base, names, links)
    server.shutdown()
    for text in sorted(set(wrong)):
        sys.stdout.write(f"{text}\n")
    sys.stdout.write(f"{len(pages)} pages, {len(links)} links: {len(set(wrong))} faults\n")
    return 1 if wrong else 0


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing."""


def _looked_at(page: Page) -> list[str]:
    found: list[str] = page.evaluate(LOOK)
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [*found, *([f"{wide} px wider than 400 px"] if wide > 0 else [])]


def _weighed(browser: Any, base: str) -> list[str]:
    page, sizes = browser.new_page(), []
    page.on("response", lambda r: sizes.append(len(gzip.compress(r.body()))))
    page.goto(base + "index.html", wait_until="networkidle")
    total = sum(sizes)
    page.close()
    return [f"index.html: {total:,} bytes, at most {FIRST:,}"] if total > FIRST else []


def _broken(
    root: Path, base: str, names: dict[str, set[str]], links: list[tuple[str, str]]
) -> list[str]:
    wrong = []
    for uri, href in links:
        if not href.startswith(base):
            continue
        path, _, anchor = urllib.parse.unquote(href.removeprefix(base)).partition("#")
        target = path or "index.html"
        target = f"{target}index.html" if target.endswith("/") else target
        if not (root / target).is_file():
            wrong.append(f"{uri}: no page {target}")
        elif anchor and target in names and anchor not in names[target]:
            wrong.append(f"{uri}: no anchor {target}#{anchor}")
    return wrong


def _browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise SystemExit("No Chromium: install the package chromium, and run `make docs` again.")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
