"""Maps: small ones print their numbers, large ones are an image."""

import base64
import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from neocog.exhibits import Map
from neocog.render.color import STEPS
from neocog.render.draw import draw
from neocog.render.map import view_map


def _map(values, **fields):
    return Map(title="t", values=np.asarray(values), **fields)


def _image(html, attribute):
    address = re.search(rf'{attribute}="data:image/png;base64,([^"]+)"', html)[1]
    return Image.open(io.BytesIO(base64.b64decode(address)))


def test_a_confusion_prints_every_count_beside_its_names():
    html = draw(_map([[7, 1], [0, 12]], rows=["cat", "dog"], columns=["cat", "dog"]))
    cells = re.findall(r'<td class="[^"]+">([^<]*)</td>', html)
    assert cells == ["7", "1", "0", "12"]
    assert html.count('scope="row"') == html.count('scope="col"') == 2


def test_colors_run_from_the_smallest_to_the_largest_number():
    looks = [cell.look for cell in view_map(_map([[1.0, 2.0, 3.0]])).cells[0]]
    assert looks == ["q0", f"q{STEPS // 2}", f"q{STEPS - 1}"]


def test_diverging_colors_have_zero_in_their_middle():
    looks = [cell.look for cell in view_map(_map([[-1.0, 0.0, 4.0]], diverging=True)).cells[0]]
    assert looks == [f"d{STEPS // 2 - 2}", f"d{STEPS // 2} nil", f"d{STEPS - 1}"]


def test_what_is_no_number_is_hatched_and_in_the_key():
    html = draw(_map([[np.nan, 1.0]]))
    assert '<td class="gap">–</td>' in html
    assert "no number" in html
    assert "no number" not in draw(_map([[0.0, 1.0]]))


@pytest.mark.parametrize("value", [0, 1, -2.5, np.nan])
def test_one_by_one(value):
    assert draw(_map([[value]])).count("<td class=") == 1


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_an_empty_map_says_so(shape):
    assert "no values" in draw(_map(np.zeros(shape)))


def test_a_hundred_classes_are_a_image_for_light_and_one_for_dark():
    values = np.eye(100)
    html = draw(_map(values, rows=[f"class {i}" for i in range(100)]))
    light, dark = _image(html, "src"), _image(html, "srcset")
    assert light.size == dark.size == (100, 100)
    assert light.getpixel((3, 3)) == dark.getpixel((3, 3)) == 254
    assert light.getpixel((3, 4)) == 0
    assert light.convert("RGB").getpixel((3, 3)) != dark.convert("RGB").getpixel((3, 3))
    assert len(html) < 10_000
    assert "class 90" in html
    assert "class 91" not in html


def test_rows_of_a_image_are_rows_of_the_matrix():
    values = np.zeros((30, 40))
    values[2, 5] = 1.0
    values[3, 7] = np.nan
    image = _image(draw(_map(values)), "src")
    assert image.size == (40, 30)
    assert image.getpixel((5, 2)) == 254
    assert image.convert("RGBA").getpixel((7, 3))[3] == 0


def test_a_map_that_is_no_matrix_is_an_error():
    with pytest.raises(ValueError, match=r"a matrix \(rows, columns\); `t` has the shape \(2,\)"):
        draw(_map([1, 2]))


@pytest.mark.parametrize("side", ["rows", "columns"])
def test_names_that_do_not_fit_are_an_error(side):
    with pytest.raises(ValueError, match="1 names for 2"):
        draw(_map(np.ones((2, 2)), **{side: ["a"]}))


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(np.float64, st.sampled_from([(1, 1), (2, 3), (21, 2)]), elements=st.floats()),
    st.booleans(),
)
def test_any_numbers_are_drawn_without_a_warning(values, diverging):
    view = view_map(_map(values, diverging=diverging))
    assert len(view.cells) == (len(values) if len(values) <= 20 else 0)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_matrices_of_every_kind_of_number_are_drawn(dtype):
    assert ">1<" in draw(_map(np.eye(3, dtype=dtype)))


def test_given_ends_are_those_of_the_scale_whatever_the_values_are():
    view = view_map(_map([[1.0, 1.0]], ends=(0.8, 1.0), unit="%"))
    assert [cell.look for cell in view.cells[0]] == [f"q{STEPS - 1}"] * 2
    assert [str(t) for t in view.key_labels] == ["80\u202f%", "100\u202f%"]


def test_a_spectrum_has_frequencies_on_its_axes_and_the_nyquist_box():
    values = np.zeros((16, 32))
    html = draw(_map(values, extent=((-0.5, 0.5), (-0.5, 0.5)), box=(0.5, 0.25)))
    ticks = re.findall(r'style="(top|left):([\d.]+)%">([^<]+)<', html)
    assert ("left", "50.00", "0.0") in ticks
    assert ("top", "90.00", "0.4") in ticks
    assert 'class="box" style="top:25.00%;height:50.00%;left:37.50%;width:25.00%"' in html
    assert 'class="box"' not in draw(_map(values))
    assert "<picture>" in html
    assert "</picture>" in html
