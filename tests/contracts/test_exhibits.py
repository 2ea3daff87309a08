"""Every kind of exhibit can be drawn and turned into JSON, whatever numbers it holds."""

import json
import math
import typing

import numpy as np
import pytest

from neocog.exhibits import (
    Bars,
    Check,
    Checks,
    Curve,
    Exhibit,
    Gallery,
    Map,
    Scalar,
    Section,
    Table,
)
from neocog.render.draw import draw
from neocog.render.page import page

ODD = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1e308, -1e308, 5e-324)
SQUARE = np.zeros((3, 3), np.uint8)

MEMBERS = {
    "scalar": Scalar(title="a", value=0.5, unit="%", interval=(0.4, 0.6), note="n"),
    **{f"scalar {v}": Scalar(title="a", value=v, unit="%", interval=(v, v)) for v in ODD},
    "curve": Curve(title="a", x=[1, 2], lines={"a": [1, None]}, x_label="x", y_label="y"),
    "curve of odd numbers": Curve(
        title="a", x=list(range(8)), lines={"a": ODD}, x_label="x", y_label="%", log_y=True
    ),
    "curve over odd numbers": Curve(
        title="a", x=ODD, lines={"a": list(range(8)), "b": ODD}, x_label="x", y_label="y"
    ),
    "curve of nothing": Curve(title="a", x=[], lines={}, x_label="x", y_label="y"),
    "map": Map(title="a", values=np.eye(3), rows=[*"abc"], columns=[*"abc"], note="n"),
    "map of odd numbers": Map(title="a", values=np.array([ODD])),
    "large map of odd numbers": Map(title="a", values=np.array([ODD] * 30), diverging=True),
    "map of nothing": Map(title="a", values=np.zeros((0, 0))),
    "gallery": Gallery(title="a", images=[SQUARE, np.dstack([SQUARE] * 3)], captions=["a", "b\nc"]),
    "gallery of nothing": Gallery(title="a", images=[], captions=[]),
    "table": Table(
        title="a", columns=["a", "b", "c"], rows=[["x", 1, 1.5], [None, None, math.nan]]
    ),
    "table of odd numbers": Table(title="a", columns=["a"], rows=[[v] for v in ODD]),
    "table of nothing": Table(title="a", columns=[], rows=[]),
    "bars": Bars(title="a", names=["b", "c"], series={"d": [1.0, 2.0]},
                 intervals={"d": [(0.5, 1.5), None]}, x_label="x", unit="%"),
    "bars of nothing": Bars(title="a", names=[], series={}),
    "checks": Checks(title="a", checks=[Check(name="b", passed=True, value=1.0, baseline=0.5),
                                        Check(name="c", passed=None),
                                        Check(name="d", passed=False)]),
    "checks of nothing": Checks(title="a", checks=[]),
}  # fmt: skip


def test_every_kind_is_a_member():
    assert {type(e) for e in MEMBERS.values()} == set(typing.get_args(Exhibit))


@pytest.mark.parametrize("name", MEMBERS)
def test_it_is_drawn_without_nan_or_inf(name):
    html = draw(MEMBERS[name])
    assert MEMBERS[name].title in html
    assert not any(word in html.replace("info", "") for word in ("nan", "inf", "None"))


@pytest.mark.parametrize("name", MEMBERS)
def test_its_json_is_plain_and_complete(name):
    plain = MEMBERS[name].to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["kind"] == type(MEMBERS[name]).__name__.lower()
    bare = plain["kind"] == "curve" and not MEMBERS[name].intervals
    left_out = {"intervals"} if bare else set()
    left_out |= {"interval_label"} if plain["kind"] == "curve" else set()
    assert set(plain) == {"kind", *MEMBERS[name].__dataclass_fields__} - left_out


def test_a_section_of_all_of_them_is_drawn_and_is_plain():
    section = Section(title="all", exhibits=list(MEMBERS.values()))
    assert "all" in page("t", [section])
    json.dumps(section.to_json(), allow_nan=False)
