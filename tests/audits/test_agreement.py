"""When two outputs agree, by task."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from neocog.audits.agreement import kind_of
from neocog.audits.compare import compare
from neocog.audits.moving import Movable, pairs
from neocog.audits.shift import shift_consistency
from neocog.data.samples import Samples
from neocog.data.split import Split
from neocog.models.exact import ExactModel


def noise(n: int = 24, size: int = 8, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (n, size, size, 1), dtype=np.uint8)
    return Samples.of(Split(x, rng.integers(0, 2, n), [f"{i}.png" for i in range(n)]))


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
