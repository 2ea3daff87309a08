import re

import pytest

from neocog.exhibits import Scalar, Section
from neocog.render.slides import slides


def titles(html: str) -> list[str]:
    return re.findall(r"<h[12] id=[^>]*>([^<]*)</h", html)


@pytest.mark.parametrize(
    ("count", "text", "parts"), [(0, "", 1), (3, "x", 1), (4, "x", 2), (4, "", 2), (9, "x", 3)]
)
def test_a_section_is_as_many_slides_as_its_exhibits_need(
    count: int, text: str, parts: int
) -> None:
    exhibits = [Scalar(title=f"figure {i}", value=i) for i in range(count)]
    html = slides("Talk", [Section(title="Loss", text=text, exhibits=exhibits)])
    assert titles(html) == ["Talk", *["Loss"] * parts]
    assert [html.index(f"figure {i}") for i in range(count)] == sorted(
        html.index(f"figure {i}") for i in range(count)
    )
    assert html.count(f"/ {parts + 1}</footer>") == parts


def test_words_of_a_user_are_escaped() -> None:
    html = slides("<b>", [Section(title="<script>", text="<i>")], subtitle="<u>")
    for word in ("<b>", "<script>", "<i>", "<u>"):
        assert word not in html
