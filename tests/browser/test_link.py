"""A link reopens a view; a hash that somebody made up opens what it can."""

from __future__ import annotations

import pytest
from tests.browser.helpers import bars, card, change, settle, state, until

MOTION = {
    "padding": "zeros",
    "dx": 3,
    "dy": -2,
    "angle": 20,
    "scale": 1.25,
    "elastic": {"amount": 1.5, "seed": 4},
}


def test_the_hash_reopens_the_view(visit, one) -> None:
    page = visit(one)
    card(page, "c3").locator(".title").click()
    unit = {"row": 4, "col": 6}
    change(page, channel=5, unit=unit, tab="unit", image="test:7", motion=MOTION)
    page.keyboard.press("g")
    page.wait_for_selector("#value")
    settle(page)
    until(page, "() => location.hash.includes('unit=4,6') && location.hash.includes('cam=')")
    before = (state(page), bars(page), page.locator("#value").inner_text())
    address = page.url
    assert "layer=c3" in address
    other = page.context.new_page()
    other.goto(address)
    other.wait_for_selector("#value")
    settle(other)
    assert (state(other), bars(other), other.locator("#value").inner_text()) == before


def test_a_link_says_which_side_of_two_models(visit, two) -> None:
    page = visit(two)
    page.locator(".graph").nth(1).locator(".card .title").nth(2).click()
    settle(page)
    until(page, "() => location.hash.includes('side=B')")
    wanted = state(page)
    page.reload()
    page.wait_for_selector(".card")
    settle(page)
    assert state(page) == wanted
    page.get_by_role("button", name="B", exact=True).click()
    until(page, "() => location.hash.includes('models=B')")
    page.reload()
    page.wait_for_selector(".card")
    settle(page)
    assert state(page)["model"] == 1
    assert page.locator(".graph").count() == 1


@pytest.mark.parametrize(
    "text",
    [
        "layer=nosuch&channel=9&unit=1,1&view=unit",
        "layer=c1&channel=999999&unit=-1,99&view=nosuch",
        "image=test:99999999&models=Q&side=Z",
        "image=../../etc/passwd&shift=1e99,x&rotation=NaN&scale=0&elastic=-4,2.5",
        "cam=<img src=x onerror=alert(1)>&layer=<b>",
        "%E0%A4%A&&&===",
        "network",
    ],
)
def test_a_hash_that_somebody_made_up_opens_what_it_can(visit, one, text: str, watched) -> None:
    page = visit(one)
    page.goto("about:blank")
    page.goto(f"{one.address}/#{text}")
    page.wait_for_selector(".bars li")
    settle(page)
    now = state(page)
    assert now["image"] == "test:0"
    assert now["node"] is not None
    assert now["channel"] == 0
    assert page.locator("main img").count() == 0
    assert "undefined" not in page.locator("main").inner_text()
    watched.elsewhere[:] = [u for u in watched.elsewhere if u != "about:blank"]


def test_an_address_that_is_entered_later_is_followed(visit, one) -> None:
    page = visit(one)
    settle(page)
    page.evaluate(
        "() => { location.hash = 'image=test:4&layer=s2&view=maps&channel=1&shift=2,0'; }"
    )
    until(page, "() => document.querySelector('#inspect h2').textContent === 's2'")
    settle(page)
    found = state(page)
    assert (found["image"], found["channel"], found["motion"]["dx"]) == ("test:4", 1, 2)


def test_the_link_is_copied(visit, one) -> None:
    page = visit(one, permissions=["clipboard-read", "clipboard-write"])
    settle(page)
    page.keyboard.press("l")
    page.wait_for_selector(".toast.shown")
    assert page.evaluate("() => navigator.clipboard.readText()") == page.url
    assert "layer=c1" in page.url
