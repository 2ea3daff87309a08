from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neocog.audits.compare import compare
from neocog.audits.shift import Shift, shift_consistency
from neocog.data.samples import Samples
from neocog.errors import UsageError
from neocog.models.exact import ExactModel


def measured(same: list[int], right: list[int]) -> Shift:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, 0, 0, :2]

    n = len(same)
    base = shift_consistency(ExactModel(Two()), Samples.of((torch.rand(n, 1, 8, 8), np.zeros(n))))
    share = float(np.mean(same))
    return replace(
        base,
        same=np.array(same, float),
        right=np.array(right, bool),
        consistency=share,
        flip_rate=1 - share,
    )


def test_differences_by_hand() -> None:
    one = measured([1, 1, 0, 0, 1, 0], [1, 1, 1, 0, 0, 0])
    two = measured([1, 1, 1, 1, 1, 0], [1, 1, 0, 1, 0, 1])
    found = compare(one, two)
    assert (found.first, found.second) == (0.5, 5 / 6)
    assert found.difference == pytest.approx(2 / 6)
    assert found.flips == pytest.approx((1 / 6) / 0.5)
    assert found.accuracy_difference == pytest.approx(1 / 6)
    assert found.accuracy_ci is not None
    low, high = found.accuracy_ci
    assert -1 < low < 1 / 6 < high < 1
    # Both are right on the first two only, and there both are consistent: nothing is gained.
    assert (found.matched_n, found.matched_first, found.matched_second) == (2, 1, 1)
    assert found.matched_difference == 0


def test_equal_models_may_differ_on_samples_that_were_not_drawn() -> None:
    one = measured([1, 1, 0, 1], [1, 1, 1, 0])
    found = compare(one, one)
    few = 1 - 0.025 ** (1 / 4)
    assert found.difference_ci == (pytest.approx(-few), pytest.approx(few))
    assert found.matched_ci is not None
    assert found.matched_ci[1] == pytest.approx(1 - 0.025 ** (1 / 3))


def test_nothing_in_common_is_not_compared_at_matched_accuracy() -> None:
    found = compare(measured([1, 0], [1, 0]), measured([1, 1], [0, 1]))
    assert found.matched_n == 0
    assert found.matched_difference is None
    one, two = (replace(measured([1, 0], [1, 1]), right=np.zeros(0, bool)) for _ in range(2))
    assert (compare(one, two).matched_n, compare(one, two).accuracy_ci) == (0, None)


def test_a_first_model_without_flips_has_no_ratio() -> None:
    assert compare(measured([1, 1], [1, 1]), measured([1, 0], [1, 1])).flips is None


def test_what_was_measured_otherwise_is_refused() -> None:
    with pytest.raises(UsageError, match="compared on the same samples and shifts; got 2 samples"):
        compare(measured([1, 1], [1, 1]), measured([1, 1, 1], [1, 1, 1]))
