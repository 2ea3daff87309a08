"""Which predictions a verdict rests on."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from neocog.runs.judge import verdict
from neocog.verbs.fix_measure import Scores

N = 200


def scores(mode: str, *, first: float, both: float, same: float, upright: float) -> Scores:
    """So many samples are correct in a pose, in both, the same in both, correct upright."""
    part = np.arange(N) / N
    shift: Any = SimpleNamespace(
        mode=mode,
        first=part < first,
        both=part < both,
        same=(part < same).astype(float),
        consistency=same,
    )
    evaluation: Any = None
    return Scores(evaluation, part < upright, {mode: shift}, 0, 0, 0)


@pytest.mark.parametrize(("mode", "accuracy"), [("c4", 0.5), ("d4", 0.5), ("crop", 0.9)])
def test_in_poses_a_random_one_counts_and_under_shifts_the_image_as_it_is(
    mode: str, accuracy: float
) -> None:
    of = scores(mode, first=0.5, both=0.3, same=0.4, upright=0.9)
    assert of.figures(mode).correct.mean() == accuracy
    assert of.figures(mode, labeled=False).correct.mean() == 0.9


def test_a_model_that_is_right_less_often_in_a_random_pose_is_not_better() -> None:
    # The original is right in half of the poses, and in a third of the pairs of poses.
    before = scores("d4", first=0.51, both=0.32, same=0.6, upright=0.6).figures("d4")
    averaged = scores("d4", first=0.32, both=0.32, same=1.0, upright=0.32).figures("d4")
    found = verdict(before, averaged, labeled=True)
    assert not found.better
    assert "accuracy is lower (-19.0 pp" in found.reason
    good = scores("d4", first=0.55, both=0.55, same=1.0, upright=0.55).figures("d4")
    assert verdict(before, good, labeled=True).better
