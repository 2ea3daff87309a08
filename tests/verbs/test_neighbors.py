"""The nearest images of an image, in Python."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import neocog
from neocog.data.open import open_data
from neocog.models.model import Model
from neocog.runs.features import backbone_of, features_of


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    """Bars across and bars down, in folders."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(("across", "down")):
        (tmp_path / name).mkdir()
        for i in range(30):
            x, at = rng.integers(0, 90, (28, 28)).astype(np.uint8), int(rng.integers(4, 20))
            x[(slice(at, at + 4), slice(None))[:: 1 - 2 * number]] = 220
            Image.fromarray(x).save(tmp_path / name / f"{i}.png")
    return tmp_path


def _model() -> Model:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2), nn.ReLU(), nn.AdaptiveMaxPool2d(4), nn.Flatten(),
        nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 7),
    )  # fmt: skip
    return neocog.load(net, size=(1, 28, 28), mean=(0.3,), std=(0.3,))


def test_neighbors_are_those_of_the_largest_cosine_similarity(bars: Path) -> None:
    model = _model()
    source = open_data(bars)
    backbone, whole = backbone_of(model.module, "net"), source.whole
    features = torch.cat(list(features_of(backbone, whole)))
    unit = torch.nn.functional.normalize(features - features.mean(0), dim=1)
    image = bars / "across" / "3.png"
    row = list(whole.names).index("across/3.png")
    expected = (unit @ unit[row]).argsort(descending=True)[1:4].tolist()
    found = model.neighbors(bars, image, k=3)
    assert [n.name for n in found.neighbors] == [whole.names[i] for i in expected]
    assert [n.label for n in found.neighbors] == [source.classes[whole.y[i]] for i in expected]
    assert found.to_json()["queries"][0]["neighbors"][0]["similarity"] == pytest.approx(
        float(unit[expected[0]] @ unit[row]), abs=1e-5
    )


def test_names_of_classes_in_a_gallery_are_no_markup(bars: Path, tmp_path: Path) -> None:
    (bars / "down").rename(bars / "<b>down")
    found = _model().neighbors(bars, [bars / "across" / "0.png", bars / "<b>down" / "0.png"])
    found.save_html(tmp_path / "near.html")
    text = (tmp_path / "near.html").read_text()
    assert "<b>down" not in text
    assert "&lt;b&gt;down" in text


@pytest.mark.parametrize("k", [0, 101])
def test_a_number_of_neighbors_is_from_1_to_100(bars: Path, k: int) -> None:
    with pytest.raises(neocog.errors.UsageError, match="from 1 to 100"):
        _model().neighbors(bars, bars / "across" / "0.png", k=k)


def test_equal_images_in_other_files_are_neighbors_and_rows_are_of_one_length(bars: Path) -> None:
    first = bars / "across" / "0.png"
    for name in ("1", "2"):
        (bars / "across" / f"{name}.png").write_bytes(first.read_bytes())
    found = _model().neighbors(bars, [first, bars / "down" / "0.png"], k=1)
    assert [len(q.neighbors) for q in found.queries] == [1, 1]
    assert found.neighbors[0].name in {"across/1.png", "across/2.png"}
    assert found.neighbors[0].similarity == pytest.approx(1, abs=1e-5)
    assert {len(row) for row in found.images} == {2}


def test_a_tensor_is_not_its_own_neighbor_but_an_equal_one_is() -> None:
    x = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    x[1] = x[0]
    found = _model().neighbors(x, x[:3], k=2)
    assert [len(q.neighbors) for q in found.queries] == [2, 2, 2]
    assert found.neighbors[0].name == "sample 1"
    assert "sample 2" not in [n.name for n in found.queries[2].neighbors]
