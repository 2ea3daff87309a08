from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neocog.audits.moving import MODES, Movable, pairs
from neocog.audits.shift import shift_consistency
from neocog.data.samples import Samples
from neocog.data.split import Split
from neocog.errors import UsageError
from neocog.layers.blocks import conv
from neocog.models.exact import ExactModel
from neocog.networks.model import SpecifiedNetwork
from neocog.types import InputSpec, ModelSpec


class Corner(nn.Module):
    """Says whether the first pixel is brighter than the second: moves with every shift."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0, 0, :2] if x.ndim == 4 else x[:, 0, :2]


class Mean(nn.Module):
    """A global mean of random features: cannot see a circular shift."""

    def __init__(self, stride: int = 1, padding: str = "circular", classes: int = 5) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv = conv(1, classes, kernel_size=3, stride=stride, padding=padding)
        self.middle = torch.zeros(())
        with torch.no_grad():  # so that every class wins now and then
            self.middle = self(torch.rand(500, 1, 8, 8)).mean(0)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x)).mean((2, 3)) * 100 - self.middle


def noise(n: int = 24, size: int = 8, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (n, size, size, 1), dtype=np.uint8)
    return Samples.of(Split(x, rng.integers(0, 2, n), [f"{i}.png" for i in range(n)]))


def test_circular_consistency_by_hand() -> None:
    data = noise()
    found = shift_consistency(ExactModel(Corner()), data, max_shift=2, seed=4)
    first, second = pairs(24, 2, 2, "circular", 4)
    x = data.take(slice(None))
    same, right = [], []
    for i in range(24):  # one image at a time, with nothing but roll
        predictions = [
            int(x[i].roll(tuple(o[i].tolist()), (1, 2))[0, 0, :2].argmax()) for o in (first, second)
        ]
        same.append(predictions[0] == predictions[1])
        assert data.y is not None
        right.append(predictions[0] == predictions[1] == data.y[i])
    assert found.consistency == np.mean(same)
    assert found.both_correct == np.mean(right)
    assert found.flip_rate == pytest.approx(1 - np.mean(same), abs=1e-12)
    assert found.both_wrong is not None
    assert found.both_correct + found.both_wrong + found.flip_rate == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_does_not_depend_on_the_size_of_a_batch(mode: str) -> None:
    # Zhang's script draws one pair of offsets a batch, so its figure depends on it.
    model = ExactModel(Mean(stride=2, padding="zeros"))
    runs = [
        shift_consistency(model, noise(), mode=mode, max_shift=2, batch=b, grid=1)
        for b in (1, 7, 24)
    ]
    assert len({r.consistency for r in runs}) == 1
    assert 0 < runs[0].consistency < 1
    assert len({r.worst_case_accuracy for r in runs}) == 1
    assert all(np.array_equal(runs[0].same, r.same) for r in runs)


def test_same_seed_same_figures_and_another_seed_others() -> None:
    model = ExactModel(Corner())
    a, b, c = (shift_consistency(model, noise(60), max_shift=2, seed=s) for s in (1, 1, 2))
    assert np.array_equal(a.same, b.same)
    assert not np.array_equal(a.same, c.same)


def test_exact_sets_count_every_sample_once() -> None:
    seen: list[int] = []

    class Counting(Corner):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return super().forward(x)

    found = shift_consistency(ExactModel(Counting()), noise(10), max_shift=2, batch=3)
    assert found.n == 10
    assert sum(seen) == 30  # unmoved and at two positions


def test_constant_predictor_is_told_by_floor_and_largest_class() -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tensor([0.0, 1.0]).expand(len(x), 2)

    found = shift_consistency(ExactModel(Constant()), noise(), max_shift=2)
    assert found.consistency == 1
    assert found.chance_agreement == 1
    assert found.largest_class == 1
    assert found.accuracy is not None
    assert found.accuracy < 1


def test_floor_is_the_chance_of_two_answers_to_agree() -> None:
    # Half of all pixels are brighter than their neighbor, so both classes are about as frequent.
    found = shift_consistency(ExactModel(Corner()), noise(400), max_shift=2)
    assert found.chance_agreement == pytest.approx(
        0.5, abs=0.01
    )  # 0.5 + 2 d² for a share off by d < 0.07


def test_A6_E1_circular_network_with_a_global_mean_never_changes_its_mind() -> None:
    found = shift_consistency(ExactModel(Mean()), noise(), max_shift=3, grid=None, grid_samples=24)
    assert found.consistency == 1
    assert found.map is not None
    assert found.map.agreement.shape == (8, 8)  # all 64 shifts
    assert found.map.agreement.min() == 1
    assert found.map.stable == 1
    assert found.map.largest_difference < 1e-4  # of outputs near 50: float32 sums in other orders


@pytest.mark.parametrize(("size", "max_shift"), [(8, 2), (24, 3), (40, 5)])
def test_without_a_radius_it_is_an_eighth_of_the_size(size: int, max_shift: int) -> None:
    found = shift_consistency(ExactModel(Corner()), noise(4, size), grid=9)
    assert found.max_shift == max_shift
    assert found.map is not None
    assert found.map.offsets == tuple(range(-max_shift, max_shift + 1))  # no map reaches further


def test_border_and_aliasing_are_told_apart() -> None:
    # Circular and strided: shifts by the stride cost nothing, all flips are the sampling's.
    data = noise(200, seed=5)
    sampled = shift_consistency(ExactModel(Mean(stride=2)), data, max_shift=3, stride=2)
    assert sampled.border is not None
    assert sampled.border.border == 0
    assert sampled.border.aliasing == sampled_share(sampled.flip_rate) > 0
    # Zero padding and no stride: at a stride of one, all flips are the border's.
    bordered = shift_consistency(ExactModel(Mean(padding="zeros")), data, max_shift=3, stride=1)
    assert bordered.border is not None
    assert bordered.border.aliasing == 0
    assert bordered.border.border == bordered.flip_rate
    assert bordered.flip_rate is not None
    assert bordered.flip_rate > 0


def sampled_share(value: float | None) -> float:
    assert value is not None
    return value


def test_flips_are_kept_to_be_looked_at() -> None:
    found = shift_consistency(ExactModel(Corner()), noise(60), max_shift=2)
    assert 0 < len(found.flips) <= 12
    for flip in found.flips:
        assert flip.predictions[0] != flip.predictions[1]
        assert [int(p[0, 0, :2].argmax()) for p in flip.images] == list(flip.predictions)
        assert flip.name == f"{flip.index}.png"


def test_series_are_shifted_along_their_one_axis() -> None:
    x = torch.rand(30, 1, 16, generator=torch.Generator().manual_seed(0))
    for mode in MODES:
        found = shift_consistency(
            ExactModel(Corner()), Samples.of(x), mode=mode, max_shift=3, grid=2
        )
        assert 0 < found.consistency < 1
        assert found.map is not None
        assert found.map.agreement.ndim == 1


@pytest.mark.parametrize("max_shift", [0, 8])
def test_radius_must_fit(max_shift: int) -> None:
    with pytest.raises(
        UsageError, match=f"from 1 to below the size of the samples; got {max_shift}"
    ):
        shift_consistency(ExactModel(Corner()), noise(), max_shift=max_shift)


def test_unknown_way_of_shifting() -> None:
    with pytest.raises(UsageError, match=r"`circle` is not a kind of shift\. Did you mean"):
        shift_consistency(ExactModel(Corner()), noise(), mode="circle")


def test_samples_smaller_than_the_model_takes() -> None:
    with pytest.raises(UsageError, match=r"the model's input size, \(16, 16\)"):
        shift_consistency(ExactModel(Corner(), size=(16, 16)), noise())


def test_raw_values_are_shifted_in_with_the_mean_of_the_spec() -> None:
    signal = InputSpec(channels=2, size=(8, 8), mean=(300.0, -7.0), std=(2.0, 3.0), values="raw")
    spec = ModelSpec(task="classify", classes=("a", "b"), input=signal)
    net = SpecifiedNetwork(nn.Sequential(nn.Flatten(), nn.Linear(128, 2)), spec)
    x = torch.randn(6, 2, 8, 8, generator=torch.Generator().manual_seed(0)) + 5
    moved = Movable(ExactModel(net), Samples.of(x), mode="zeros", size=(8, 8), reach=2, batch=4)
    out = moved.move(x, torch.tensor([[0, 2]] * 6))
    assert torch.equal(out[:, :, :, 2:], x[:, :, :, :-2])
    assert out[:, 0, :, :2].unique().tolist() == [300]
    assert out[:, 1, :, :2].unique().tolist() == [-7]
    assert "filled with the mean of the spec" in moved.protocol(0)
