from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from neocog.errors import DataError, ModelError, ShapeMismatch, UsageError
from neocog.explainers.features import features_of
from neocog.explainers.top_activations import PatchGeometry
from neocog.lectures.template_matching import busiest, search
from neocog.render.page import page


def texture(size: int = 64, channels: int = 1) -> Tensor:
    """A smooth random image with a bright corner."""
    x = torch.rand(1, channels, size, size, generator=torch.Generator().manual_seed(3))
    x = nn.functional.avg_pool2d(x, 5, 1, 2)[0]
    x = (x - x.min()) / (x.max() - x.min()) * 0.6
    x[:, :16, :16] = 1.0
    return x


def test_A12_the_normalized_score_survives_light_and_the_raw_one_does_not() -> None:
    found = search(texture(), (36, 52, 20, 38))
    by = {(r.method, r.change): r for r in found.rows}
    for change in ("as it is", "brighter", "less contrast", "darker", "uneven light"):
        assert by["normalized", change].correct, change
        assert not by["raw", change].correct, change
    assert by["normalized", "as it is"].corner == (36, 20)
    assert by["normalized", "as it is"].score == pytest.approx(1)
    assert by["normalized", "darker"].score == pytest.approx(1, abs=1e-5)


def test_A12_on_a_real_image(shared: Path) -> None:
    light = ("as it is", "brighter", "less contrast", "darker", "uneven light")
    right = {"raw": 0, "mean_free": 0, "normalized": 0}
    for kind in ("daisy", "dandelion", "rose", "sunflower", "tulip"):
        file = min((shared / "data" / "flowers5" / kind).glob("*.jpg"))
        image = Image.open(file).convert("RGB").resize((120, 90))
        x = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float() / 255
        for row in search(x, (30, 60, 40, 75), changes=light).rows:
            right[row.method] += row.correct
    assert right["normalized"] == 25  # every image in every light
    assert right["raw"] < 15


class Fixed(nn.Module):
    """One that takes a single size."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 64)
        self.conv = nn.Conv2d(1, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.first(x.flatten(1)).view(-1, 1, 8, 8))


def test_wrong_use() -> None:
    x = texture()
    with pytest.raises(UsageError, match=r"within its image; got \(0, 70, 0, 10\) for 64×64"):
        search(x, (0, 70, 0, 10))
    with pytest.raises(ShapeMismatch, match="looked for in one image"):
        search(x[None], (0, 7, 0, 10))
    with pytest.raises(
        UsageError, match=r"`brigther` is not an image change\. Did you mean `brighter`"
    ):
        search(x, (0, 7, 0, 10), changes=["brigther"])
    seen = PatchGeometry((1, 1), (1, 1), (0, 0))
    with pytest.raises(ModelError, match="before `conv` the network fails"):
        search(x, (20, 27, 20, 30), features=features_of(Fixed(), "conv", seen))
    with pytest.raises(UsageError, match="are whole pixels apart"):
        features_of(Fixed(), "conv", PatchGeometry((1, 1), (None, None), (0, 0)))
    coarse = nn.Sequential(nn.Conv2d(1, 1, 8, stride=8))
    features = features_of(coarse, "0", PatchGeometry((8, 8), (8, 8), (0, 0)))
    with pytest.raises(UsageError, match="at least two elements"):
        search(x, (20, 29, 20, 30), features=features)
    flat = features_of(nn.Sequential(nn.Flatten()), "0", seen)
    with pytest.raises(ShapeMismatch, match="Features are a map"):
        search(x, (20, 37, 20, 30), features=flat)
    idle = Fixed()
    idle.other = nn.Conv2d(1, 1, 1)
    with pytest.raises(ModelError, match="must run and return a tensor"):
        search(x[:, 30:38, 30:38], (0, 7, 0, 5), features=features_of(idle, "other", seen))


class Stranger(nn.Module):
    """With attributes of names like ours, that means something else by them."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Conv2d(1, 1, 1, bias=False)
        self.register_buffer("mean", torch.tensor(120.0))
        self.register_buffer("std", torch.tensor(60.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.network((255 * x - self.mean) / self.std)


def test_a_network_with_names_like_ours_is_run_as_it_is() -> None:
    net, x = Stranger(), texture()[None]
    found = features_of(net, "network", PatchGeometry((1, 1), (1, 1), (0, 0))).run(x)
    assert torch.equal(found, net(x).detach())


def test_the_busiest_window_has_the_largest_spread() -> None:
    x = texture(17, channels=3)
    top, bottom, left, right = busiest(x)
    assert (bottom - top, right - left) == (5, 5)
    spread = {
        (i, j): float(x[:, i : i + 5, j : j + 5].var((1, 2), correction=0).sum())
        for i in range(13)
        for j in range(13)
    }
    assert max(spread, key=lambda at: spread[at]) == (top, left)


@pytest.mark.parametrize("size", [(3, 3), (3, 9), (4, 4), (5, 40)])
def test_tiny_images_are_searched(size: tuple[int, int]) -> None:
    x = torch.rand(1, *size, generator=torch.Generator().manual_seed(0))
    found = search(x, busiest(x), changes=["as it is", "turned 12°", "enlarged 1.6"])
    assert found.of("normalized")[0].correct
    assert page("Template", found.sections())


def test_images_without_a_place_or_with_values_of_no_use_are_refused() -> None:
    with pytest.raises(UsageError, match="3 × 3 pixels or more; got one of 2 × 9"):
        busiest(torch.rand(1, 2, 9))
    with pytest.raises(ShapeMismatch, match="series have no templates"):
        busiest(torch.rand(1, 50))
    x = texture()
    x[0, 30, 30] = torch.nan
    with pytest.raises(DataError, match="among finite values"):
        search(x, (2, 9, 2, 12))
    with pytest.raises(DataError, match="uint8 from 7 to 255"):
        search((texture() * 255).round().clamp(0, 255).to(torch.uint8), (2, 9, 2, 12))
