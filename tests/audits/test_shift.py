from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neocog.audits.agreement import kind_of
from neocog.audits.compare import compare
from neocog.audits.moving import MODES, Movable, nearest, pairs
from neocog.audits.shift import shift_consistency
from neocog.data.samples import Samples
from neocog.data.split import Split
from neocog.errors import UsageError
from neocog.layers.blocks import conv
from neocog.models.exact import ExactModel


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


def test_more_samples_keep_the_draws_of_the_first() -> None:
    few, many = (pairs(n, 2, 3, "circular", 0) for n in (5, 50))
    assert torch.equal(few[0], many[0][:5])
    assert torch.equal(few[1], many[1][:5])


def test_draws_reach_both_ends_evenly_and_never_agree() -> None:
    # Peers leave out +max_shift, and count two equal shifts as agreement.
    first, second = pairs(40_000, 2, 2, "circular", 0)
    assert not (first == second).all(1).any()
    for offsets in (first, second):
        for axis in (0, 1):
            share = torch.bincount(offsets[:, axis] + 2, minlength=5) / 40_000
            # Five places of 0.2 each; 0.01 is five standard deviations of a share.
            assert torch.allclose(share, torch.full((5,), 0.2), atol=0.01)


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


def test_worst_case_is_right_at_all_shifts_by_hand() -> None:
    x = noise().take(slice(None))
    # Columns 7, 0, 1, 2 grow brighter: the answer to the first ten is 1 at all shifts by one.
    x[:10] = torch.tensor([2, 3, 4, 3.5, 3, 2.5, 1.5, 1]) / 4
    truth = np.arange(24) % 3 != 0
    data = Samples.of((x, truth.astype(np.int64)))
    found = shift_consistency(ExactModel(Corner()), data, max_shift=1, grid=1, grid_samples=24)
    right = np.zeros((24, 3, 3), bool)
    for i, down, right_by in itertools.product(range(24), (-1, 0, 1), (-1, 0, 1)):
        predicted = int(x[i].roll((down, right_by), (1, 2))[0, 0, :2].argmax())
        right[i, down + 1, right_by + 1] = predicted == truth[i]
    assert found.worst_case_accuracy == right.all((1, 2)).mean() >= 6 / 24
    assert found.map is not None
    assert found.map.accuracy is not None
    assert np.array_equal(found.map.accuracy, right.mean(0))
    assert found.map.accuracy.min() < found.map.accuracy.max()
    assert found.map.agreement[1, 1] == 1  # the middle is unmoved


@pytest.mark.parametrize(("size", "max_shift"), [(8, 2), (24, 3), (40, 5)])
def test_without_a_radius_it_is_an_eighth_of_the_size(size: int, max_shift: int) -> None:
    found = shift_consistency(ExactModel(Corner()), noise(4, size), grid=9)
    assert found.max_shift == max_shift
    assert found.map is not None
    assert found.map.offsets == tuple(range(-max_shift, max_shift + 1))  # no map reaches further


def test_zero_fill_brings_in_black() -> None:
    class Brightness(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            total = x.sum((1, 2, 3))
            return torch.stack([total, torch.full_like(total, 63.5)], 1)

    white = Samples.of((torch.ones(4, 1, 8, 8), np.zeros(4, np.int64)))
    model = ExactModel(Brightness())
    assert shift_consistency(model, white, max_shift=2, mode="circular").accuracy_shifted == 1
    found = shift_consistency(model, white, max_shift=2, mode="zeros", grid=2)
    assert found.map is not None
    assert found.map.agreement[2, 2] == 1
    assert found.map.agreement.sum() == 1  # any other shift loses a row or a column


def test_crops_take_the_border_that_is_there_and_say_where_they_made_one() -> None:
    large = noise(size=12)
    inside = shift_consistency(
        ExactModel(Corner(), size=(8, 8)), large, mode="crop", max_shift=2, seed=1
    )
    assert "reflection" not in inside.protocol
    first, second = pairs(24, 2, 2, "crop", 1)
    x = large.take(slice(None))
    same = []
    for i in range(24):
        predictions = []
        for o in (first, second):
            top, left = 2 - int(o[i, 0]), 2 - int(o[i, 1])
            predictions.append(int(x[i, 0, top, left : left + 2].argmax()))
        same.append(predictions[0] == predictions[1])
    assert inside.consistency == np.mean(same)
    made = shift_consistency(ExactModel(Corner()), noise(), mode="crop", max_shift=2)
    assert "reflection" in made.protocol


@pytest.mark.parametrize("mode", ["circular", "crop", "zeros"])
@pytest.mark.parametrize("size", [(8, 14), (13, 8), (12, 16)])
def test_of_larger_samples_the_middle_is_shown(mode: str, size: tuple[int, int]) -> None:
    seen: list[Tensor] = []

    class Noting(Corner):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x)
            return super().forward(x)

    x = torch.rand(5, 1, *size, generator=torch.Generator().manual_seed(0))
    model = ExactModel(Noting(), size=(8, 8))
    shift_consistency(model, Samples.of(x), mode=mode, max_shift=1)
    top, left = (size[0] - 8) // 2, (size[1] - 8) // 2
    assert all(s.shape == (5, 1, 8, 8) for s in seen)
    assert any(torch.equal(s, x[:, :, top : top + 8, left : left + 8]) for s in seen)


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


