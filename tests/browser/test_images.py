"""Where images come from: the data, a file, a drop, a paste, the pen, the camera."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.browser.helpers import bars, colors, ink, settle, state, until, wait_for

DROP = """async ([data, kind]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const box = new DataTransfer();
  box.items.add(new File([bytes], 'given.png', { type: 'image/png' }));
  const event = kind === 'drop'
    ? new DragEvent('drop', { dataTransfer: box, bubbles: true, cancelable: true })
    : new ClipboardEvent('paste', { clipboardData: box, bubbles: true, cancelable: true });
  document.body.dispatchEvent(event);
}"""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A bright bar on black."""
    x = np.zeros((28, 28), np.uint8)
    x[4:24, 12:16] = 255
    file = tmp_path / "bar.png"
    Image.fromarray(x).save(file)
    return file


def test_an_image_is_picked_from_the_data_in_an_order(visit, one) -> None:
    page = visit(one)
    page.keyboard.press("p")
    page.wait_for_selector(".images .tile")
    page.get_by_label("Order", exact=True).select_option("label")
    until(
        page,
        "() => { const names = document.querySelectorAll('.images .tile .name');"
        " const t = [...names].map((e) => e.textContent);"
        " return t.length > 20 && t.every((v) => v === t[0]); }",
    )
    page.get_by_label("Order", exact=True).select_option("incorrect")
    page.wait_for_selector(".images .tile.wrong")
    tile = page.locator(".images .tile.wrong").first
    truth = tile.locator(".name").inner_text()
    answer = tile.locator(".predicted").inner_text().removeprefix("✗ ")
    tile.click()
    settle(page)
    assert page.locator("dialog[open]").count() == 0
    assert page.locator(".verdict strong").inner_text() == answer
    assert truth in page.locator(".verdict .wrong").inner_text()
    assert page.locator(".bars .label .name").inner_text() == truth


def test_a_file_is_looked_at(visit, one, image: Path) -> None:
    page = visit(one)
    settle(page)
    before = (ink(page, "#stage"), bars(page))
    page.keyboard.press("p")
    page.locator("#file").set_input_files(image)
    until(page, "() => document.querySelector('#image-name').textContent === 'bar.png'")
    settle(page)
    assert state(page)["image"].startswith("own:")
    assert (ink(page, "#stage"), bars(page)) != before
    assert page.locator("#before").is_disabled()


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_an_image_is_dropped_or_pasted(visit, one, image: Path, kind: str) -> None:
    page = visit(one)
    page.evaluate(DROP, [base64.b64encode(image.read_bytes()).decode(), kind])
    until(page, "() => document.querySelector('#image-name').textContent === 'given.png'")
    settle(page)
    assert state(page)["image"].startswith("own:")


def test_what_is_no_image_is_refused_with_a_sentence(visit, one, watched, tmp_path: Path) -> None:
    page = visit(one)
    file = tmp_path / "no.png"
    file.write_bytes(b"this is not an image")
    before = state(page)["image"]
    page.keyboard.press("p")
    page.locator("#file").set_input_files(file)
    page.wait_for_selector(".toast.shown.fault")
    assert len(page.locator("#toast").inner_text()) > 20
    assert state(page)["image"] == before
    # The browser itself notes the refused request in the console.
    assert all("400" in text for text in watched.errors)
    watched.errors.clear()


def test_the_network_follows_the_pen(visit, one) -> None:
    page = visit(one)
    page.keyboard.press("d")
    box = page.locator("canvas.pad").bounding_box()
    page.mouse.move(box["x"] + 140, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 240, steps=8)
    page.mouse.up()
    until(page, "() => document.querySelector('#image-name').textContent === 'your drawing'")
    settle(page)
    first = bars(page)
    page.locator("canvas.pad").focus()
    page.keyboard.press(" ")
    for key in ["ArrowRight"] * 6 + ["ArrowUp"] * 8:
        page.keyboard.press(key)
    wait_for(page, lambda: bars(page) != first)
    page.get_by_role("button", name="Done").click()
    assert page.locator("dialog[open]").count() == 0


