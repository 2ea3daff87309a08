import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from neocog.errors import UsageError
from neocog.stats import wilson_interval
from neocog.tasks.classify import calibration_error, evaluation, loss, ranking


def test_C7_cross_entropy_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)]])
    assert loss("cross_entropy", logits, torch.tensor([1])).item() == pytest.approx(-math.log(0.75))
    # Half of the target smoothed over two classes: 0.25 and 0.75.
    expected = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    value = loss("cross_entropy", logits, torch.tensor([1]), smoothing=0.5).item()
    assert value == pytest.approx(expected)


def test_C7_mean_squared_error_by_hand() -> None:
    logits = torch.tensor([[math.log(7.0), 0.0, 0.0, 0.0]])  # probabilities 0.7 0.1 0.1 0.1
    right = loss("mean_squared_error", logits, torch.tensor([0])).item()
    assert right == pytest.approx((0.3**2 + 3 * 0.1**2) / 4)
    wrong = loss("mean_squared_error", logits, torch.tensor([3])).item()
    assert wrong == pytest.approx((0.7**2 + 2 * 0.1**2 + 0.9**2) / 4)
    # Smoothed by 0.4 over four classes the target is exactly these probabilities.
    value = loss("mean_squared_error", logits, torch.tensor([0]), smoothing=0.4).item()
    assert value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", ["cross_entropy", "mean_squared_error"])
def test_shares_of_one_class_are_that_class(name: str) -> None:
    logits, y = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    shares = F.one_hot(y, 4).float()
    torch.testing.assert_close(loss(name, logits, y), loss(name, logits, shares))


def test_an_unknown_loss_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"got `crossentropy`\. Did you mean `cross_entropy`"):
        loss("crossentropy", torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64))


def test_wilson_by_hand() -> None:
    # 8 of 10, z = 1.96: the classic worked example gives 0.490 to 0.943.
    low, high = wilson_interval(8, 10)
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert wilson_interval(0, 0) == (0.0, 1.0)


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_holds_the_share(right: int, n: int) -> None:
    right = min(right, n)
    low, high = wilson_interval(right, n)
    # One unit in the last place: 0 and 1 are reached up to rounding.
    assert 0 <= low <= right / n + 1e-12
    assert right / n - 1e-12 <= high <= 1


def test_calibration_error_by_hand() -> None:
    # Two bins: 0.6 confident and right half of the time, 0.95 confident and always right.
    p = np.array([[0.6, 0.4], [0.6, 0.4], [0.05, 0.95], [0.05, 0.95]])
    truth = np.array([0, 1, 1, 1])
    assert calibration_error(p, truth) == pytest.approx(0.5 * 0.1 + 0.5 * 0.05)


def test_a_perfect_classifier() -> None:
    y = np.array([0, 1, 2, 1])
    e = evaluation(torch.eye(3)[torch.from_numpy(y)] * 100, y, ["a", "b", "c"])
    assert (e.n, e.accuracy, e.confusion) == (4, 1.0, ((1, 0, 0), (0, 2, 0), (0, 0, 1)))
    assert e.ece == pytest.approx(0, abs=1e-9)
    assert [r["recall"] for r in e.per_class] == [1.0, 1.0, 1.0]


def test_confusion_rows_are_the_truth() -> None:
    logits = torch.tensor([[5.0, 0.0, 0.0], [5.0, 0.0, 0.0], [0.0, 5.0, 0.0]])
    e = evaluation(logits, np.array([0, 1, 1]), ["a", "b", "c"])
    assert e.confusion == ((1, 0, 0), (1, 1, 0), (0, 0, 0))
    assert e.accuracy == pytest.approx(2 / 3)
    rows = {r["class"]: r for r in e.per_class}
    assert (rows["a"]["recall"], rows["a"]["precision"]) == (1.0, 0.5)
    assert (rows["c"]["n"], rows["c"]["recall"], rows["c"]["precision"]) == (0, None, None)
    section = e.exhibits("scores")
    assert [x.title for x in section.exhibits][:1] == ["accuracy"]


def test_ranking_counts_pairs_in_the_right_order() -> None:
    p = np.array([[0.8, 0.2], [0.4, 0.6], [0.4, 0.6], [0.1, 0.9]])
    truth = np.array([1, 0, 1, 1])
    # Class 1 by falling p: 1 at .9; then a tie of 0 and 1 at .6; 1 at .2.
    auc, precision = ranking(p, truth)
    ones = (1 + 0.5 + 0) / 3
    first = (1 / 1 + 2 / 3 + 3 / 4) / 3
    assert auc == pytest.approx(ones)  # of two classes both areas are the same
    second = 1 / 3  # class 0 by falling p: 1 at .8; a tie of 0 and 1; …
    assert precision == pytest.approx((first + second) / 2)
    assert ranking(p[:, :1] * 0 + 1, truth * 0) == (None, None)


@pytest.mark.parametrize("name", ["cross_entropy", "mean_squared_error"])
def test_class_weights_are_of_the_loss_of_each_sample(name: str) -> None:
    logits, target = torch.randn(4, 3), torch.tensor([0, 2, 1, 0])
    weights = (0.5, 2.0, 1.0)
    each = [float(loss(name, logits[i : i + 1], target[i : i + 1])) for i in range(4)]
    by_hand = sum(weights[k] * e for k, e in zip(target.tolist(), each, strict=True)) / 4
    assert float(loss(name, logits, target, weights=weights)) == pytest.approx(by_hand, rel=1e-5)
    mixed = F.one_hot(target, 3).float()
    assert float(loss(name, logits, mixed, weights=weights)) == pytest.approx(by_hand, rel=1e-5)
    ones = float(loss(name, logits, target, smoothing=0.1, weights=(1.0, 1.0, 1.0)))
    assert ones == pytest.approx(float(loss(name, logits, target, smoothing=0.1)), rel=1e-5)
