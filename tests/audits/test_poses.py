"""Consistency over the poses of a group: what it counts, and of what it is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from neocog.audits.compare import compare, gained, moved_by
from neocog.audits.poses import consistency, correct_upright, pose_consistency
from neocog.data.samples import Samples
from neocog.errors import UsageError
from neocog.models.exact import ExactModel


class Brighter(nn.Module):
    """Two classes: the upper half is the brighter one, or the lower."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        upper, lower = (half.mean((1, 2, 3)) for half in x.chunk(2, 2))
        return torch.stack([upper, lower], 1)


def striped(n: int = 400) -> tuple[torch.Tensor, np.ndarray]:
    """Bright above; in no other pose is the upper half the brighter one for sure."""
    x = torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(0)) / 10
    x[:, :, :4] += 0.5
    return x, np.zeros(n, np.int64)


def test_half_turns_flip_every_prediction_and_mirror_images_none() -> None:
    data = striped()
    turned = pose_consistency(Brighter(), data, group="c2")
    assert (turned.consistency, turned.flip_rate, turned.both_correct) == (0.0, 1.0, 0.0)
    assert turned.accuracy == 1.0
    assert 0.4 < turned.accuracy_shifted < 0.6  # type: ignore[operator]
    assert pose_consistency(Brighter(), data, group="d1").consistency == 1.0
    assert correct_upright(Brighter(), data).all()


def test_two_of_four_quarter_turns_at_random() -> None:
    """Of four poses two are one class and two the other, so of six pairs two agree."""
    found = pose_consistency(Brighter(), striped(2000), group="c4")
    assert found.consistency == pytest.approx(1 / 3, abs=0.04)
    assert "quarter turns (C4), exact on the pixel grid" in found.protocol
    flip = found.flips[0]
    assert len(set(flip.poses)) == 2
    assert set(flip.poses) <= {"upright", *(f"rotated by {a}°" for a in (90, 180, 270))}
    again = pose_consistency(Brighter(), striped(2000), group="c4", batch=7)
    assert (again.same == found.same).all()


def test_poses_are_compared_and_said_like_shifts() -> None:
    data, mean = striped(), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    first, second = (consistency(m, data, mode="c4") for m in (Brighter(), mean))
    assert compare(first, second).difference == pytest.approx(1 - first.consistency)
    assert moved_by(first) == "quarter turns"
    text = gained(first, second, accuracy=0.0, times=4.0)
    assert text.endswith("→ 0.0 % under quarter turns, accuracy +0.0 pp, 4.0× the time")
    assert consistency(Brighter(), data, mode="circular").mode == "circular"


def test_what_has_no_poses_is_refused() -> None:
    x = torch.rand(4, 1, 8, 6)
    with pytest.raises(UsageError, match=r"needs square images; the model takes 8×6. Take c2"):
        pose_consistency(Brighter(), x, group="c4")
    assert pose_consistency(Brighter(), x, group="c2").n == 4
    with pytest.raises(UsageError, match=r"Poses are of images, and predictions in them"):
        pose_consistency(ExactModel(Brighter(), task="regress"), Samples.of(x), group="c2")
