"""Labels as the model's numbers."""

import numpy as np
import pytest
import torch

from neocog.data.inputs import as_samples
from neocog.data.samples import Samples
from neocog.errors import DataError
from neocog.models.scoring import as_split, truths_of

X = torch.zeros(3, 1, 4, 4)


def test_labels_beyond_the_outputs_are_unknown_and_said() -> None:
    y, names, notes = truths_of(("a", "b"), as_samples((X, [0, 5, 1])), named=False)
    assert y.tolist() == [0, -1, 1]
    assert names == ("a", "b")
    (note,) = notes
    assert note.startswith("1 of 3 labels exceed the model's 2 outputs (the largest is ")


def test_labels_by_name_are_matched() -> None:
    y, _, _ = truths_of(("dog", "cat"), as_samples((X, ["cat", "dog", ""])), named=True)
    assert y.tolist() == [1, 0, -1]


def test_rows_of_numbers_are_no_labels() -> None:
    with pytest.raises(DataError, match=r"Turn one-hot rows into indices"):
        truths_of(("a", "b"), as_samples((X, np.eye(3))), named=False)


def test_bytes_stay_bytes_and_other_numbers_keep_their_bits() -> None:
    x = torch.tensor([0.0, 51 / 255, 1.0]).view(3, 1, 1, 1)
    assert as_split(Samples.of((x, [0, 1, 0])), values="pixels").x.flatten().tolist() == [
        0,
        51,
        255,
    ]
    deep = as_split(Samples.of((x * 0.99999, [0, 1, 0])), values="pixels")
    assert (deep.x.dtype, deep.x.max()) == (np.uint16, 65534)


def test_labels_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DataError, match="Labels are class indices"):
        truths_of(("a", "b"), as_samples((X, np.array([0, np.inf, 1]))), named=False)


def test_raw_values_keep_their_bits_whatever_their_range() -> None:
    x = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 1e-3
    split = as_split(Samples.of((x, [0, 1, 0])), values="raw")
    assert split.x.dtype == np.float32
    np.testing.assert_array_equal(split.x[..., 0], x[:, 0].numpy())
