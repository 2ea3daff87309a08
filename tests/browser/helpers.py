"""What the browser tests say often."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SETTLED = """async () => {
  const { settled } = await import("/static/live.js");
  for (let calm = 0; calm < 2; calm++) {
    await settled();
    await new Promise((done) => setTimeout(done, 50));
  }
  await settled();
}"""


def settle(page: Page) -> None:
    """Wait until what was asked for is drawn."""
    page.evaluate(SETTLED)


def state(page: Page) -> dict[str, Any]:
    """What the page looks at: the plain parts of its state."""
    found: dict[str, Any] = page.evaluate(
        """async () => {
          const { state } = await import('/static/state.js');
          const { image, motion, node, channel, unit, model, both, tab, field, cam } = state;
          return { image, motion, node, channel, unit, model, both, tab, field, cam };
        }"""
    )
    return found


def change(page: Page, **changes: Any) -> None:
    """Look at something else, as a click would."""
    page.evaluate("async (changes) => (await import('/static/state.js')).set(changes)", changes)


def card(page: Page, label: str, *, at: int = 0, model: int = 0) -> Locator:
    """The card of a layer by its label."""
    graph = page.locator(".graph").nth(model)
    found = graph.locator(".card").filter(has=page.get_by_text(label, exact=True))
    return found.nth(at)


def bars(page: Page, model: int = 0) -> dict[str, float]:
    """Class to per cent, as the page shows them."""
    rows = page.locator(".bars").nth(model).locator("li button")
    out = {}
    for row in rows.all():
        name = row.locator(".name").inner_text()
        out[name] = float(row.locator(".p").inner_text().replace("%", "").replace("<", "").strip())
    return out


def ink(page: Page, selector: str) -> str:
    """The pixels of a canvas as one text: equal texts, equal drawings."""
    text: str = page.locator(selector).first.evaluate("(canvas) => canvas.toDataURL()")
    return text


def number(text: str) -> float:
    """A number as the page writes it."""
    text = text.replace("−", "-").replace(",", "").strip()
    if "×10" in text:
        mantissa, power = text.split("×10")
        raised = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
        return float(mantissa) * 10.0 ** int(power.translate(raised))
    return float(text)


def until(page: Page, condition: str, *given: Any, seconds: float = 15.0) -> None:
    """Wait until a function of the page says yes. (The page's policy forbids Playwright's own.)"""
    end = time.monotonic() + seconds
    while not page.evaluate(condition, *given):
        assert time.monotonic() < end, f"never true: {condition}"
        page.wait_for_timeout(20)


def wait_for(page: Page, condition: Callable[[], bool], *, seconds: float = 15.0) -> None:
    """Wait until something is so on this side."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "never so"
        page.wait_for_timeout(20)


COLORS = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
}"""


def colors(canvas: Locator) -> int:
    """How many colors a canvas shows; an empty one has one."""
    count: int = canvas.evaluate(COLORS)
    return count