def test_a_frame_of_the_camera_is_asked_for_only_on_click(browser, visit, one) -> None:
    page = visit(one, permissions=[])
    page.evaluate(
        """() => {
          window.asked = 0;
          navigator.mediaDevices.getUserMedia = async () => {
            window.asked++;
            const canvas = document.createElement('canvas');
            canvas.width = canvas.height = 64;
            const ctx = canvas.getContext('2d');
            setInterval(() => { ctx.fillStyle = 'white'; ctx.fillRect(20, 8, 12, 48); }, 30);
            return canvas.captureStream(30);
          };
        }"""
    )
    page.keyboard.press("d")
    assert page.evaluate("() => window.asked") == 0
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Take this frame").click()
    until(page, "() => document.querySelector('#image-name').textContent === 'from the camera'")
    assert page.evaluate("() => window.asked") == 1
    assert state(page)["image"].startswith("own:")


CAMERA = """(late) => {
  window.tracks = [];
  navigator.mediaDevices.getUserMedia = async () => {
    const canvas = document.createElement('canvas');
    canvas.getContext('2d');
    const stream = canvas.captureStream(10);
    window.tracks.push(...stream.getTracks());
    await new Promise((done) => setTimeout(done, late));
    return stream;
  };
}"""


@pytest.mark.parametrize("late", [0, 300])
def test_the_camera_ends_with_the_dialogue(visit, one, late: int) -> None:
    page = visit(one)
    page.evaluate(CAMERA, late)
    page.keyboard.press("d")
    page.get_by_role("button", name="Use the camera").click()
    if not late:
        page.wait_for_selector("#shoot")
        page.get_by_role("button", name="Use the camera").click()
        until(
            page, "() => window.tracks.length === 2 && !document.querySelector('#camera').disabled"
        )
    page.keyboard.press("Escape")
    page.wait_for_timeout(late + 100)
    states = page.evaluate("() => window.tracks.map((track) => track.readyState)")
    assert set(states) == {"ended"}
    page.keyboard.press("d")
    assert not page.locator("#shoot").is_visible()


def test_a_step_that_fails_leaves_no_old_image_under_a_new_name(visit, one, watched) -> None:
    page = visit(one)
    settle(page)
    first = page.locator("#image-name").inner_text()
    page.route("**/api/step", lambda r: r.fulfill(status=500, json={"error": "It broke."}))
    page.keyboard.press("]")
    page.wait_for_selector(".toast.shown.fault")
    assert page.locator("#toast").get_attribute("role") == "alert"
    assert page.locator(".bars li").count() == 0
    assert page.locator(".verdict").inner_text() == ""
    assert colors(page.locator("#stage")) == 1
    page.unroute("**/api/step")
    page.keyboard.press("[")
    settle(page)
    assert page.locator("#image-name").inner_text() == first
    assert page.locator(".bars li").count() == 10
    watched.errors.clear()  # the browser notes the refused request


def test_a_slow_upload_does_not_take_over_from_a_later_choice(visit, one, image: Path) -> None:
    page = visit(one)
    settle(page)
    held = []
    page.route(
        "**/api/image", lambda r: held.append(r) if r.request.method == "POST" else r.continue_()
    )
    page.keyboard.press("p")
    page.locator("#file").set_input_files(image)
    wait_for(page, lambda: len(held) == 1)
    page.keyboard.press("Escape")
    page.keyboard.press("]")
    settle(page)
    chosen = state(page)["image"]
    with page.expect_response("**/api/image"):
        held[0].continue_()
    settle(page)
    assert state(page)["image"] == chosen


def test_the_states_of_a_drawing_take_one_place(visit, one, image: Path) -> None:
    page = visit(one)
    sent = []
    page.on("request", lambda r: r.method == "POST" and "/image" in r.url and sent.append(r))
    page.keyboard.press("p")
    page.locator("#file").set_input_files(image)
    until(page, "() => document.querySelector('#image-name').textContent === 'bar.png'")
    page.keyboard.press("d")
    page.locator("canvas.pad").focus()
    page.keyboard.press(" ")
    page.keyboard.press("ArrowRight")
    until(page, "() => document.querySelector('#image-name').textContent === 'your drawing'")
    brought, *drawn = [r.headers.get("x-page") for r in sent]
    assert brought is None
    assert drawn
    assert len(set(drawn)) == 1
    assert drawn[0]
