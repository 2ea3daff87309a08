"""Results show themselves: a short text, a frame that touches nothing around it, a page."""

from __future__ import annotations

import html as markup
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neocog.errors import UsageError
from neocog.exhibits import Gallery, Scalar, Section
from neocog.first_screen import Command, FirstScreen
from neocog.render.notebook import Result
from neocog.render.page import page


class Found(Result):
    def __init__(self, text: str) -> None:
        self.text = text

    def heading(self) -> str:
        return self.text

    def first_screen(self) -> FirstScreen:
        return FirstScreen(
            headline=self.text,
            detail=self.text,
            badge=self.text,
            image=(
                Gallery(title=self.text, images=[np.eye(4, dtype=np.uint8)], captions=[self.text]),
            ),
            figures=(Scalar(title=self.text, value=0.5, unit=self.text, note=self.text),),
            next=(Command(text=self.text, words=("neocog", self.text)),),
            note=self.text,
        )

    def sections(self) -> Sequence[Section]:
        return [Section(title=self.text, text=self.text)]

    def to_json(self) -> dict[str, Any]:
        return {}


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onload='x",
    "</iframe>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_frame_is_one_tag_whatever_a_user_named(text: str) -> None:
    frame = Found(text)._repr_html_()
    assert re.findall(r"<\/?(\w+)", frame) == ["iframe", "iframe"]
    assert 'sandbox=""' in frame
    inner = markup.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1])  # type: ignore[index]
    assert text not in inner
    tame = markup.unescape(re.search(r'srcdoc="([^"]*)"', Found("x")._repr_html_())[1])  # type: ignore[index]
    assert re.findall(r"<\/?\w+", inner) == re.findall(r"<\/?\w+", tame)


def test_a_frame_asks_for_nothing_outside_itself() -> None:
    inner = markup.unescape(Found("a")._repr_html_())
    assert not re.search(r"https?:|<script|url\(|@import", inner)
    assert "default-src 'none'" in inner


def test_the_text_of_a_result_is_its_first_screen() -> None:
    found = Found("the answer")
    assert repr(found).startswith("the answer\nthe answer: the answer")
    assert found.summary() in repr(found)


def test_the_page_opens_with_the_first_screen_and_folds_the_rest(tmp_path: Path) -> None:
    place = Found("a").save_html(tmp_path / "new" / "a.html")
    html = place.read_text(encoding="utf-8")
    assert html.count("<h1") == 1
    assert html.index('class="first') < html.index("<details")
    assert "<details open" not in html
    with pytest.raises(UsageError, match="names a file to be written"):
        Found("a").save_html(tmp_path)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_on_a_first_screen_gives_the_same_tags(text: str) -> None:
    def tags(t: str) -> list[str]:
        found = Found(t)
        return re.findall(r"<\/?[a-z0-9]+", page(t, found.sections(), first=found.first_screen()))

    assert tags(text) == tags("x" * len(text))
