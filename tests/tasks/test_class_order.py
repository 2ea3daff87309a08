"""Another order of the classes that fits better than chance."""

import numpy as np
import pytest

from neocog.tasks.class_order import other_order

pytestmark = pytest.mark.filterwarnings("ignore:Class names", "ignore:No weights")


@pytest.mark.parametrize("classes", [2, 3, 10, 40])
@pytest.mark.parametrize("n", [8, 40, 1000])
@pytest.mark.parametrize("skill", [0, 0.1, 0.5])
@pytest.mark.parametrize("skew", [0, 2])
def test_chance_and_lopsided_sets_are_no_evidence(classes, n, skill, skew) -> None:
    rng = np.random.default_rng([classes, n, int(10 * skill), skew])
    for _ in range(10):
        p, q = (np.exp(skew * rng.normal(size=classes)) for _ in range(2))
        truth = rng.choice(classes, n, p=p / p.sum())
        guess = rng.choice(classes, n, p=q / q.sum())
        said = np.where(rng.random(n) < skill, truth, guess)
        counts = np.bincount(truth * classes + said, minlength=classes**2)
        names = [f"c{k}" for k in range(classes)]
        assert other_order(counts.reshape(classes, classes), names) is None


def test_two_classes_in_ten_that_changed_places_are_seen() -> None:
    counts = np.diag([30] * 10)
    counts[[3, 5]] = counts[[5, 3]]
    found = other_order(counts, [f"c{k}" for k in range(10)])
    assert found is not None
    assert (found.accuracy, found.better) == (0.8, 1.0)
    assert found.classes[3:6] == ("c5", "c4", "c3")


def test_few_samples_are_no_evidence() -> None:
    assert other_order(np.array([[0, 3], [3, 0]]), ("a", "b")) is None
    assert other_order(np.array([[0, 30], [30, 0]]), ("a", "b")) is not None
    assert other_order(np.zeros((3, 3), dtype=int), ("a", "b", "c")) is None
