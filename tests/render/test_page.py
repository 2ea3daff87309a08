"""The page: self-contained, the same bytes each time, written whole or not at all."""

import re

import numpy as np
import pytest

from neocog.errors import RunError
from neocog.exhibits import Curve, Gallery, Map, Scalar, Section, Table
from neocog.render.page import page, write


def _sections():
    rng = np.random.default_rng(0)
    return [
        Section(title="Numbers", text="One.\n\nTwo.", exhibits=[Scalar(title="a", value=1.5)]),
        Section(
            title="Images",
            exhibits=[
                Curve(title="c", x=[1, 2], lines={"a": [1, 2]}, x_label="x", y_label="y"),
                Map(title="m", values=rng.normal(size=(30, 30)), diverging=True),
                Gallery(title="g", images=[np.zeros((4, 4), np.uint8)], captions=["a"]),
                Table(title="t", columns=["a"], rows=[[1]]),
            ],
        ),
        Section(title="Nothing"),
    ]


def test_the_same_sections_give_the_same_bytes():
    assert page("t", _sections()).encode() == page("t", _sections()).encode()


def test_the_page_asks_for_nothing_outside_itself():
    html = page("t", _sections())
    assert not re.search(r"https?:", html)
    for address in re.findall(r'(?:src|href|srcset)="([^"]*)"', html):
        assert address.startswith(("data:", "#section-"))
    assert not re.search(r"<script|<iframe|<object|<embed|<form|url\(|@import| on\w+=", html)


def test_the_content_security_policy_forbids_all_but_style_and_inline_images():
    html = page("t", _sections())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1]
    assert policy.split("; ")[:3] == [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src data:",
    ]
    assert html.index("charset") < html.index("Content-Security-Policy") < html.index("<style>")


def test_headings_are_in_order_and_linked():
    html = page("t", _sections(), subtitle="s")
    assert re.findall(r"<(h\d)", html) == ["h1", "h2", "h2", "h3", "h3", "h3", "h3", "h2"]
    targets = re.findall(r'href="#([^"]+)"', html)
    assert len(targets) == 3
    assert all(f'id="{t}"' in html for t in targets)
    identities = re.findall(r' id="([^"]+)"', html)
    assert len(identities) == len(set(identities))


def test_light_and_dark_and_paper_have_their_styles():
    html = page("t", [])
    assert "prefers-color-scheme:dark" in html
    assert "@media print" in html


def test_a_page_of_nothing_says_so():
    assert "There is nothing to show." in page("t", [])


def test_paragraphs_of_a_section_stay_apart():
    assert re.findall(r'class="lead">(\w+)\.', page("t", _sections())) == ["One", "Two"]


def test_a_bare_page_is_small():
    assert len(page("t", [])) < 20_000


def test_write_replaces_the_file_and_leaves_no_other(tmp_path):
    place = tmp_path / "report.html"
    write(place, "old")
    write(place, "näw")
    assert place.read_text(encoding="utf-8") == "näw"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_write_to_where_no_file_can_be_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match=r"report\.html` must be writable, and is not"):
        write(tmp_path / "file" / "report.html", "x")


def test_a_failed_write_keeps_the_old_file(tmp_path):
    place = tmp_path / "report.html"
    write(place, "old")
    with pytest.raises(UnicodeEncodeError):
        write(place, "\ud800")
    assert place.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
