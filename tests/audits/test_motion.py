from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neocog.audits.motion import rotation, scale
from neocog.data.samples import Samples
from neocog.errors import UsageError
from neocog.models.exact import ExactModel
from neocog.networks.catalog import build
from neocog.symmetry.motion import rotation_by


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x.mean((1, 2, 3)), torch.full((len(x),), 0.5)], 1)


class Top(nn.Module):
    """Is the upper half brighter than the lower?"""

    def forward(self, x: Tensor) -> Tensor:
        h = x.shape[2] // 2
        return torch.stack([x[:, :, :h].sum((1, 2, 3)), x[:, :, -h:].sum((1, 2, 3))], 1)


def images(n: int = 16, size: int = 8) -> Samples:
    g = torch.Generator().manual_seed(0)
    return Samples.of((torch.rand(n, 1, size, size, generator=g), np.arange(n) % 2))


def centered(predicted: Tensor) -> Tensor:
    return predicted.double() - predicted.double().mean(1, keepdim=True)


def test_quarter_turns_are_exact() -> None:
    found = rotation(ExactModel(Mean()), images(), step=30)
    assert found.sweep.amounts == tuple(30.0 * i for i in range(13))
    # A mean near 0.5 in another order of sums, 6e-8, over its distance from the constant, 0.01.
    assert found.quarter_turn_error < 1e-4
    assert found.quarter_turn_agreement == 1
    assert found.mirror == (1, 1)
    assert found.sweep.agreement[0] == found.sweep.agreement[-1] == 1


def test_turned_answers_by_hand() -> None:
    data = images()
    found = rotation(ExactModel(Top()), data, step=90)
    x = data.take(slice(None))
    base = Top()(x).argmax(1)
    for k in range(5):
        turned = torch.stack([torch.rot90(p, k, (1, 2)) for p in x])
        assert found.sweep.agreement[k] == float((Top()(turned).argmax(1) == base).double().mean())
        still, out = (centered(Top()(v)) for v in (x, turned))
        change = ((out - still).norm(dim=1) / still.norm(dim=1)).mean()
        assert found.sweep.change[k] == pytest.approx(float(change), abs=1e-6)  # float32 sums
    assert found.quarter_turn_error == pytest.approx(sum(found.sweep.change[1:4]) / 3)
    assert found.quarter_turn_agreement == pytest.approx(sum(found.sweep.agreement[1:4]) / 3)
    assert found.sweep.agreement[2] == 0  # upside down
    assert found.mirror == (1, 0)
    assert found.sweep.floor == (1,) * 5  # nothing is interpolated


def test_floor_is_what_interpolation_alone_does() -> None:
    data = images()
    found = rotation(ExactModel(Top()), data, step=45)
    x = data.take(slice(None))
    again = rotation_by(45).round_trip(x)
    same = (Top()(again).argmax(1) == Top()(x).argmax(1)).double().mean()
    assert found.sweep.floor[1] == float(same) < 1


def test_scale_of_one_changes_nothing() -> None:
    found = scale(ExactModel(Top()), images(), factors=(0.5, 1.0, 2.0))
    assert found.sweep.agreement[1] == 1
    assert found.sweep.change[1] == 0
    assert found.sweep.change[0] > 0
    base, truth = Top()(images().take(slice(None))).argmax(1), torch.arange(16) % 2
    assert found.sweep.accuracy[1] == float((base == truth).double().mean())


def test_a_regressor_that_turns_do_not_change_is_not_given_an_interval_of_shares() -> None:
    class Largest(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.amax((2, 3))

    found = rotation(ExactModel(Largest(), task="regress"), images(), step=90).sweep
    assert (found.agreement, found.agreement_ci) == ((0,) * 5, ((0, 0),) * 5)


def test_images_that_are_not_square_are_turned_half_way_round_exactly() -> None:
    x = torch.rand(4, 1, 6, 8, generator=torch.Generator().manual_seed(0))
    found = rotation(ExactModel(Mean()), Samples.of(x), step=90)
    assert found.sweep.amounts == (0.0, 180.0, 360.0)


def test_wrong_use() -> None:
    model = ExactModel(Mean())
    with pytest.raises(UsageError, match=r"divides 90 degrees.*; got 40"):
        rotation(model, images(), step=40)
    series = Samples.of(torch.rand(3, 1, 8))
    with pytest.raises(UsageError, match="Only images can be rotated"):
        rotation(model, series)
    with pytest.raises(UsageError, match="Only images can be scaled"):
        scale(model, series)
    with pytest.raises(UsageError, match=r"are positive; got \[0.0\]"):
        scale(model, images(), factors=(0.0,))
    with pytest.raises(UsageError, match="this one outputs maps"):
        rotation(ExactModel(nn.Identity(), task="segment"), images())


def test_E6_the_curve_of_a_symmetric_network_repeats_every_quarter_turn() -> None:
    data = images(6, 24)
    results = []
    for symmetry in ("c8", "none"):
        torch.manual_seed(0)
        options = {"symmetry": symmetry, "widths": (8, 16), "depths": (1, 1)}
        network = build("convnet", num_classes=3, in_channels=1, size=(24, 24), options=options)
        results.append(rotation(ExactModel(network.eval()), data, step=30))
    turning, plain = results
    assert turning.quarter_turn_error < 1e-4 < 0.01 < plain.quarter_turn_error
    assert turning.quarter_turn_agreement == 1
    change = np.array(turning.sweep.change)
    # The same pixels, interpolated at the same angle and then turned: float32 rounding.
    np.testing.assert_allclose(change[3:], change[:-3], atol=1e-4)
    assert np.ptp(np.array(plain.sweep.change)[[3, 6, 9]]) > 1e-4
