"""Phone width, light and dark, less motion; and the file that is handed on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.browser.helpers import card, change, settle, state

OVER = """() => {
  const wide = document.documentElement.clientWidth;
  const out = [...document.querySelectorAll('body *')].filter((e) => {
    if (e.closest('.across, .scroll, .unseen, .skip, .toast, .drop, svg')) return false;
    const box = e.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && (box.right > wide + 1 || box.left < -1);
  });
  const page = document.documentElement.scrollWidth - wide;
  return { page, out: out.slice(0, 5).map((e) => e.outerHTML.slice(0, 120)) };
}"""


@pytest.mark.parametrize(
    ("tab", "content"),
    [
        ("maps", ".thumb"),
        ("unit", "#value"),
        ("top-activations", ".patches li"),
        ("filters", ".filter"),
    ],
)
def test_at_400_px_nothing_sticks_out(visit, one, tab: str, content: str) -> None:
    page = visit(one, viewport={"width": 400, "height": 800}, has_touch=True, is_mobile=True)
    settle(page)
    card(page, "c3").locator(".title").click()
    change(page, tab=tab)
    page.wait_for_selector(content, timeout=30_000)
    settle(page)
    assert page.evaluate(OVER) == {"page": 0, "out": []}


def luminance(color: str) -> float:
    r, g, b = (int(v) / 255 for v in re.findall(r"\d+", color)[:3])
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_system_and_the_choice_is_kept(visit, one, scheme: str) -> None:
    page = visit(one, color_scheme=scheme)
    ground = "() => getComputedStyle(document.body).backgroundColor"
    assert (luminance(page.evaluate(ground)) > 0.5) == (scheme == "light")
    before = card(page, "c1").locator("canvas").evaluate("(c) => c.toDataURL()")
    page.locator("#theme").click()
    settle(page)
    assert (luminance(page.evaluate(ground)) > 0.5) == (scheme == "dark")
    assert card(page, "c1").locator("canvas").evaluate("(c) => c.toDataURL()") != before
    page.reload()
    page.wait_for_selector(".card")
    assert (luminance(page.evaluate(ground)) > 0.5) == (scheme == "dark")


def test_those_who_want_less_motion_get_no_transitions(visit, one) -> None:
    page = visit(one, reduced_motion="reduce")
    card(page, "c1").locator(".title").click()
    change(page, unit={"row": 3, "col": 3}, tab="unit")
    page.wait_for_selector("#value")
    took = "() => getComputedStyle(document.querySelector('.out .marker')).transitionDuration"
    assert page.evaluate(took) in ("0s", "")


def test_the_view_is_handed_on_as_one_file_that_needs_nothing(
    visit, one, watched, tmp_path: Path
) -> None:
    page = visit(one)
    card(page, "c1").locator(".title").click()
    change(page, channel=2, unit={"row": 9, "col": 9}, tab="unit")
    page.wait_for_selector("#value")
    settle(page)
    value = page.locator("#value").inner_text()
    with page.expect_download() as coming:
        page.keyboard.press("e")
    file = tmp_path / coming.value.suggested_filename
    coming.value.save_as(file)
    assert file.suffix == ".html"
    html = file.read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", html)
    other = page.context.new_page()
    asked: list[str] = []
    other.on("request", lambda r: asked.append(r.url))
    other.on("console", lambda m: m.type in ("error", "warning") and watched.errors.append(m.text))
    other.goto(file.as_uri())
    assert [u for u in asked if not u.startswith(("file:", "data:"))] == []
    text = other.locator("body").inner_text()
    assert "c1" in text
    assert value[:5] in text
    assert other.locator("img").count() >= 2
    assert all(other.evaluate("() => [...document.images].map((i) => i.naturalWidth > 0)"))
    assert state(page)["channel"] == 2


def test_a_failing_program_is_said_in_a_sentence(visit, one, watched) -> None:
    page = visit(one)
    settle(page)
    page.route("**/api/step", lambda route: route.abort())
    page.keyboard.press("]")
    page.wait_for_selector(".toast.shown.fault")
    assert "does not answer" in page.locator("#toast").inner_text()
    page.unroute("**/api/step")
    page.keyboard.press("]")
    settle(page)
    assert page.locator(".card").count() > 3
    watched.errors[:] = [e for e in watched.errors if "ERR_FAILED" not in e]
