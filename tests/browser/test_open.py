"""The page opens: image, network, answer; and what it says is what the model says."""

import pytest
import torch
from tests.browser.helpers import (
    bars,
    card,
    change,
    colors,
    ink,
    settle,
    state,
    until,
    wait_for,
)

import neocog
from neocog.data.open import open_data
from neocog.exhibits import Scalar, Section
from neocog.runs.saved_audit import keep_audit


def said(run, index: int) -> dict[str, float]:
    """Class to probability, by PyTorch, of a test digit."""
    model = neocog.load(run)
    x = torch.from_numpy(open_data("digits").splits["test"].x[index].copy())
    with torch.no_grad():
        logits = model.module(x.permute(2, 0, 1)[None].float() / 255)
    return dict(zip(model.spec.classes, logits.softmax(1)[0].tolist(), strict=True))


def test_G5_the_page_shows_image_network_and_answer(visit, one) -> None:
    page = visit(one)
    settle(page)
    assert "lenet" in page.title()
    labels = [t.inner_text() for t in page.locator(".card .label").all()]
    assert [t for t in labels if t[0] in "csf" and t[1:].isdigit()] == [
        "c1",
        "s2",
        "c3",
        "s4",
        "c5",
        "f6",
    ]
    assert page.locator(".lines path").count() >= len(labels) - 1
    shown = bars(page)
    expected = said(one.runs[0], int(state(page)["image"].split(":")[1]))
    assert set(shown) == set(expected)
    for name, p in expected.items():  # a per cent is shown to a tenth, or better
        assert abs(shown[name] - 100 * p) <= 0.051
    best = max(expected, key=expected.__getitem__)
    assert page.locator(".verdict strong").inner_text() == best


def test_G2_the_cards_draw_their_maps(visit, one) -> None:
    page = visit(one)
    settle(page)
    for k in range(4):
        assert colors(page.locator(".card canvas").nth(k)) > 3
    before = card(page, "c1").locator("canvas").evaluate("(c) => c.toDataURL()")
    page.keyboard.press("]")
    settle(page)
    after = card(page, "c1").locator("canvas").evaluate("(c) => c.toDataURL()")
    assert before != after


def test_G5_residual_arcs_and_groups_that_fold(visit, two) -> None:
    page = visit(two)
    settle(page)
    page.get_by_role("button", name="A", exact=True).click()
    settle(page)
    groups = page.locator(".card.group")
    assert groups.count() >= 3
    few = page.locator(".card").count()
    page.get_by_role("button", name="unfold all").click()
    settle(page)
    many = page.locator(".card").count()
    assert page.locator(".card.group").count() == 0
    assert many > few
    # Nine blocks, each with its short cut; two of them change the size and have cards on theirs.
    assert page.locator(".lines .arc").count() >= 7
    page.get_by_role("button", name="fold all", exact=True).click()
    settle(page)
    assert page.locator(".card").count() < few
    assert page.locator(".lines .arc").count() == 0


def test_names_are_text_and_never_markup(visit, one) -> None:
    page = visit(one, quiet=False)
    evil = "<img src=x onerror=alert(1)><script>window.hurt = 1</script>"

    def rename(route) -> None:
        answer = route.fetch()
        about = answer.json()
        about["models"][0]["name"] = evil
        about["data"]["name"] = evil
        route.fulfill(response=answer, json=about)

    def regraph(route) -> None:
        answer = route.fetch()
        graph = answer.json()
        for node in graph["nodes"]:
            node["label"] = evil
        route.fulfill(response=answer, json=graph)

    def reframe(route) -> None:
        answer = route.fetch()
        body = answer.body()
        n = int.from_bytes(body[:4], "little")
        head = body[4 : 4 + n].decode()
        assert '"name"' in head
        head = (
            head.replace('"name": "', '"name":"')
            .replace('"name":"', '"name":"<b>bold</b>')
            .encode()
        )
        route.fulfill(response=answer, body=len(head).to_bytes(4, "little") + head + body[4 + n :])

    page.route("**/api/about", rename)
    page.route("**/api/graph?*", regraph)
    page.route("**/api/step", reframe)
    page.goto(one.address)
    page.wait_for_selector(".bars li")
    settle(page)
    assert page.evaluate("() => window.hurt") is None
    assert page.locator("main img, main script, .who img, .bars b b").count() == 0
    assert page.locator(".bars .name").first.inner_text().startswith("<b>bold</b>")
    assert evil in page.locator("#who").inner_text()


def test_grad_cam_lies_on_the_image_and_says_where_from(visit, one) -> None:
    page = visit(one)
    settle(page)
    plain = ink(page, "#stage")
    page.keyboard.press("g")
    settle(page)
    assert ink(page, "#stage") != plain
    assert page.locator("#cam").is_checked()
    assert page.locator("#cam-note").inner_text().startswith("Class ")
    page.locator(".bars li button").nth(3).click()
    settle(page)
    assert state(page)["cam"]["target"] is not None
    page.keyboard.press("g")
    settle(page)
    assert ink(page, "#stage") == plain


