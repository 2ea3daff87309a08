"""First screens in a real browser: nothing is wider than the window, the answer is within it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.audits.made_up import audit, flipping, layer

from neocog.audits.headline import first_screen
from neocog.audits.sections import sections
from neocog.exhibits import Check, Checks, Curve, Gallery, Map, Section, Table
from neocog.first_screen import FirstScreen, Named
from neocog.render.page import page, write

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMED = Named(
    model="nets.resnet20:make",
    data="some/long/folder/of images",
    options=(
        "--weights",
        "/a/rather/long/path/of/weights/resnet20-12fca82f.th",
        "--size",
        "3,32,32",
    ),
)


def _audit() -> str:
    rows = tuple(layer(f"layer{i}.{i}.a_long_name.conv", 0.5 / i, 0.3) for i in range(1, 40))
    found = audit(
        flipping(200, 13, grid=0.97), flipping(200, 3, mode="circular", grid=1.0), layers=rows
    )
    return page("Audit: a model", sections(found), first=first_screen(found, NAMED))


def _explanation() -> str:
    photo = np.random.default_rng(0).integers(0, 256, (432, 384, 3), np.uint8)
    pair = Gallery(
        title="tulip.jpg", images=[photo[:384], photo], captions=["image", "overlay\nfor tulip"],
        pixelated=False, together=2, large=True,
    )  # fmt: skip
    checks = Checks(
        title="sanity checks",
        checks=[
            Check(name="model parameter randomization", passed=p, text="a sentence of numbers " * 3)
            for p in (True, False, None, True)
        ],
    )
    screen = FirstScreen(
        headline="Predicted tulip (96 %). The map passes 2 of 4 sanity checks.",
        badge="2 of 4 checks",
        level="bad",
        image=(pair, checks),
        next=(NAMED.command("explain", "Explain the runner-up"),),
    )
    wide = Table(
        title="wide", columns=[f"column {i}" for i in range(20)], rows=[["a value"] * 20] * 3
    )
    names = [f"layer{i}.conv" for i in range(60)]
    curve = Curve(title="c", x=list(range(60)), lines={"a": [0.1] * 60, "b": [0.2] * 60},
                  x_label="layer", y_label="error", x_names=names)  # fmt: skip
    spectrum = Map(title="s", values=np.eye(64), extent=((-0.5, 0.5),) * 2, box=(0.5, 0.5))
    return page("Grad-CAM", [Section(title="All", exhibits=[wide, curve, spectrum])], first=screen)


PAGES = {"audit": _audit, "explanation": _explanation}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1300, 800), (1024, 800), (390, 800)])
@pytest.mark.parametrize("kind", PAGES)
def test_the_answer_is_on_the_first_screen(
    browser: Browser, tmp_path: Path, kind: str, width: int, height: int, scheme: str
) -> None:
    place = tmp_path / "report.html"
    write(place, PAGES[kind]())
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda said: complaints.append(said.text))
    opened.goto(place.as_uri())

    def bottom(selector: str) -> float:
        box = opened.locator(selector).first.bounding_box()
        assert box is not None, selector
        return box["y"] + box["height"]

    too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert opened.evaluate(too_wide) <= 0
    for part in (".answer", ".next li", ".figures" if kind == "audit" else ".badge"):
        assert bottom(part) <= height, part
    assert bottom(".images > .exhibit img") <= height * (1 if width > 1000 else 1.1)
    if width > 1200:
        assert bottom(".first") <= height + 20
    opened.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert opened.evaluate(too_wide) <= 0
    assert complaints == []
    context.close()


def test_a_table_that_is_cut_says_that_it_scrolls(browser: Browser, tmp_path: Path) -> None:
    place = tmp_path / "report.html"
    write(place, _explanation())
    opened = browser.new_page(viewport={"width": 390, "height": 800})
    opened.goto(place.as_uri())
    opened.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    # The cue follows the next frame: a busy machine draws it late.
    cue = (
        "(o) => getComputedStyle(document.querySelector('.table .scroll'), '::after').opacity == o"
    )
    opened.wait_for_function(cue, arg=1)
    # Of a table that fits there is nothing to scroll.
    opened.evaluate(
        "document.querySelector('.table table').innerHTML = '<tbody><tr><td>a</td></tr></tbody>'"
    )
    opened.wait_for_function(cue, arg=0)
    opened.close()
