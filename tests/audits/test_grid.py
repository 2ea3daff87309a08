"""All shifts of a grid, by hand."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor, nn

from neocog.audits.shift import shift_consistency
from neocog.data.samples import Samples
from neocog.data.split import Split
from neocog.models.exact import ExactModel


class Corner(nn.Module):
    """Says whether the first pixel is brighter than the second: moves with every shift."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0, 0, :2] if x.ndim == 4 else x[:, 0, :2]


def noise(n: int = 24, size: int = 8, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (n, size, size, 1), dtype=np.uint8)
    return Samples.of(Split(x, rng.integers(0, 2, n), [f"{i}.png" for i in range(n)]))


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


def test_E1_a_segmenter_agrees_with_itself_unmoved_at_all_shifts() -> None:
    x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    model = ExactModel(Segmenter(), task="segment")
    found = shift_consistency(model, Samples.of(x), max_shift=2, grid=2, grid_samples=6)
    assert found.map is not None
    assert found.map.agreement.min() == found.map.stable == 1
