from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neocog.audits.elastic import Waves, elastic, slope_of
from neocog.data.open import open_data
from neocog.data.samples import Samples
from neocog.errors import UsageError
from neocog.models.exact import ExactModel
from neocog.symmetry.warp import warp


def test_slope_of_a_displacement_is_what_it_says() -> None:
    waves = Waves.drawn(6, (64, 48), cycles=2, seed=0)
    field, length = waves.field(slice(0, 6), (64, 48))
    assert field.shape == (6, 64, 48, 2)
    by_row, by_column = torch.gradient(field.double(), dim=(1, 2))
    m = torch.stack([by_row, by_column], -1)[:, 1:-1, 1:-1]
    slope = torch.linalg.matrix_norm(m, ord=2).flatten(1).amax(1)
    # Central differences of two cycles over 48 pixels are low by at most (2π·2/48)² / 6 = 1.1 %.
    assert torch.all((slope <= 1.0001) & (slope > 0.98))
    assert torch.allclose(length, field.double().norm(dim=3).flatten(1).amax(1), rtol=1e-5)


def test_displacement_of_a_sample_does_not_depend_on_the_others() -> None:
    few, many = (Waves.drawn(n, (8, 8), cycles=2, seed=1) for n in (3, 30))
    for a, b in zip(vars(few).values(), vars(many).values(), strict=True):
        assert torch.equal(a, b[:3])


class Features(nn.Module):
    """Global means of smooth features: hardly sees a shift, sees a bend."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(1, 8, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x)).mean((2, 3))


def test_E7_distance_grows_with_the_slope_and_a_constant_displacement_costs_little() -> None:
    split = open_data("digits").splits["test"].subset(np.arange(60))
    found = elastic(ExactModel(Features()), Samples.of(split), border="zeros")
    assert list(found.distance) == sorted(found.distance)
    low, high = found.slope_ci
    assert 0 < low < found.slope < high
    # In proportion: the slope of the first amounts is near that of all (curvature and bilinear
    # interpolation leave some 30 %).
    first = found.distance[1] / found.amount[1]
    assert first == pytest.approx(found.slope, rel=0.3)
    # A shift as long as the largest bend moves the answer far less than that bend.
    assert found.constant < 0.5 * found.distance[-1]


def test_displacement_distance_and_agreement_by_hand() -> None:
    x = torch.rand(20, 1, 12, 16, generator=torch.Generator().manual_seed(0))
    net = Features()
    found = elastic(ExactModel(net), Samples.of(x), amounts=(0.1, 0.3), seed=2, batch=7)
    field, length = Waves.drawn(20, (12, 16), cycles=1, seed=2).field(slice(0, 20), (12, 16))
    assert found.displacement == pytest.approx(
        [0.1 * float(length.mean()), 0.3 * float(length.mean())]
    )
    eye, still = torch.eye(2).expand(20, 2, 2), torch.zeros(20, 2)
    bent = warp(x, eye, still, field=0.3 * field, border="reflect", between="bicubic")
    with torch.no_grad():
        before, after = net(x), net(bent)
    same = (before.argmax(1) == after.argmax(1)).double().mean()
    assert found.agreement[1] == pytest.approx(float(same))
    before, after = (v - v.mean(1, keepdim=True) for v in (before, after))
    ratio = ((after - before).norm(dim=1) / before.norm(dim=1)).mean()
    assert found.distance[1] == pytest.approx(float(ratio), rel=1e-4)  # float32


def test_line_through_zero_by_hand() -> None:
    amounts = np.array([1.0, 2.0])
    distance = np.array([[2.0, 4.0], [4.0, 8.0]])  # slopes 2 and 4
    slope, low, high = slope_of(amounts, distance, seed=0)
    assert slope == 3
    assert (low, high) == (2, 4)


def test_wrong_use() -> None:
    model = ExactModel(Features())
    with pytest.raises(UsageError, match=r"below 1, where an image would fold; got \[1.5\]"):
        elastic(model, Samples.of(torch.rand(2, 1, 8, 8)), amounts=(1.5,))
    for amounts in ((0.1, 1.0), (0.0, 0.1), ()):
        with pytest.raises(UsageError, match="above 0 and below 1"):
            elastic(model, Samples.of(torch.rand(2, 1, 8, 8)), amounts=amounts)
    with pytest.raises(UsageError, match="needs images with one prediction each"):
        elastic(model, Samples.of(torch.rand(2, 1, 8)))
