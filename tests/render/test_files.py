import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neocog.errors import RunError
from neocog.exhibits import Curve, Gallery, Map, Scalar, Section
from neocog.render.color import palette
from neocog.render.files import drawn_files, slug, write_files


def section() -> Section:
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    return Section(
        title="s",
        exhibits=(
            Gallery(
                title="Two", images=[gray, np.dstack([gray] * 3)], captions=["a b\nc", "a b\nc"]
            ),
            Gallery(title="One alone", images=[gray], captions=["x"]),
            Map(title="Weights", values=np.array([[-1.0, 0.0], [np.nan, 1.0]]), diverging=True),
            Curve(title="Curve", x=[1, 2], lines={"a": [1, 2]}, x_label="x", y_label="y"),
            Scalar(title="number", value=1.0),
        ),
    )


def test_a_file_for_each_image_map_and_curve() -> None:
    found = drawn_files([section()])
    names = ["two-a-b.png", "two-a-b-2.png", "one-alone.png", "weights.png", "curve.svg"]
    assert list(found) == names
    back = np.asarray(Image.open(io.BytesIO(found["two-a-b.png"])))
    assert np.array_equal(back, np.arange(12).reshape(3, 4))


def test_titles_that_occur_in_several_sections_are_told_apart() -> None:
    shown = Map(title="Weights", values=np.eye(2))
    found = drawn_files([Section(title=t, exhibits=(shown,)) for t in ("conv1", "conv2")])
    assert list(found) == ["conv1-weights.png", "conv2-weights.png"]


@pytest.mark.parametrize(
    ("captions", "names"),
    [
        (("1.65", "1.6e+04", "nan"), ("g-1.png", "g-2.png", "g-3.png")),  # scores: their place
        (("7: 0.97", "0", "12: 3e-05"), ("g-7.png", "g-0.png", "g-12.png")),  # a unit
        (("c1, 0.5", "…", "8 random"), ("g-c1-0-5.png", "g-image.png", "g-8-random.png")),
    ],
)
def test_a_image_is_not_called_by_its_score(captions, names) -> None:
    images = [np.zeros((3, 5), np.uint8)] * 3
    shown = Gallery(title="g", images=images, captions=captions)
    assert tuple(drawn_files([Section(title="s", exhibits=(shown,))])) == names


def test_many_small_images_are_one_sheet() -> None:
    images = [np.full((3, 5), i, np.uint8) for i in range(14)]
    many = Gallery(title="Filters", images=images, captions=[str(i) for i in range(14)])
    found = drawn_files([Section(title="s", exhibits=(many,))])
    assert list(found) == ["filters.png"]
    sheet = np.asarray(Image.open(io.BytesIO(found["filters.png"])))
    # Four rows of four, each image 19 times as large, four pixels of gray around each.
    assert sheet.shape == (4 * (57 + 4) + 4, 4 * (95 + 4) + 4, 3)
    assert (sheet[4:61, 4 + 99 : 99 + 99] == 1).all()
    assert (sheet[:4] == 128).all()
    other = Gallery(title="F", images=[*images, np.zeros((2, 2), np.uint8)], captions=["x"] * 15)
    assert len(drawn_files([Section(title="s", exhibits=(other,))])) == 15


def test_colors_of_a_map_go_both_ways_from_zero_and_gaps_are_white() -> None:
    image = np.asarray(Image.open(io.BytesIO(drawn_files([section()])["weights.png"])))
    assert image.shape == (512, 512, 3)
    both = palette("both", "light", 256)
    assert np.array_equal(image[0, 0], both[0])
    assert np.array_equal(image[511, 511], both[255])
    assert np.array_equal(image[511, 0], [255, 255, 255])


def test_maps_of_one_value_and_of_none() -> None:
    for values in (np.full((2, 2), 3.0), np.full((2, 2), np.nan)):
        for diverging in (True, False):
            shown = Map(title="m", values=values, diverging=diverging)
            assert drawn_files([Section(title="s", exhibits=(shown,))])["m.png"]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("../../etc/passwd", "etc-passwd"),
        ("Ünter den Linden", "unter-den-linden"),
        ("<script>", "script"),
        ("数字", "exhibit"),
        ("a" * 100, "a" * 48),
        ("CON\x00\n", "con"),
    ],
)
def test_names_are_letters_and_digits(text: str, want: str) -> None:
    assert slug(text) == want


def test_files_are_written_and_a_full_disk_is_an_error(tmp_path: Path) -> None:
    paths = write_files(tmp_path / "new" / "folder", [section()])
    assert [p.name for p in paths] == list(drawn_files([section()]))
    assert all(p.is_file() for p in paths)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="must be writable"):
        write_files(tmp_path / "file", [section()])


@pytest.mark.parametrize("title", ["CON", "com1", "Nul"])
def test_no_file_is_called_as_a_device_of_windows(title: str) -> None:
    curve = Curve(title=title, x=[1, 2], lines={"a": [1.0, 2.0]}, x_label="x", y_label="y")
    names = drawn_files([Section(title="one", exhibits=[curve])])
    assert list(names) == [f"{title.lower()}-1.svg"]
