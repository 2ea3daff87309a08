"""Without a mouse: every view is reached and used by keys, and the focus is seen."""

from tests.browser.helpers import bars, settle, state


def focused(page) -> dict:
    found: dict = page.evaluate(
        """() => {
          const e = document.activeElement;
          const s = getComputedStyle(e);
          const name = e.getAttribute('aria-label') || e.textContent.trim()
            || e.labels?.[0]?.textContent || e.title;
          const width = parseFloat(s.outlineWidth);
          return { tag: e.tagName, id: e.id, name, outline: s.outlineStyle, width };
        }"""
    )
    return found


def test_the_way_from_image_to_arithmetic_by_keys_alone(visit, one) -> None:
    page = visit(one)
    settle(page)
    page.keyboard.press("m")
    assert focused(page)["id"] == "stage"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    settle(page)
    assert (state(page)["motion"]["dx"], state(page)["motion"]["dy"]) == (1, 4)
    page.keyboard.press("0")
    settle(page)
    page.keyboard.press("n")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert "c1" in focused(page)["name"]
    page.keyboard.press("Enter")
    settle(page)
    assert page.locator("#inspect h2").inner_text().endswith("c1")
    page.keyboard.press("i")
    assert focused(page)["id"] == "tab-maps"
    page.keyboard.press("Tab")  # the order of the maps
    page.keyboard.press("Tab")  # the maps, one tab stop
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert focused(page)["name"].startswith("Channel 2")
    page.keyboard.press("Enter")
    page.wait_for_selector("#value")
    settle(page)
    assert state(page)["channel"] == 2
    assert focused(page)["id"] == "tab-unit"
    for _ in range(20):
        page.keyboard.press("Tab")
        if focused(page)["id"] == "out-map":
            break
    assert focused(page)["id"] == "out-map"
    unit = state(page)["unit"]
    page.keyboard.press("ArrowUp" if unit["row"] else "ArrowDown")
    settle(page)
    assert state(page)["unit"]["row"] != unit["row"]


def test_tab_goes_everywhere_and_the_focus_is_seen(visit, one) -> None:
    page = visit(one)
    settle(page)
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        at = focused(page)
        if at["tag"] == "BODY" or at in seen:
            break
        seen.append(at)
    names = " ".join(f"{s['id']} {s['name']}" for s in seen)
    for wanted in (
        "Audit",
        "Share",
        "stage",
        "pick",
        "draw",
        "move-angle",
        "move-scale",
        "cam",
        "circular",
        "c1, convolution",
    ):
        assert wanted in names
    assert all(s["name"] for s in seen), [s for s in seen if not s["name"]]
    unseen = [s for s in seen if s["outline"] == "none" or s["width"] < 1]
    # The radio buttons are covered by their labels, which draw the outline.
    assert [s for s in unseen if s["tag"] != "INPUT"] == []


def test_the_list_of_keys(visit, one) -> None:
    page = visit(one)
    page.keyboard.press("?")
    assert page.locator("dialog[open] kbd").count() >= 12
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0


def test_brackets_walk_through_the_images(visit, one) -> None:
    page = visit(one)
    settle(page)
    first, before = state(page)["image"], bars(page)
    page.keyboard.press("]")
    settle(page)
    assert state(page)["image"] != first
    assert bars(page) != before
    page.keyboard.press("[")
    settle(page)
    assert (state(page)["image"], bars(page)) == (first, before)


def test_no_control_is_without_a_name(visit, two) -> None:
    page = visit(two)
    settle(page)
    page.locator(".card .title").nth(2).click()
    settle(page)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, [role=application]')]
          .filter((e) => e.offsetParent !== null)
          .filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim()))
          .filter((e) => !(e.labels?.length || e.title))
          .map((e) => e.outerHTML)"""
    )
    assert nameless == []


def test_the_products_are_walked_and_read_by_keys(visit, one) -> None:
    page = visit(one)
    settle(page)
    page.locator(".card .title").nth(2).click()
    page.locator("#tab-unit").click()
    page.wait_for_selector(".matrix.products td")
    page.locator('.matrix.products td[tabindex="0"]').focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    at = page.evaluate("() => [document.activeElement.dataset.i, document.activeElement.dataset.j]")
    assert at == ["1", "1"]
    told = page.locator(".reading").inner_text()
    assert "×" in told
    assert "=" in told


def test_a_changed_prediction_is_said(visit, one) -> None:
    page = visit(one)
    settle(page)
    before = page.locator(".verdict strong").inner_text()
    for _ in range(5):
        page.keyboard.press("]")
        settle(page)
        now = page.locator(".verdict strong").inner_text()
        if now != before:
            break
    assert now != before
    assert page.locator("#say").inner_text() == f"predicted {now}"


def test_a_click_on_the_margin_of_a_dialogue_leaves_it_open(visit, one) -> None:
    page = visit(one)
    page.keyboard.press("?")
    box = page.locator("dialog[open]").bounding_box()
    page.mouse.click(box["x"] + 6, box["y"] + 6)
    assert page.locator("dialog[open]").count() == 1
    page.mouse.click(box["x"] - 30, box["y"] - 30)
    assert page.locator("dialog[open]").count() == 0
