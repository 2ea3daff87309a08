"""Zoom to the arithmetic: the numbers on the page are PyTorch's."""

from __future__ import annotations

import pytest
import torch
from tests.browser.helpers import card, change, number, settle, state, until
from torch import Tensor

import neocog
from neocog.data.open import open_data


class Inside:
    """Outputs of a run's layers for a test digit, by plain hooks."""

    def __init__(self, run, index: int) -> None:
        self.network = neocog.load(run).module
        self.index = index

    def of(self, layer: str) -> tuple[Tensor, Tensor]:
        """Input and output of a sub-module, without the batch axis."""
        kept: list[tuple[Tensor, Tensor]] = []
        module = next(m for n, m in self.network.named_modules() if n.split(".")[-1] == layer)
        hook = module.register_forward_hook(lambda _, x, y: kept.append((x[0][0], y[0])))
        x = torch.from_numpy(open_data("digits").splits["test"].x[self.index].copy())
        with torch.no_grad():
            self.network(x.permute(2, 0, 1)[None].float() / 255)
        hook.remove()
        return kept[0]

    def module(self, layer: str):
        return next(m for n, m in self.network.named_modules() if n.split(".")[-1] == layer)


def at_unit(page, label: str, *, channel: int, row: int, col: int) -> None:
    """Open the arithmetic of one unit."""
    card(page, label).locator(".title").click()
    change(page, channel=channel, unit={"row": row, "col": col}, tab="unit")
    arrived(page, channel, row, col)
    settle(page)


def arrived(page, *place: int) -> None:
    """Wait until the answer for a unit is on the page; a vector is counted by one number alone."""
    until(
        page,
        """([full, short]) => {
          const told = document.querySelector('.total .result .soft')?.textContent ?? '';
          return told.endsWith(full) || told.endsWith(short);
        }""",
        [f"[{', '.join(map(str, place))}]", f"[{place[0]}]"],
    )


def table(page, name: str) -> list[list[float]]:
    rows = page.locator(f".matrix.{name} tr").all()
    return [[number(td.get_attribute("title")) for td in row.locator("td").all()] for row in rows]


@pytest.fixture
def inside(one) -> Inside:
    return Inside(one.runs[0], int(one.get("/api/about")["first"].split(":")[1]))


def test_A9_one_output_of_a_convolution_is_shown_number_by_number(visit, one, inside) -> None:
    page = visit(one)
    at_unit(page, "c3", channel=5, row=4, col=6)
    x, y = inside.of("c3")
    conv = inside.module("c3")
    want = y[5, 4, 6].item()
    # The page prints five digits; PyTorch's own sum is in float32.
    assert number(page.locator("#value").inner_text()) == pytest.approx(want, abs=1e-4, rel=1e-4)
    assert "PyTorch" in page.locator(".total .right").inner_text()
    chosen = page.locator('.chip[aria-pressed="true"]')
    channel = int(chosen.locator(".soft").inner_text())
    patch = x[channel, 4:9, 6:11]
    kernel = conv.weight[5, channel].detach()
    for name, expected in (("patch", patch), ("kernel", kernel), ("products", patch * kernel)):
        shown = torch.tensor(table(page, name))
        torch.testing.assert_close(shown, expected, rtol=1e-4, atol=1e-5)
    assert number(page.locator(".sigma b").inner_text()) == pytest.approx(
        (patch * kernel).sum().item(), rel=1e-3, abs=1e-4
    )
    sums = [number(c.locator("b").inner_text()) for c in page.locator("button.chip").all()]
    each = (x[:, 4:9, 6:11] * conv.weight[5].detach()).sum((1, 2))
    assert sorted(sums) == pytest.approx(sorted(each.tolist()), rel=1e-2, abs=1e-3)
    terms = [number(t.inner_text()) for t in page.locator(".total .term b").all()]
    assert terms[0] + terms[1] == pytest.approx(terms[2], rel=1e-3, abs=1e-3)
    assert terms[1] == pytest.approx(conv.bias[5].item(), rel=1e-3, abs=1e-4)


def test_A9_the_whole_number_is_followed_through_the_activation(visit, one, inside) -> None:
    page = visit(one)
    at_unit(page, "c1", channel=2, row=9, col=9)
    page.wait_for_selector(".chain b")
    _, y = inside.of("c1")
    then = number(page.locator(".chain b").first.inner_text())
    assert then == pytest.approx(max(0.0, y[2, 9, 9].item()), rel=1e-4, abs=1e-4)