@pytest.mark.parametrize("tab", ["kernels", "top"])
def test_G1_G3_kernels_and_top_activations_of_a_layer(visit, one, tab: str) -> None:
    page = visit(one)
    card(page, "c1").locator(".title").click()
    page.locator(f"#tab-{tab}").click()
    if tab == "kernels":
        page.wait_for_selector(".kernel")
        assert page.locator(".kernel").count() == 6
        page.locator(".kernel").nth(4).click()
        page.wait_for_selector("#value")
        assert state(page)["channel"] == 4
    else:
        page.wait_for_selector(".patches li", timeout=30_000)
        assert page.locator(".patches li").count() == 9
        page.locator(".patches button").first.click()
        settle(page)
        assert state(page)["image"] == page.locator("#image-name").inner_text()


def test_the_audit_can_be_made_from_the_page(visit, one) -> None:
    page = visit(one)
    page.keyboard.press("a")
    page.get_by_role("button", name="Audit 100 images now").click()
    page.wait_for_selector("dialog[open] .exhibits", timeout=60_000)
    assert page.locator("dialog[open] .tile").count() > 0
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    change(page, tab="maps")


def test_the_audit_of_the_run_folder_is_shown_with_where_it_is_from(visit, one) -> None:
    (folder,) = one.runs
    section = Section(title="Kept shifts", exhibits=(Scalar(title="samples", value=7),))
    page = visit(one)
    keep_audit(neocog.load(folder), data="digits", result={"n": 7}, sections=[section])
    try:
        page.keyboard.press("a")
        page.wait_for_selector("dialog[open] .source")
        assert page.locator("dialog[open] .source").inner_text() == (
            "From the run folder, written by neocog audit: 7 samples of digits."
        )
        assert page.locator("dialog[open] .exhibits h3").all_inner_texts() == ["Kept shifts"]
        assert page.get_by_role("button", name="Audit 100 images now").count() == 0
    finally:
        (folder / "audit.json").unlink()


def test_who_steps_on_gives_up_what_was_asked_before(visit, one) -> None:
    page = visit(one)
    held, ended = [], []
    page.route("**/api/top-activations?*", lambda r: held.append(r))
    page.on("requestfailed", lambda r: ended.append(r.url))
    card(page, "c3").locator(".title").click()
    page.locator("#tab-top").click()
    until(page, "() => document.querySelector('.top .busy') !== null")
    wait_for(page, lambda: len(held) == 1)
    change(page, channel=3)
    wait_for(page, lambda: len(held) == 2)
    assert [url.endswith("channel=0") for url in ended] == [True]
    page.locator("#tab-maps").click()
    wait_for(page, lambda: len(ended) == 2)
    page.unroute("**/api/top-activations?*")
    assert page.locator("#toast").inner_text() == ""


def test_the_pages_of_kernels_end(visit, one) -> None:
    page = visit(one)
    asked = []

    def many(route) -> None:
        number = int(route.request.url.split("page=")[1])
        asked.append(number)
        answer = route.fetch(url=route.request.url.replace(f"page={number}", "page=0"))
        found = answer.json()
        rows = [{**f, "out": f["out"] + 6 * number} for f in found["kernels"]]
        shape = [12, *found["shape"][1:]]
        route.fulfill(response=answer, json={**found, "kernels": rows, "shape": shape, "pages": 2})

    page.route("**/api/kernels?*", many)
    card(page, "c1").locator(".title").click()
    page.locator("#tab-kernels").click()
    page.wait_for_selector(".kernel")
    where = "(text) => document.querySelector('#tabpanel .row .soft').textContent === text"
    for _ in range(3):
        page.get_by_role("button", name="Next kernels").click()
        until(page, where, "6–11 of 12")
    page.get_by_role("button", name="Previous kernels").click()
    until(page, where, "0–5 of 12")
    assert asked == [0, 1, 0]
    assert page.locator(".kernel").count() == 6


def test_a_field_that_goes_round_the_border_is_drawn_on_both_sides(visit, one) -> None:
    page = visit(one)
    spans = """async (given) => {
      const { spans } = await import('/static/stage.js');
      return given.map((one) => spans(...one));
    }"""
    found = page.evaluate(
        spans,
        [
            [-1, 2, 8, True],
            [6, 10, 8, True],
            [2, 5, 8, True],
            [-3, 9, 8, True],
            [-1, 2, 8, False],
            [9, 12, 8, False],
        ],
    )
    assert found == [[[7, 8], [0, 2]], [[6, 8], [0, 2]], [[2, 5]], [[0, 8]], [[0, 2]], []]
