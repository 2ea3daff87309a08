from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from neocog.errors import ShapeMismatch, UsageError
from neocog.lectures.classic_filters import CLASSIC, SERIES, classic, sections
from neocog.render.page import page


def test_A11_a_vertical_edge_answers_to_vertical_edges_only() -> None:
    x = torch.zeros(1, 12, 12)
    x[:, :, :6] = 1.0
    found = {f.name: f.values for f in classic(x).filtered}
    edges = found["vertical edges"][0]
    assert edges[5, 5] == 4  # Sobel: 1 + 2 + 1, bright on the left
    assert edges[0, 5] == 4  # the border is mirrored: no edge of its own
    assert np.abs(found["horizontal edges"]).max() == 0
    assert np.abs(edges[:, [0, 1, 2, 9, 10, 11]]).max() == 0
    assert np.abs(found["Gabor, upright"]).max() > 3 * np.abs(found["Gabor, lying"]).max()


def test_A11_a_blur_keeps_the_mean_and_takes_the_contrast() -> None:
    x = torch.rand(3, 20, 24, generator=torch.Generator().manual_seed(0))
    found = {f.name: f.values for f in classic(x, names=["blur", "sharpen"]).filtered}
    assert found["blur"].shape == (3, 20, 24)
    assert found["blur"].std() < 0.5 * float(x.std())
    assert found["sharpen"].std() > 1.5 * float(x.std())
    assert found["blur"].mean() == pytest.approx(float(x.mean()), abs=0.01)


def test_flat_areas_stay_flat_and_small_images_are_no_problem() -> None:
    for size in ((40, 40), (3, 2), (1, 1)):
        for f in classic(torch.full((1, *size), 0.5)).filtered:
            expected = 0.5 if f.kind == "image" else 0.0
            assert f.values.shape == (1, *size)
            np.testing.assert_allclose(f.values, expected, atol=1e-6)


def test_series_and_drawing() -> None:
    x = torch.sin(torch.arange(60.0) / 5)[None] / 2 + 0.5
    found = classic(x)
    assert [f.name for f in found.filtered] == list(SERIES)
    assert "second difference" in page("Series", found.sections())
    image = classic(torch.rand(3, 16, 16))
    assert [f.name for f in image.filtered] == list(CLASSIC)
    assert "Frequency response" in page("Image", image.sections())
    json.dumps(image.to_json(), allow_nan=False)


def test_the_filters_of_several_images_are_shown_once() -> None:
    found = [classic(torch.rand(3, 16, 16)) for _ in range(3)]
    (one,) = sections(found, names=["a.png", "b.png", "c.png"])
    titles = [e.title for e in one.exhibits]
    assert titles == ["a.png", "b.png", "c.png", "Kernels", "Frequency response"]
    (series,) = sections([classic(torch.rand(1, 32))])
    assert series.exhibits[0].title == "On the series"


def test_wrong_use() -> None:
    with pytest.raises(UsageError, match=r"`blurr` is not a classic filter\. Did you mean `blur`"):
        classic(torch.rand(1, 8, 8), names=["blurr"])
    with pytest.raises(ShapeMismatch, match=r"one image \(C, H, W\) or one series"):
        classic(torch.rand(1, 1, 8, 8))
