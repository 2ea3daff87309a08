"""Labels that file names say."""

from __future__ import annotations

import pytest

from neocog.data.labels_in_names import unlabeled

pytestmark = [
    pytest.mark.filterwarnings("ignore:No weights"),
    pytest.mark.filterwarnings("ignore:The network returns 2 tensors"),
]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    "files",
    [
        ["IMG_1.jpg", "IMG_2.jpg", "IMG_3.jpg"],
        ["a.png", "b.png"],
        [f"{chr(97 + i)}{chr(97 + i)}_1.png" for i in range(20)],
        ["cat_1.png", "cat_2.png", "dog_1.png", "dog_2.png", *(f"{i}.png" for i in range(40))],
    ],
)
def test_names_that_say_no_class_are_not_taken_for_one(files: list[str]) -> None:
    assert unlabeled("x", files).endswith("Sort the images into a folder for each class.")
