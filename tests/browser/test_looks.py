"""Wide, narrow and phone, light and dark, less motion; one color scale for all signed values."""

from __future__ import annotations

import re

import pytest
from tests.browser.helpers import card, change, settle, until

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
        ("top", ".patches li"),
        ("kernels", ".kernel"),
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


@pytest.mark.parametrize("width", [1300, 1024, 700, 400])
def test_two_models_fit_every_width(visit, two, width: int) -> None:
    page = visit(two, viewport={"width": width, "height": 800})
    settle(page)
    assert page.evaluate(OVER) == {"page": 0, "out": []}
    page.locator(".graph").nth(1).locator(".card .title").nth(3).click()
    change(page, tab="unit")
    page.wait_for_selector("#value")
    settle(page)
    assert page.evaluate(OVER) == {"page": 0, "out": []}


def test_two_models_stand_side_by_side_above_the_fold_at_1024_px(visit, two) -> None:
    page = visit(two, viewport={"width": 1024, "height": 768})
    settle(page)
    left, right = (page.locator(".one").nth(k).bounding_box() for k in (0, 1))
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"] + 1
    for k in (0, 1):
        for part in (".bars", ".across"):
            box = page.locator(".one").nth(k).locator(part).bounding_box()
            assert box["y"] + box["height"] < 768


def test_a_network_is_fitted_to_the_window_or_has_an_overview(visit, one, two) -> None:
    page = visit(one, viewport={"width": 1300, "height": 800})
    settle(page)
    wide = """() => {
      const { scrollWidth, clientWidth } = document.querySelector('.across');
      return scrollWidth - clientWidth;
    }"""
    assert page.evaluate(wide) <= 1
    assert not page.locator(".overview").is_visible()
    page = visit(two, viewport={"width": 400, "height": 800})
    settle(page)
    assert page.evaluate(wide) > 50
    assert page.locator(".across").first.get_attribute("data-more") == "right"
    small = page.locator(".overview").first
    small.focus()
    page.keyboard.press("End")
    until(page, "() => document.querySelector('.across').dataset.more === 'left'")
    assert small.get_attribute("aria-valuenow") == "100"


def test_the_lower_half_shows_a_layer_from_the_start(visit, one) -> None:
    page = visit(one)
    settle(page)
    assert page.locator("#inspect h2").inner_text() == "c1"
    assert page.locator(".thumb").count() == 6


@pytest.mark.parametrize("tab", ["maps", "unit", "top", "kernels"])
def test_every_view_of_a_layer_is_explained_in_a_sentence(visit, one, tab: str) -> None:
    page = visit(one)
    change(page, tab=tab)
    until(page, "() => (document.querySelector('#explain')?.textContent ?? '').endsWith('.')")
    assert page.locator("#network-hint").inner_text().endswith(".")


ENDS = """async () => {
  const { scale } = await import('/static/colors.js');
  const ends = [scale('diverging')[0], scale('diverging')[255], scale('positive')[255]];
  return ends.map((c) => c.join(' '));
}"""
EXTREMES = """() => {
  const found = {};
  for (const figure of document.querySelectorAll('.matrix')) {
    const cells = [...figure.querySelectorAll('td')].map((td) => [
      Number(td.title.replace('−', '-')), td.style.background,
    ]);
    cells.sort((a, b) => a[0] - b[0]);
    const name = figure.querySelector('figcaption').textContent;
    found[name] = { most: cells.at(-1), least: cells[0] };
  }
  return found;
}"""
INKS = """(canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const out = new Set();
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3]) out.add([data[i], data[i + 1], data[i + 2]].join(' '));
  }
  return [...out];
}"""


CELLS = """(canvas) => {  // the middles of the 5 × 5 cells of a kernel
  const { width, height } = canvas;
  const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
  const out = [];
  for (let i = 0; i < 5; i++) {
    for (let j = 0; j < 5; j++) {
      const [x, y] = [Math.floor(((j + 0.5) * width) / 5), Math.floor(((i + 0.5) * height) / 5)];
      out.push([...data.slice(4 * (y * width + x), 4 * (y * width + x) + 3)].join(' '));
    }
  }
  return out;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_positive_value_has_one_color_in_every_view(visit, one, scheme: str) -> None:
    page = visit(one, color_scheme=scheme)
    blue, orange, top = page.evaluate(ENDS)
    assert orange == top
    card(page, "c3").locator(".title").click()
    change(page, channel=5, unit={"row": 4, "col": 6}, tab="unit")
    page.wait_for_selector("#value")
    settle(page)

    def is_orange(rgb: list[int]) -> bool:
        return rgb[0] > rgb[2]

    for name, found in page.evaluate(EXTREMES).items():
        for value, color in found.values():
            rgb = [int(v) for v in re.findall(r"\d+", color)]
            if value:  # zero is neutral
                assert is_orange(rgb) == (value > 0), (name, value, color)
    ends = page.evaluate(EXTREMES)
    for name in ("kernel", "products"):
        value, color = max(ends[name].values(), key=lambda one: abs(one[0]))
        got = " ".join(re.findall(r"\d+", color)[:3])
        assert got == (orange if value > 0 else blue), name
    change(page, tab="kernels")
    page.wait_for_selector(".kernel")
    kernels = {c for k in range(6) for c in page.locator(".planes canvas").nth(k).evaluate(CELLS)}
    maps = set(card(page, "c1").locator("canvas").evaluate(INKS))
    rectified = set(card(page, "act").locator("canvas").evaluate(INKS))
    scale = page.evaluate(
        "async () => (await import('/static/colors.js')).scale('diverging').map((c) => c.join(' '))"
    )
    upper = page.evaluate(
        "async () => (await import('/static/colors.js')).scale('positive').map((c) => c.join(' '))"
    )
    assert kernels <= set(scale)
    assert len(maps & set(scale)) > 5
    assert rectified <= set(upper)
    page.keyboard.press("g")
    settle(page)
    assert page.locator("#cam-box .legend .above").is_visible()


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


def test_a_failing_program_is_said_in_a_sentence(visit, one, watched) -> None:
    page = visit(one)
    settle(page)
    page.route("**/api/step", lambda route: route.abort())
    page.keyboard.press("]")
    page.wait_for_selector(".toast.shown.fault")
    assert "does not respond" in page.locator("#toast").inner_text()
    page.unroute("**/api/step")
    page.keyboard.press("]")
    settle(page)
    assert page.locator(".card").count() > 3
    watched.errors[:] = [e for e in watched.errors if "ERR_FAILED" not in e]
