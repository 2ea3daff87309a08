"""Color scales and the colors of the page can be read and told apart."""

import re

import pytest

from neocog.render.color import ANCHORS, STEPS, contrast, palette, scale_css, step
from neocog.render.draw import style


def _rgb(color):
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))


def _variables():
    light, dark = re.findall(r":root\{[^}]*?--page[^}]*\}", style(), re.S)[:2]
    return [dict(re.findall(r"--(\w+):(#[0-9a-f]{6})", block)) for block in (light, dark)]


@pytest.mark.parametrize(("kind", "scheme"), ANCHORS)
def test_a_palette_passes_its_anchors(kind, scheme):
    first, middle, last = (_rgb(c) for c in ANCHORS[kind, scheme])
    found = palette(kind, scheme, 5).astype(int)
    for at, color in ((0, first), (2, middle), (4, last)):
        assert abs(found[at] - color).max() <= 1  # there and back through Oklab, rounded


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_amounts_rise_in_contrast_to_the_page(scheme):
    page = _rgb(_variables()[scheme == "dark"]["card"])
    found = [contrast(c, page) for c in palette("amount", scheme, STEPS).tolist()]
    assert found == sorted(found)


def test_text_on_every_step_has_contrast_AA():
    rules = re.findall(r"background:(#\w{6});color:(#\w{3})", scale_css())
    assert len(rules) == 4 * STEPS
    for background, ink in rules:
        assert contrast(_rgb(background), (0, 0, 0) if ink == "#000" else (255, 255, 255)) >= 4.5


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_has_contrast_AA_and_lines_have_three_to_one(scheme):
    colors = {name: _rgb(c) for name, c in _variables()[scheme].items()}
    for ground in ("page", "card"):
        for text in ("ink", "soft", "link"):
            assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
        for line in (f"l{i}" for i in range(8)):
            assert contrast(colors[line], colors[ground]) >= 3.0, (line, ground)
    # The pale zeros of a map stand on its first step, or on the middle of a diverging one.
    for kind, at in (("amount", 0), ("both", STEPS // 2)):
        ground = palette(kind, ("light", "dark")[scheme], STEPS)[at].tolist()
        assert contrast(colors["soft"], ground) >= 4.5


def test_steps_run_from_end_to_end():
    assert [step(s) for s in (-1.0, 0.0, 0.5, 1.0, 2.0)] == [0, 0, STEPS // 2, STEPS - 1, STEPS - 1]
