"""Figures that need labels, where only some samples have them."""

import numpy as np
import torch

from neocog.audits.truths import of_known, unlabeled
from neocog.data.samples import Samples


def test_samples_of_unknown_class_count_neither_way() -> None:
    right, notes = of_known(np.array([0, 1, 1, 0]), np.array([0, -1, 2, -1]))
    assert right is not None
    assert right.tolist() == [True, False]
    assert notes == ["Accuracy covers the 2 of 4 samples whose class the model knows."]
    assert of_known(np.array([0]), np.array([-1])) == (None, [])
    right, notes = of_known(np.array([1, 1]), np.array([1, 0]))
    assert (right.tolist(), notes) == ([True, False], [])


def test_labels_are_dropped_where_one_is_unknown() -> None:
    x = torch.zeros(2, 1, 4, 4)
    assert unlabeled(Samples.of((x, [0, -1]))).y is None
    assert unlabeled(Samples.of((x, [0, 1]))).y.tolist() == [0, 1]
