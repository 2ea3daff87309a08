import numpy as np
import pytest

from neocog.audits.interval import interval, paired_interval


def test_share_is_the_binomial_bootstrap() -> None:
    values = np.arange(400) < 300
    low, high = interval(values)
    # The bootstrap of 0 and 1 is a binomial: 0.75 ± 1.96 · sqrt(0.75 · 0.25 / 400).
    assert low == pytest.approx(0.75 - 0.0424, abs=0.005)
    assert high == pytest.approx(0.75 + 0.0424, abs=0.005)


@pytest.mark.parametrize("n", [1, 20, 1000])
def test_certainty_is_not_claimed_of_few(n: int) -> None:
    low, high = interval(np.ones(n, bool))
    assert high == 1
    assert low == pytest.approx(0.025 ** (1 / n), abs=1e-12)  # P(all right | p) = p^n
    low, high = interval(np.zeros(n, bool))
    assert low == 0
    assert high == pytest.approx(1 - 0.025 ** (1 / n), abs=1e-12)


def test_mean_of_numbers_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for i in range(200):
        low, high = interval(rng.exponential(size=100), seed=i)
        inside += low <= 1 <= high
    assert 0.88 <= inside / 200 <= 0.99  # 95 % nominal; a skewed mean of 100 covers a bit less


def test_pairs_cancel_what_is_common() -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(size=500) * 100
    difference, low, high = paired_interval(common + 1, common)
    assert difference == pytest.approx(1, abs=1e-9)
    assert high - low < 1e-9


def test_same_seed_same_interval() -> None:
    values = np.random.default_rng(0).random(50)
    assert interval(values, seed=1) == interval(values, seed=1) != interval(values, seed=2)


def test_nothing_measured_is_no_knowledge() -> None:
    assert interval(np.zeros(0)) == (0.0, 1.0)
