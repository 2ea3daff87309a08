"""Curves: gaps, lonely points, names that do not cover each other."""

import itertools
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.exhibits import Curve
from neocog.render.curve import DRAWN, HEIGHT, LABEL, view_curve
from neocog.render.draw import draw


def _curve(x, lines, *, y_label="loss", log_y=False):
    return Curve(title="t", x=x, lines=lines, x_label="epoch", y_label=y_label, log_y=log_y)


def _numbers(path):
    return [float(v) for v in re.findall(r"-?[\d.]+", path)]


@pytest.mark.parametrize("hole", [None, math.nan, math.inf])
def test_a_line_has_a_gap_where_there_is_no_number(hole):
    line = view_curve(_curve([1, 2, 3, 4, 5], {"a": [1, 2, hole, 2, 1]})).lines[0]
    assert line.path.count("M") == 2
    assert line.path.count("L") == 2


def test_a_logarithmic_line_has_a_gap_at_zero():
    line = view_curve(_curve([1, 2, 3], {"a": [1.0, 0.0, 0.1]}, log_y=True)).lines[0]
    assert line.path.count("M") == 2


def test_a_point_alone_is_a_dot():
    view = view_curve(_curve(range(100), {"a": [None] * 50 + [1.0] + [None] * 49}))
    assert view.lines[0].dots.count("h0") == 1


def test_a_constant_line_lies_inside():
    path = view_curve(_curve([1, 2], {"a": [0.5, 0.5]})).lines[0].path
    assert _numbers(path) == [0.0, 500.0, 1000.0, 500.0]


def test_one_epoch_is_a_dot_in_the_middle():
    view = view_curve(_curve([1], {"a": [0.5]}))
    assert _numbers(view.lines[0].dots)[:2] == [500.0, 500.0]
    assert [t for _, t in view.x_ticks] == ["0", "1", "2"]


@pytest.mark.parametrize("curve", [_curve([], {}), _curve([1, 2], {"a": [None, math.nan]})])
def test_nothing_to_draw_is_said(curve):
    assert "no values" in draw(curve)


def test_a_rising_line_rises_on_the_page():
    places = _numbers(view_curve(_curve([0, 1, 2], {"a": [0, 1, 2]})).lines[0].path)
    assert places == [0.0, 1000.0, 500.0, 500.0, 1000.0, 0.0]


def test_shares_are_drawn_times_100():
    view = view_curve(_curve([1, 2], {"a": [0.0, 1.0]}, y_label="%"))
    assert [t for _, t in view.y_ticks] == ["0", "20", "40", "60", "80", "100"]
    assert view.strips[1].values == [("a", "100.00\u202f%")]
    assert view.numbers.rows[1] == [2, 100.0]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_names_at_the_ends_stay_inside_and_do_not_cover_each_other(ends):
    view = view_curve(_curve([1, 2], {f"l{i}": [0.0, v] for i, v in enumerate(ends)}))
    tops = sorted(float(line.end) / 100 * HEIGHT for line in view.lines)
    assert tops[0] >= 0
    assert tops[-1] <= HEIGHT
    # Positions are written in hundredths of a per cent: 0.026 pixels.
    assert all(b - a >= LABEL - 0.06 for a, b in itertools.pairwise(tops))


def test_no_two_of_32_lines_look_alike():
    view = view_curve(_curve([1, 2], {str(i): [0, i] for i in range(32)}))
    assert len({(line.color, line.dash) for line in view.lines}) == 32


def test_a_long_line_is_thinned_but_keeps_its_extremes_and_gaps():
    values = [math.sin(i / 50) for i in range(20_000)]
    values[777], values[778:800] = 9.0, [None] * 22
    path = view_curve(_curve(range(20_000), {"a": values})).lines[0].path
    assert path.count("L") <= DRAWN * 1.1
    assert path.count("M") == 2
    # The axis runs from −2 to 10, so that 9 lies a twelfth below its top.
    assert min(_numbers(path)[1::2]) == 83.3


def test_every_position_tells_its_numbers():
    html = draw(_curve([1, 2, 3], {"train": [3, 2, 1]}))
    assert html.count("<rect") == 3
    assert "epoch 2\ntrain: 2" in html
    widths = [float(w) for w in re.findall(r'<rect x="[\d.]+" width="([\d.]+)"', html)]
    assert sum(widths) == pytest.approx(1000)


def test_lines_of_another_length_are_an_error():
    with pytest.raises(ValueError, match=r"as many values.*`a` in `t` has 1 for 2"):
        draw(_curve([1, 2], {"a": [1]}))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(), st.none() | st.floats(), st.none() | st.floats()), max_size=6),
    st.booleans(),
    st.sampled_from(["loss", "%"]),
)
def test_any_numbers_are_drawn_within_the_plot(rows, log_y, y_label):
    x, a, b = zip(*rows, strict=True) if rows else ((), (), ())
    view = view_curve(_curve(x, {"a": a, "b": b}, log_y=log_y, y_label=y_label))
    for line in view.lines:
        assert "n" not in line.path  # neither nan nor inf
        assert all(0 <= v <= 1000 for v in _numbers(line.path))


def test_positions_that_have_names_are_called_by_them():
    names = [f"layer{i}.conv" for i in range(60)]
    curve = Curve(
        title="t", x=list(range(60)), lines={"a": [1.0] * 60}, x_label="x", y_label="y",
        x_names=names,
    )  # fmt: skip
    view = view_curve(curve)
    shown = [text for _, text in view.x_ticks]
    assert shown[0] == "layer0.conv"
    assert 12 <= len(shown) <= 24
    assert view.numbers.rows[59][0] == "layer59.conv"
    assert "layer59.conv" in draw(curve)  # told where one points


def test_names_of_positions_are_as_many_as_these():
    with pytest.raises(ValueError, match="a name for each position or none; `t` has 1 for 2"):
        view_curve(
            Curve(title="t", x=[1, 2], lines={}, x_label="x", y_label="y", x_names=["only one"])
        )
