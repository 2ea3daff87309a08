import numpy as np
import pytest

from neocog.stats import interval, paired_interval, student_t, wilson_interval


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


@pytest.mark.parametrize("n", [1, 20, 1000])
def test_certainty_is_not_claimed_of_few_pairs(n: int) -> None:
    few, all_, none = 1 - 0.025 ** (1 / n), np.ones(n), np.zeros(n)
    for same in (all_, none, np.full(n, 0.3)):
        assert paired_interval(same, same) == (0, pytest.approx(-few), pytest.approx(few))
    # Of differences from -1 to 1 all were 1: as many others as `few` may be -1.
    assert paired_interval(all_, none) == (1, pytest.approx(1 - 2 * few), 1)
    assert paired_interval(none, all_) == (-1, -1, pytest.approx(-1 + 2 * few))


def test_shares_that_are_all_the_same_have_the_bound_of_what_was_not_drawn() -> None:
    few = 1 - 0.025 ** (1 / 20)
    assert interval(np.full(20, 0.3)) == (
        pytest.approx(0.3 * (1 - few)),
        pytest.approx(0.3 + 0.7 * few),
    )


def test_distances_and_errors_are_no_shares() -> None:
    none = np.zeros(16)
    assert interval(none, shares=False) == (0, 0)
    assert paired_interval(none, none, shares=False) == (0, 0, 0)
    low, high = interval(np.arange(2).repeat(50).astype(float), shares=False)
    assert 0.3 < low < 0.5 < high < 0.7


def test_pairs_of_truths_cover_as_often_as_they_say() -> None:
    rng, inside = np.random.default_rng(0), 0
    for i in range(300):
        u = rng.random(200)
        _, low, high = paired_interval(u < 0.7, (u < 0.62) | (u > 0.95), seed=i)
        inside += low <= 0.03 <= high
    assert 0.91 <= inside / 300 <= 0.98  # 95 % nominal; 0.013 is a standard deviation of the share


def test_same_seed_same_interval() -> None:
    values = np.random.default_rng(0).random(50)
    assert interval(values, seed=1) == interval(values, seed=1) != interval(values, seed=2)


def test_nothing_measured_is_no_knowledge() -> None:
    assert interval(np.zeros(0)) == (0.0, 1.0)


@pytest.mark.parametrize(("df", "expected"), [(1, 12.706), (4, 2.776), (10, 2.228), (60, 2.000)])
def test_student_by_its_printed_table(df: int, expected: float) -> None:
    assert round(student_t(df), 3) == expected


def test_a_higher_level_is_a_wider_interval() -> None:
    (a, b), (c, d) = wilson_interval(8, 10), wilson_interval(8, 10, level=0.999)
    assert c < a < 0.8 < b < d


def test_wilson_of_95_percent_is_that_of_the_quantile() -> None:
    """The constant has six digits: the interval is that of SciPy's quantile to seven."""
    for one, two in zip(
        wilson_interval(3, 7), wilson_interval(3, 7, level=0.95 + 1e-15), strict=True
    ):
        assert one == pytest.approx(two, abs=1e-7)