def test_the_field_of_the_unit_is_drawn_on_the_image(visit, one) -> None:
    page = visit(one)
    settle(page)
    before = page.locator("#stage").evaluate("(c) => c.toDataURL()")
    at_unit(page, "c3", channel=0, row=2, col=3)
    # c1 5×5 with pad 2, pool 2, c3 5×5: a unit sees 5 + 1 + 4·2 = 14 pixels from 2·row - 2 on.
    assert state(page)["field"] == {"r0": 2, "r1": 16, "c0": 4, "c1": 18, "wraps": False}
    assert "14 × 14" in page.locator("#sees").inner_text()
    assert page.locator("#stage").evaluate("(c) => c.toDataURL()") != before


def test_pooling_shows_its_window_and_its_largest(visit, one, inside) -> None:
    page = visit(one)
    at_unit(page, "s2", channel=1, row=6, col=5)
    x, y = inside.of("s2")
    shown = torch.tensor(table(page, "patch"))
    torch.testing.assert_close(shown, x[1, 12:14, 10:12], rtol=1e-4, atol=1e-5)
    assert number(page.locator("#value").inner_text()) == pytest.approx(
        y[1, 6, 5].item(), rel=1e-4, abs=1e-5
    )
    best = number(page.locator("td.best").first.get_attribute("title"))
    assert best == pytest.approx(x[1, 12:14, 10:12].max().item(), rel=1e-4, abs=1e-5)


def test_a_dense_layer_lists_its_largest_products(visit, one, inside) -> None:
    page = visit(one)
    at_unit(page, "f6", channel=11, row=0, col=0)
    x, y = inside.of("f6")
    weight = inside.module("f6").weight[11].detach()
    assert number(page.locator("#value").inner_text()) == pytest.approx(
        y[11].item(), rel=1e-4, abs=1e-4
    )
    row = page.locator(".terms tbody tr").first.locator("td")
    index = int(row.nth(0).inner_text().split()[-1])
    assert index == int((x * weight).abs().argmax())
    got = [number(row.nth(k).inner_text()) for k in (1, 2, 3)]
    assert got == pytest.approx(
        [x[index].item(), weight[index].item(), (x * weight)[index].item()], rel=1e-3
    )


def test_a_residual_sum_and_a_batch_norm_have_their_own_views(visit, two) -> None:
    page = visit(two)
    page.get_by_role("button", name="A", exact=True).click()
    page.get_by_role("button", name="unfold all").click()
    settle(page)
    at_unit(page, "bn1", channel=1, row=3, col=3)
    steps = page.locator(".sum .step")
    assert steps.count() >= 4
    assert "mean" in page.locator(".sum").inner_text()
    assert page.locator(".total .right").count() == 1
    at_unit(page, "add", channel=1, row=3, col=3)
    parts = [number(b.inner_text()) for b in page.locator(".sum .step b").all()]
    assert len(parts) == 3
    assert parts[0] + parts[1] == pytest.approx(parts[2], rel=1e-3, abs=1e-3)


def test_the_window_slides_can_be_stepped_and_paused(visit, one) -> None:
    page = visit(one)
    at_unit(page, "c1", channel=0, row=3, col=26)
    marker = page.locator(".in .marker").first
    before = marker.get_attribute("style")
    page.get_by_role("button", name="Next unit").click()
    settle(page)
    assert state(page)["unit"] == {"row": 3, "col": 27}
    page.keyboard.press(".")
    page.get_by_role("button", name="Next unit").click()
    until(page, "(s) => document.querySelector('.in .marker').getAttribute('style') !== s", before)
    page.locator(".player select").select_option("fast")
    page.locator("#play").click()
    start = state(page)["unit"]
    until(
        page,
        "async ([r, c]) => { const { state } = await import('/static/state.js');"
        " return state.unit.row * 28 + state.unit.col >= r * 28 + c + 4; }",
        [start["row"], start["col"]],
    )
    page.locator("#play").click()
    page.wait_for_timeout(250)
    held = state(page)["unit"]
    page.wait_for_timeout(400)
    assert state(page)["unit"] == held
