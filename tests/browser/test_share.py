"""The page as one file: from a disk, without a program, the image moves and units are walked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.browser.helpers import bars, card, change, ink, settle, state, until

SETTLED = """async () => {
  const { settled } = await import('neocog/live.js');
  for (let calm = 0; calm < 2; calm++) {
    await settled();
    await new Promise((done) => setTimeout(done, 80));
  }
}"""
STATE = """async () => {
  const { state } = await import('neocog/state.js');
  const { motion, node, channel, unit, tab, both } = state;
  return { motion, node, channel, unit, tab, both };
}"""
SET = "async (changes) => (await import('neocog/state.js')).set(changes)"


@pytest.fixture
def saved(tmp_path: Path, watched):
    """Press the key of sharing, and open the file from the disk."""

    def saved(page) -> Any:
        with page.expect_download(timeout=90_000) as coming:
            page.keyboard.press("e")
        file = tmp_path / coming.value.suggested_filename
        coming.value.save_as(file)
        assert file.suffix == ".html"
        html = file.read_text(encoding="utf-8")
        assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", html)
        other = page.context.new_page()
        other.on("pageerror", lambda e: watched.errors.append(f"{e}"))
        other.on(
            "console", lambda m: m.type in ("error", "warning") and watched.errors.append(m.text)
        )
        asked: list[str] = []
        other.on("request", lambda r: asked.append(r.url))
        page.close()  # and with it everything that could be asked
        other.goto(file.as_uri())
        other.wait_for_selector(".bars li")
        other.evaluate(SETTLED)
        other.asked = asked
        return other

    return saved


def test_the_file_moves_the_image_and_walks_the_units(visit, one, saved) -> None:
    page = visit(one)
    card(page, "c3").locator(".title").click()
    change(page, channel=2, unit={"row": 4, "col": 4}, tab="unit")
    page.wait_for_selector("#value")
    settle(page)
    value, shown = page.locator("#value").inner_text(), bars(page)
    change(page, motion={**state(page)["motion"], "dx": 2, "dy": 1})
    settle(page)
    until(page, "(v) => document.querySelector('#value').textContent !== v", value)
    settle(page)
    moved, shifted = page.locator("#value").inner_text(), bars(page)
    errors = page.locator(".card.lit .error").all_inner_texts()
    change(page, motion={**state(page)["motion"], "dx": 0, "dy": 0})
    settle(page)
    other = saved(page)
    assert (other.locator("#value").inner_text(), bars(other)) == (value, shown)
    assert "PyTorch" in other.locator(".total .right").inner_text()
    drawn = ink(other, "#stage")
    other.locator("#stage").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        other.keyboard.press(key)
        other.evaluate(SETTLED)
    assert other.evaluate(STATE)["motion"]["dx"] == 2
    assert ink(other, "#stage") != drawn
    assert bars(other) == shifted
    until(other, "(v) => document.querySelector('#value').textContent === v", moved)
    assert other.locator(".card.lit .error").all_inner_texts() == errors
    other.keyboard.press("0")
    other.evaluate(SETTLED)
    assert bars(other) == shown
    other.get_by_role("button", name="Next unit").click()
    until(other, "(v) => document.querySelector('#value').textContent !== v", value)
    assert other.evaluate(STATE)["unit"] == {"row": 4, "col": 5}
    assert [u for u in other.asked if not u.startswith(("file:", "data:", "blob:"))] == []


def test_the_file_turns_the_image_and_opens_other_layers(visit, one, saved) -> None:
    page = visit(one)
    other = saved(page)
    before = bars(other)
    other.locator("#move-angle").fill("40")
    other.evaluate(SETTLED)
    assert other.evaluate(STATE)["motion"]["angle"] == 45  # the nearest that is held
    assert bars(other) != before
    other.keyboard.press("0")
    other.evaluate(SETTLED)
    card(other, "s4").locator(".title").click()
    other.evaluate(SET, {"tab": "unit"})
    other.wait_for_selector("#value")
    assert other.locator("#inspect h2").inner_text() == "s4"
    card(other, "c1").locator(".title").click()
    other.locator("#tab-kernels").click()
    assert other.locator(".kernel").count() == 6
    held = other.locator("#saved").inner_text()
    assert re.search(
        r"\d+ shifts and \d+ other transforms, and the arithmetic of [\d,]+ units", held
    )
    assert not other.locator("#share").is_visible()
    # What it does not hold is said.
    card(other, "f6").locator(".title").click()
    other.evaluate(SET, {"tab": "top"})
    other.wait_for_selector(".top .soft")
    assert "does not contain" in other.locator(".top").inner_text()


@pytest.mark.slow
def test_both_models_are_in_the_file(visit, two, saved) -> None:
    page = visit(two)
    settle(page)
    now = (bars(page, 0), bars(page, 1))
    other = saved(page)
    assert (bars(other, 0), bars(other, 1)) == now
    other.locator("#stage").focus()
    other.keyboard.press("ArrowLeft")
    other.evaluate(SETTLED)
    for k in range(2):
        assert other.locator(".graph").nth(k).locator(".card.lit").count() > 2
