import xml.etree.ElementTree as ET

import pytest

from neocog.exhibits import Curve
from neocog.render.svg import svg


def curve(**wish: object) -> Curve:
    plain = {
        "title": "loss",
        "x": [1, 2, 3],
        "lines": {"a": [3.0, 2.0, 1.0], "b": [1.0, None, 2.0]},
        "x_label": "epoch",
        "y_label": "loss",
    }
    return Curve(**{**plain, **wish})  # type: ignore[arg-type]


def test_it_is_xml_with_a_path_a_line_and_a_name_each() -> None:
    root = ET.fromstring(svg(curve()))
    texts = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"loss", "epoch", "a", "b", "1", "2", "3"} <= set(texts)
    group = root.find("{http://www.w3.org/2000/svg}g")
    assert group is not None
    assert len({p.get("stroke") for p in group}) == 2


def test_text_is_data() -> None:
    drawn = svg(
        curve(title="<script>alert(1)</script>", lines={'"&<': [1.0, 2.0, 3.0]}, x_label="a\nb")
    )
    root = ET.fromstring(drawn)
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
    assert "a\\nb" in drawn


def test_the_same_curve_gives_the_same_bytes() -> None:
    assert svg(curve()) == svg(curve())


def test_a_curve_without_a_value() -> None:
    ET.fromstring(svg(curve(x=[], lines={"a": []})))


def test_a_line_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match="as many values"):
        svg(curve(lines={"a": [1.0]}))
