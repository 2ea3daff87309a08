"""Samples at two positions, and their random offsets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neocog.audits.moving import nearest, pairs
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
