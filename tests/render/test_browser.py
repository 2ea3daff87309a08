"""A browser opens the page without a complaint; the page's policy stops what it forbids."""

import shutil
import subprocess

import numpy as np
import pytest

from neocog.exhibits import Curve, Gallery, Map, Scalar, Section, Table
from neocog.render.page import page, write

pytestmark = pytest.mark.slow
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--enable-logging=stderr",
    "--dump-dom",
]


@pytest.fixture
def opened(tmp_path):
    """Opens HTML and returns the document as the browser has it, and what its console says."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs the browser chromium or google-chrome on the path")

    def open_page(html):
        place = tmp_path / "report.html"
        write(place, html)
        done = subprocess.run(
            [browser, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", place.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    return open_page


def _everything():
    square = np.zeros((4, 4), np.uint8)
    return [
        Section(
            title="all",
            exhibits=[
                Scalar(title="a", value=0.5, unit="%"),
                Curve(
                    title="b", x=[1, 2], lines={"u": [1, 2], "v": [2, 1]}, x_label="x", y_label="y"
                ),
                Map(title="c", values=np.eye(3)),
                Map(title="d", values=np.eye(30)),
                Gallery(
                    title="e <script>console.error(1)</script>", images=[square], captions=["a"]
                ),
                Table(title="f", columns=["a"], rows=[[1]]),
            ],
        )
    ]


def test_a_browser_opens_the_page_and_its_console_stays_empty(opened):
    document, complaints = opened(page("t", _everything()))
    assert complaints == []
    assert "<script" not in document
    assert document.count("<figure") == 5


@pytest.mark.parametrize(
    "forbidden",
    ["<script>console.error('ran')</script>", '<img src="https://127.0.0.1:9/a.png">'],
    ids=["script", "request"],
)
def test_the_policy_stops_what_it_forbids(opened, forbidden):
    _, complaints = opened(page("t", _everything()).replace("</main>", forbidden + "</main>"))
    assert "Content Security Policy" in " ".join(complaints)
    assert "ran" not in " ".join(complaints).split()