def test_control_is_a_multiple_of_the_stride_in_reach() -> None:
    first, second = pairs(2000, 2, 5, "circular", 0)
    for stride in (1, 2, 3, 4, 7, 10):
        near, moved = nearest(first, second, stride, 5)
        assert near.abs().max() <= 5
        assert ((near - first) % stride == 0).all()
        assert torch.equal(moved, (near != first).any(1))
        if stride <= 5:  # from everywhere there is one within reach
            assert moved.all()
    far = [
        (a - first).double().norm(dim=1).mean() for a in (second, nearest(first, second, 2, 5)[0])
    ]
    assert abs(far[0] / far[1] - 1) < 0.1  # about as long


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


class Segmenter(nn.Module):
    """A map of two classes: brighter than its neighbors, or not."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        blurred = nn.functional.avg_pool2d(
            nn.functional.pad(x, (1, 1, 1, 1), mode="circular"), 3, stride=self.stride
        )
        if self.stride > 1:
            blurred = nn.functional.interpolate(blurred, scale_factor=self.stride)
        return torch.cat([x, blurred], 1)


def test_E1_segmenter_is_compared_after_moving_back() -> None:
    x = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for mode in ("circular", "crop", "zeros"):
        model = ExactModel(Segmenter(), task="segment")
        found = shift_consistency(model, Samples.of(x), mode=mode, max_shift=2)
        if mode == "circular":
            assert found.consistency == 1
        else:  # only rows and columns that touch the border differ
            assert 0.8 < found.consistency < 1
    strided = ExactModel(Segmenter(stride=2), task="segment")
    coarse = ExactModel(nn.AvgPool2d(2), task="segment")  # maps of half the size are enlarged
    enlarged = Movable(coarse, Samples.of(x), mode="circular", size=(8, 8), reach=2, batch=4)
    line = enlarged.whole(torch.arange(4.0).expand(1, 2, 4, 4))[0, 0, 0]
    # Sample p of 8 lies at (p + 0.5) / 2 - 0.5 of 4, as pixels are areas and not points.
    assert line.tolist() == [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]
    assert shift_consistency(strided, Samples.of(x), max_shift=2).consistency < 0.98


def test_E1_a_map_of_classes_is_moved_back_by_hand() -> None:
    kind, offset = kind_of("segment"), torch.tensor([[1, -1]])
    predicted = torch.arange(9).view(1, 3, 3)  # 0 1 2 / 3 4 5 / 6 7 8, seen one down and one left
    back = kind.align(predicted, offset, (3, 3), False)[0]
    assert back.tolist() == [[-1, 3, 4], [-1, 6, 7], [-1, -1, -1]]
    assert kind.align(predicted, offset, (3, 3), True)[0].tolist() == [
        [5, 3, 4],
        [8, 6, 7],
        [2, 0, 1],
    ]
    coarse = kind.align(predicted, 2 * offset, (6, 6), False)[0]
    assert torch.equal(coarse, back)
    other = torch.tensor([[[0, 3, 0], [-1, 0, 7], [0, 0, 0]]])
    assert kind.agreement(back[None], other).tolist() == [0.5]  # of the four that both show


def test_E1_a_segmenter_agrees_with_itself_unmoved_at_all_shifts() -> None:
    x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    model = ExactModel(Segmenter(), task="segment")
    found = shift_consistency(model, Samples.of(x), max_shift=2, grid=2, grid_samples=6)
    assert found.map is not None
    assert found.map.agreement.min() == found.map.stable == 1


def test_regressor_is_measured_in_units_of_its_target() -> None:
    class Sum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sum((1, 2, 3))[:, None]

    white = Samples.of(torch.ones(6, 1, 8, 8))
    found = shift_consistency(
        ExactModel(Sum(), task="regress"), white, mode="zeros", max_shift=2, seed=3
    )
    first, second = pairs(6, 2, 2, "zeros", 3)
    kept = [(8 - o.abs()[:, 0]) * (8 - o.abs()[:, 1]) for o in (first, second)]
    assert found.consistency == float((kept[0] - kept[1]).abs().double().mean())
    assert found.unit == ""
    assert found.flip_rate is None


def test_a_regressor_that_never_changes_is_not_given_an_interval_of_shares() -> None:
    class Largest(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.amax((2, 3))

    found = shift_consistency(ExactModel(Largest(), task="regress"), noise(), max_shift=2)
    assert (found.consistency, found.consistency_ci) == (0, (0, 0))
    assert compare(found, found).difference_ci == (0, 0)


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
