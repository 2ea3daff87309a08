"""Color scales and the colors of the page can be read and told apart."""

import re

import numpy as np
import pytest

from neocog.render.color import ANCHORS, HEAT, STEPS, contrast, paint, palette, scale_css, step
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


def test_heat_is_perceptual_its_lightness_rises_in_even_steps():
    """Oklab's lightness of sRGB, by the published matrices."""
    coded = palette("heat", "light", 101) / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    r, g, b = linear.T
    cones = [
        0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b,
        0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b,
        0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b,
    ]
    lms = np.cbrt(np.array(cones))
    lightness = 0.2104542553 * lms[0] + 0.7936177850 * lms[1] - 0.0040720468 * lms[2]
    steps = np.diff(lightness)
    assert steps.min() > 0
    # Anchors are rounded to bytes, and so is every color.
    assert steps.max() < 2 * steps.mean()
    assert abs(lightness[50] - (lightness[0] + lightness[-1]) / 2) < 0.01


def test_paint_runs_from_end_to_end_and_stays_there():
    ends = [_rgb(HEAT[0]), _rgb(HEAT[-1])]
    found = paint(np.array([-1.0, 0.0, 1.0, 2.0, np.nan]), "heat").tolist()
    assert [tuple(c) for c in found] == [ends[0], ends[0], ends[1], ends[1], ends[0]]
    assert paint(np.zeros((3, 4)), "both").shape == (3, 4, 3)
