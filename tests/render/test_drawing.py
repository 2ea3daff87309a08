"""The image of a first screen as one SVG drawing."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from tests.contracts.test_exhibits import MEMBERS

from neocog.errors import UsageError
from neocog.exhibits import Bars, Gallery
from neocog.first_screen import FirstScreen
from neocog.render.drawing import as_svg
from neocog.render.notebook import Result

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", MEMBERS)
def test_every_exhibit_is_drawn_within_the_page(name):
    root = ET.fromstring(as_svg([MEMBERS[name]]))
    texts = [t.text or "" for t in root.iter(f"{SVG}text")]
    assert any(MEMBERS[name].title in t.lower() for t in texts)
    height = float(root.attrib["height"])
    ends = [float(e.get("y", 0)) + float(e.get("height", 0)) for e in root.iter(f"{SVG}rect")]
    assert height >= max(ends)
    assert not re.search(r'="-?(nan|inf)"', ET.tostring(root, "unicode"))


def test_exhibits_stand_below_each_other():
    one, two = MEMBERS["bars"], MEMBERS["gallery"]
    root = ET.fromstring(as_svg([one, two], title="both"))
    first, second = root.findall(f"{SVG}g")
    assert first.get("transform") == "translate(0 0.0)"
    alone = float(ET.fromstring(as_svg([one])).attrib["height"])
    assert float(second.get("transform", "").split()[1][:-1]) == pytest.approx(alone - 24, abs=0.6)
    assert root.findtext(f"{SVG}title") == "both"


def test_a_bar_is_as_long_as_its_value_and_its_whisker_as_its_interval():
    bars = Bars(title="a", names=["b", "c"], series={"d": [1.0, 2.0]},
                intervals={"d": [(0.5, 1.5), None]})  # fmt: skip
    root = ET.fromstring(as_svg([bars]))
    one, two = (float(r.attrib["width"]) for r in root.iter(f"{SVG}rect") if r.get("x"))
    assert two == pytest.approx(2 * one, abs=0.2)
    (whisker,) = (p.attrib["d"] for p in root.iter(f"{SVG}path") if "h" in p.attrib["d"])
    assert float(re.findall(r"h([\d.]+)", whisker)[0]) == pytest.approx(one, abs=0.2)


def test_images_that_belong_together_are_in_one_line():
    image = np.zeros((8, 8), np.uint8)
    gallery = Gallery(title="pairs", images=[image] * 12, captions=["x"] * 12, together=2)
    root = ET.fromstring(as_svg([gallery]))
    tops = [float(i.attrib["y"]) for i in root.iter(f"{SVG}image")]
    assert tops[::2] == tops[1::2]
    assert len(set(tops)) > 1


class Shown(Result):
    def __init__(self, *image: object) -> None:
        self.image = image

    def heading(self):
        return "A <b>result"

    def first_screen(self):
        return FirstScreen(headline="x", image=self.image, figures=(MEMBERS["scalar"],))

    def sections(self):
        return []


def test_a_result_plots_the_image_of_its_first_screen(tmp_path: Path):
    drawing = Shown(MEMBERS["bars"]).plot(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text() == drawing == drawing._repr_svg_()
    assert ET.fromstring(drawing).findtext(f"{SVG}title") == "A <b>result"
    assert "50.00" in Shown().plot()  # its figures where it has no image
    with pytest.raises(UsageError, match="is a folder"):
        Shown().plot(tmp_path)
