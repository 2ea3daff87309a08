"""The image is moved, and all follows; two models see the same."""

from tests.browser.helpers import bars, card, ink, settle, state


def drag(page, dx: int, dy: int, steps: int = 6) -> None:
    box = page.locator("#stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx, y + dy, steps=steps)
    page.mouse.up()


def test_E2_dragging_moves_image_answer_and_maps_and_lights_the_errors(visit, one) -> None:
    page = visit(one)
    settle(page)
    before = (
        ink(page, "#stage"),
        bars(page),
        card(page, "c3").locator("canvas").evaluate("(c) => c.toDataURL()"),
    )
    assert page.locator(".card.lit").count() == 0
    width = page.locator("#stage").bounding_box()["width"]
    drag(page, round(width * 5 / 28), 0)
    settle(page)
    assert state(page)["motion"]["dx"] == 5
    assert state(page)["motion"]["dy"] == 0
    after = (
        ink(page, "#stage"),
        bars(page),
        card(page, "c3").locator("canvas").evaluate("(c) => c.toDataURL()"),
    )
    assert all(a != b for a, b in zip(before, after, strict=True))
    lit = page.locator(".card.lit")
    assert lit.count() >= 5
    numbers = [
        float(e.inner_text().replace("▲", "")) for e in page.locator(".card.lit .error").all()
    ]
    # An odd shift meets the first pool at another phase: something behind it must break.
    assert max(numbers) > 0.02
    assert "error" in page.locator(".card.lit .title").last.get_attribute("aria-label")
    worst = page.locator("#network-hint button")
    assert page.locator(".card.worst .label").inner_text() == worst.inner_text()
    worst.click()
    assert page.evaluate("() => document.activeElement.closest('.card').matches('.worst')")
    page.get_by_role("button", name="reset").click()
    settle(page)
    assert ink(page, "#stage") == before[0]
    assert bars(page) == before[1]


def test_sliders_turn_scale_and_bend(visit, one) -> None:
    page = visit(one)
    settle(page)
    seen = {ink(page, "#stage")}
    for name, value in (("angle", "40"), ("scale", "0.5"), ("elastic", "0.8")):
        page.locator(f"#move-{name}").fill(value)
        settle(page)
        drawn = ink(page, "#stage")
        assert drawn not in seen
        seen.add(drawn)
    assert state(page)["motion"]["angle"] == 40
    page.get_by_label("zeros", exact=True).check()
    assert state(page)["motion"]["padding"] == "zeros"


def test_the_newest_wish_wins_and_one_request_is_in_flight(visit, one) -> None:
    page = visit(one)
    settle(page)
    flying = {"now": 0, "most": 0, "all": 0}

    def sent(request) -> None:
        if request.url.endswith("/api/step"):
            flying["now"] += 1
            flying["all"] += 1
            flying["most"] = max(flying["most"], flying["now"])

    def done(request) -> None:
        if request.url.endswith("/api/step"):
            flying["now"] -= 1

    page.on("request", sent)
    page.on("requestfinished", done)
    drag(page, 90, 60, steps=60)
    settle(page)
    assert flying["most"] == 1
    assert 2 <= flying["all"] <= 70
    last = state(page)["motion"]
    shown = page.evaluate(
        "async () => (await import('/static/state.js')).state.frames[0].prediction.probabilities[0]"
    )
    fresh = page.evaluate(
        """async (motion) => {
          const { step } = await import('/static/api.js');
          const { state } = await import('/static/state.js');
          const asked = { maps: [], cam: null, errors: false, top: 10 };
          const frame = await step({ model: 0, image: state.image, motion, ...asked });
          return frame.prediction.probabilities[0];
        }""",
        last,
    )
    assert shown["class"] == fresh["class"]
    assert abs(shown["p"] - fresh["p"]) < 1e-6  # the same step of the same model


def test_two_models_side_by_side_follow_the_same_motion(visit, two) -> None:
    page = visit(two)
    settle(page)
    assert page.locator(".graph").count() == 2
    assert page.locator(".bars").count() == 2
    before = (bars(page, 0), bars(page, 1))
    page.locator("#stage").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    settle(page)
    after = (bars(page, 0), bars(page, 1))
    assert before[0] != after[0]
    assert before[1] != after[1]
    for k in range(2):
        assert page.locator(".graph").nth(k).locator(".card.lit").count() > 2
    page.get_by_role("button", name="B", exact=True).click()
    settle(page)
    assert page.locator(".graph").count() == 1
    assert len(after[1]) == 5  # of ten, where two lists stand above each other
    assert after[1].items() <= bars(page).items()
    assert state(page)["motion"]["dx"] == 3
