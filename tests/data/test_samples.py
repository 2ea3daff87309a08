from __future__ import annotations

import numpy as np
import pytest
import torch

from neocog.data.open import open_data
from neocog.data.samples import Samples, batch_of
from neocog.errors import DataError, UsageError


def test_arrays_and_columns_of_truths_are_taken() -> None:
    data = Samples.of((np.zeros((3, 1, 4, 4), np.float32), torch.tensor([[0], [1], [1]])))
    assert data.take(slice(0, 2)).shape == (2, 1, 4, 4)
    assert data.truth(slice(0, 3)).tolist() == [0, 1, 1]


def test_a_split_is_served_in_pieces_with_its_names() -> None:
    split = open_data("digits").splits["val"]
    samples = Samples.of(split)
    assert len(samples) == len(split)
    assert (samples.channels, samples.size) == (1, (28, 28))
    assert samples.take(slice(3, 5)).shape == (2, 1, 28, 28)
    assert samples.name(4) == split.names[4]
    assert Samples.of(samples) is samples
    series = Samples.of(torch.zeros(3, 2, 50))
    assert (series.channels, series.size, series.name(0)) == (2, (50,), "")


def test_a_draw_is_the_same_for_a_seed_and_begins_with_a_smaller_one() -> None:
    samples = Samples.of(torch.arange(40.0).view(40, 1, 1, 1))
    one, two = (samples.first(10, seed=3).take(slice(0, 10)).flatten().tolist() for _ in range(2))
    assert one == two
    assert samples.first(4, seed=3).take(slice(0, 4)).flatten().tolist() == one[:4]
    assert samples.first(10, seed=4).take(slice(0, 10)).flatten().tolist() != one
    assert sorted(samples.first(None, seed=0).take(slice(0, 40)).flatten().tolist()) == list(
        range(40)
    )


def test_batches_hold_a_bounded_number_of_values() -> None:
    assert batch_of(Samples.of(torch.zeros(1, 1, 8, 8)), None) == 256
    assert batch_of(Samples.of(torch.zeros(1, 3, 1024, 1024)), None) == 1
    assert batch_of(Samples.of(torch.zeros(1, 1, 8, 8)), 7) == 7


def test_wrong_use() -> None:
    with pytest.raises(DataError, match="A measurement needs samples; got none"):
        Samples.of(torch.zeros(0, 1, 4, 4))
    with pytest.raises(DataError, match="got 2 samples and 3 labels"):
        Samples.of((torch.zeros(2, 1, 4, 4), [0, 1, 2]))
    with pytest.raises(UsageError, match="got n=0"):
        Samples.of(torch.zeros(2, 1, 4, 4)).first(0, seed=0)


def test_what_is_taken_may_be_written_to() -> None:
    x = torch.rand(6, 1, 4, 4)
    kept = x.clone()
    for samples in (Samples.of(x), Samples.of(x.numpy()), Samples.of(x).first(4, seed=0)):
        samples.take(slice(0, 3)).zero_()
        assert torch.equal(x, kept)


@pytest.mark.parametrize("dtype", [np.int16, np.int64])
def test_integers_that_nobody_scaled_are_refused(dtype: type) -> None:
    x = np.full((3, 1, 4, 4), 200, dtype)
    with pytest.raises(DataError, match=r"in \[0, 1\]; got u?int\d+ from 200 to 200"):
        Samples.of(x)
    assert len(Samples.of((x // 200, np.zeros(3)))) == 3


def test_bytes_have_255_for_white() -> None:
    x = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1)
    samples = Samples.of(x)
    assert samples.take(slice(0, 3)).flatten().tolist() == pytest.approx([0, 0.2, 1])
    assert samples.first(2, seed=0).take(slice(0, 2)).max() <= 1
    ones = torch.tensor([0, 1], dtype=torch.uint8).view(2, 1, 1, 1)
    assert Samples.of(ones).take(slice(0, 2)).flatten().tolist() == [0, 1]  # no bytes of an image
