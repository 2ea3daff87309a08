"""When a fixed model is better, by pairs of predictions."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from neocog.runs.judge import Figures, can_gain, trained_on, verdict

N = 1000


def figures(accuracy: float, consistency: float) -> Figures:
    """Predictions of which the first so many are correct, and consistent."""
    shift: Any = SimpleNamespace(
        same=(np.arange(N) < consistency * N).astype(float), consistency=consistency, mode="crop"
    )
    return Figures(correct=np.arange(N) < accuracy * N, shift=shift)


@pytest.mark.parametrize(
    ("accuracy", "consistency", "reason"),
    [
        (0.90, 0.95, ""),
        (0.95, 0.95, ""),
        (0.899, 0.95, ""),  # one sample in a thousand is chance
        (0.87, 0.95, "accuracy is lower (-3.0 pp"),
        (0.10, 1.00, "accuracy is lower"),
        (0.90, 0.901, "crop consistency is not higher beyond chance (+0.1 pp"),
        (0.95, 0.90, "crop consistency is no higher (+0.0 pp"),
        (0.95, 0.80, "crop consistency is no higher (-10.0 pp"),
    ],
)
def test_better_is_steadier_and_not_less_accurate(
    accuracy: float, consistency: float, reason: str
) -> None:
    found = verdict(figures(0.9, 0.9), figures(accuracy, consistency), labeled=True)
    assert found.better == (not reason)
    assert reason in found.reason
    assert found.accuracy[0] == pytest.approx(accuracy - 0.9)
    assert not found.also("it is ugly").better


@pytest.mark.parametrize(("agrees", "better"), [(0.95, True), (0.9, True), (0.8, False)])
def test_without_labels_it_agrees_as_the_model_agrees_with_itself(
    agrees: float, better: bool
) -> None:
    found = verdict(figures(1.0, 0.9), figures(agrees, 1.0), labeled=False)
    assert found.better == better
    assert ("less than that model agrees with itself" in found.reason) == (not better)


def test_what_hardly_flips_has_nothing_to_gain() -> None:
    assert can_gain(figures(0.9, 0.9).shift)
    assert not can_gain(figures(0.9, 1.0).shift)
    assert not can_gain(figures(0.9, 0.999).shift)


def test_samples_that_were_trained_on_show_by_their_accuracy() -> None:
    right = np.ones(500, bool)
    assert trained_on(right, figures(0.9, 1.0).correct)
    assert not trained_on(figures(0.9, 1.0).correct, figures(0.91, 1.0).correct)
    assert not trained_on(np.ones(20, bool), np.arange(20) > 0)
