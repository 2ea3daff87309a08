"""Exhibits to fragments: nothing that a user named is ever read as markup."""

from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.exhibits import Bars, Check, Checks, Curve, Gallery, Map, Scalar, Section, Table
from neocog.render.draw import draw, draw_all
from neocog.render.page import page
from neocog.render.text import clean

SQUARE = np.zeros((4, 4), np.uint8)
LARGE = np.eye(25)

# Every kind, with one text in every field that takes text.
EVERYWHERE = {
    "scalar": lambda t: Scalar(title=t, value=0.5, unit=t, interval=(0.4, 0.6), note=t),
    "curve": lambda t: Curve(
        title=t, x=[1, 2], lines={t: [1, 2], t + "2": [2, 1]}, x_label=t, y_label=t, note=t
    ),
    "map": lambda t: Map(
        title=t, values=np.eye(2), rows=[t, t], columns=[t, t], row_label=t, column_label=t, note=t
    ),
    "large map": lambda t: Map(
        title=t, values=LARGE, rows=[t] * 25, columns=[t] * 25, row_label=t, column_label=t, note=t
    ),
    "gallery": lambda t: Gallery(title=t, images=[SQUARE], captions=[t], note=t),
    "bars": lambda t: Bars(
        title=t,
        names=[t, t],
        series={t: [0.5, None], t + "2": [0.25, 1.0]},
        intervals={t: [(0.4, 0.6), None]},
        x_label=t,
        unit="%",
        note=t,
    ),
    "checks": lambda t: Checks(
        title=t, checks=[Check(name=t, passed=p, text=t) for p in (True, False, None)], note=t
    ),
    "named curve": lambda t: Curve(
        title=t, x=[1, 2], lines={t: [1, 2]}, x_label=t, y_label=t, x_names=[t, t]
    ),
    "pairs": lambda t: Gallery(
        title=t, images=[SQUARE] * 2, captions=[t] * 2, together=2, large=True
    ),
    "table": lambda t: Table(title=t, columns=[t, t], rows=[[t, 1.0], [None, 2.0]], note=t),
}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></title></svg><b>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;",
    "line\nbreak\r\x00\x1b[31m",
    "caf\udce9 \ud800 \u202e",
    "<!-- -->]]>",
    "x" * 5000,
]


class _Tree(HTMLParser):
    """Tags, attributes and the text between them, as a browser would see them."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.values, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.values.extend(value or "" for _, value in attrs)

    def handle_endtag(self, tag):
        self.tags.append((f"/{tag}", ()))

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data!r}")


def _tree(html):
    tree = _Tree()
    tree.feed(html)
    tree.close()
    return tree


def _tame(text):
    """Text of the same layout, without any sign that HTML knows."""
    return "".join(c if c in "\r\n " else "x" for c in text)


@pytest.mark.parametrize("kind", EVERYWHERE)
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_gives_the_same_tags_as_tame_text(kind, text):
    html = draw(EVERYWHERE[kind](text))
    html.encode("utf-8")
    assert not set(html) & {"\x00", "\x1b", "\r", "\u202e"}
    assert _tree(html).tags == _tree(draw(EVERYWHERE[kind](_tame(text)))).tags


@pytest.mark.parametrize("kind", EVERYWHERE)
@settings(max_examples=40, deadline=None)
@given(
    text=st.text(
        st.characters(
            codec=None,
        ),
        max_size=30,
    )
)
def test_any_text_gives_the_same_tags_as_tame_text(kind, text):
    text = "a" + text.replace("\n", "").replace("\r", "")
    html = draw(EVERYWHERE[kind](text))
    html.encode("utf-8")
    assert _tree(html).tags == _tree(draw(EVERYWHERE[kind]("x" * len(text)))).tags


@pytest.mark.parametrize("kind", EVERYWHERE)
@pytest.mark.parametrize("text", ["<b>&amp;", "a\"'b", "caf\udce9"])
def test_text_is_shown_as_it_was_given(kind, text):
    tree = _tree(draw(EVERYWHERE[kind](text)))
    assert clean(text) in [t.strip() for t in tree.text]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_titles_of_a_page_give_the_same_tags(text):
    def tags(t):
        sections = [Section(title=t, text=t, exhibits=[Scalar(title=t, value=1.0)])] * 3
        return _tree(page(t, sections, subtitle=t)).tags

    assert tags(text) == tags(_tame(text))


@pytest.mark.parametrize("kind", EVERYWHERE)
def test_every_tag_that_opens_closes(kind):
    void = {"img", "source", "rect", "path", "br", "meta", "link"}
    stack = []
    for tag, _ in _tree(draw(EVERYWHERE[kind]("x"))).tags:
        if tag.startswith("/"):
            if tag[1:] not in void:
                assert stack.pop() == tag[1:]
        elif tag not in void:
            stack.append(tag)
    assert stack == []


@pytest.mark.parametrize("kind", EVERYWHERE)
def test_every_exhibit_but_tiles_has_a_heading_and_every_image_a_text(kind):
    tags = _tree(draw(EVERYWHERE[kind]("x"))).tags
    assert ("h3", ("class",)) in tags or kind == "scalar"
    assert all("alt" in names for tag, names in tags if tag == "img")
    assert all({"aria-label", "aria-hidden"} & set(names) for tag, names in tags if tag == "svg")


def test_scalars_that_follow_each_other_share_a_row():
    one = Scalar(title="a", value=1.0)
    table = Table(title="t", columns=[], rows=[])
    html = draw_all([one, one, table, one])
    assert html.count("<dl") == 2
    assert html.count('class="tile"') == 3


def test_an_interval_stands_below_its_number():
    html = draw(Scalar(title="a", value=0.98, unit="%", interval=(0.97, 0.99)))
    assert "97.00\u202f% to 99.00\u202f%" in html


def test_a_curve_says_what_its_intervals_are():
    curve = Curve(title="a", x=[1, 2], lines={"b": [1, 2]}, x_label="x", y_label="y",
                  intervals={"b": [(0, 2), None]}, interval_label="range of 3 seeds")  # fmt: skip
    html = draw(curve)
    assert "b, range of 3 seeds" in html
    assert "CI" not in html
    assert curve.to_json()["interval_label"] == "range of 3 seeds"
