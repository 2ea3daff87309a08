"""Batches: every sample once, the order a pure function, values exact, no copy too many."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.data.batches import batches, order, pixels, statistics
from neocog.data.split import RowNames, Split
from neocog.errors import DataError, UsageError


def _split(n: int, *, channels: int = 1, dtype: type = np.uint8, side: int = 5) -> Split:
    rng = np.random.default_rng(n)
    x = rng.integers(0, np.iinfo(dtype).max + 1, (n, side, side, channels), dtype)
    return Split(x, np.arange(n) % 3, RowNames("train", np.arange(n)))


@given(st.integers(0, 500), st.integers(0, 50), st.integers(0, 50))
def test_order_is_a_permutation_and_a_pure_function(n, seed, epoch):
    first = order(n, seed=seed, epoch=epoch)
    assert sorted(first.tolist()) == list(range(n))
    np.testing.assert_array_equal(first, order(n, seed=seed, epoch=epoch))


def test_epochs_and_seeds_have_orders_of_their_own():
    some = {tuple(order(50, seed=s, epoch=e).tolist()) for s in range(3) for e in range(3)}
    assert len(some) == 9


@settings(max_examples=50, deadline=None)
@given(
    n=st.integers(0, 40),
    size=st.integers(1, 17),
    shuffle=st.booleans(),
    drop=st.booleans(),
    channels=st.sampled_from([1, 3]),
    dtype=st.sampled_from([np.uint8, np.uint16]),
)
def test_every_sample_once_with_its_own_pixels(n, size, shuffle, drop, channels, dtype):
    split = _split(n, channels=channels, dtype=dtype)
    found = list(batches(split, size=size, shuffle=shuffle, seed=1, epoch=2, drop_last=drop))
    index = torch.cat([b.index for b in found]).tolist() if found else []
    wanted = n - n % size if drop else n
    assert len(index) == wanted
    assert len(set(index)) == wanted
    if not shuffle:
        assert index == list(range(wanted))
    white = np.iinfo(dtype).max
    for b in found:
        rows = b.index.numpy()
        exact = split.x[rows].astype(np.float32) / np.float32(white)
        np.testing.assert_array_equal(b.x.numpy(), exact.transpose(0, 3, 1, 2))
        np.testing.assert_array_equal(b.y.numpy(), split.y[rows])
        assert b.x.is_contiguous(memory_format=torch.channels_last)


def test_wide_values_are_the_same_numbers_as_narrow_ones():
    """v / 255 and 257 v / 65535 are one float32: a deep set answers as a plain one."""
    x = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    narrow = pixels(Split(x, np.zeros(1, np.int64), ["a"]), slice(0, 1))
    wide = pixels(Split(x.astype(np.uint16) * 257, np.zeros(1, np.int64), ["a"]), slice(0, 1))
    assert torch.equal(narrow, wide)


def test_pixels_that_cannot_be_written_to_are_served_and_left_alone():
    split = _split(8)
    before = split.x.copy()
    split.x.flags.writeable = False
    for shuffle in (True, False):
        for b in batches(split, size=3, shuffle=shuffle, seed=0, epoch=0):
            b.x.zero_()
    np.testing.assert_array_equal(split.x, before)


@pytest.mark.parametrize("shuffle", [True, False])
def test_writing_to_a_batch_leaves_the_data_alone(shuffle):
    split = _split(8)
    before = split.x.copy()
    for b in batches(split, size=3, shuffle=shuffle, seed=0, epoch=0):
        b.x.zero_()
        b.index.zero_()
    np.testing.assert_array_equal(split.x, before)


def test_a_batch_of_none_is_refused():
    with pytest.raises(UsageError, match="at least one sample; got size=0"):
        next(batches(_split(4), size=0, shuffle=False, seed=0, epoch=0))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_statistics_are_those_of_the_whole_array(dtype, channels):
    """Double precision on both sides: the tolerance is its rounding."""
    split = _split(30, channels=channels, dtype=dtype)
    mean, std = statistics(split)
    x = split.x.astype(np.float64) / np.iinfo(dtype).max
    np.testing.assert_allclose(mean, x.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, x.std((0, 1, 2)), rtol=1e-9)


def test_statistics_of_gray_are_repeated_for_color():
    mean, std = statistics(_split(9), 3)
    assert mean == statistics(_split(9))[0] * 3
    assert len(std) == 3
    with pytest.raises(UsageError, match="3 channels; got 1 for their statistics"):
        statistics(_split(9, channels=3), 1)
    with pytest.raises(DataError, match="Statistics need images"):
        statistics(_split(0))


def test_mnist_has_the_published_statistics(shared):
    """0.1307 and 0.3081 over all 60,000 (the data set's own notes, four digits)."""
    from neocog.data.open import open_data

    source = open_data(shared / "data" / "mnist")
    parts = [source.splits[s] for s in ("train", "val")]
    whole = Split(np.concatenate([p.x for p in parts]), np.concatenate([p.y for p in parts]), [])
    (mean,), (std,) = statistics(whole)
    assert round(mean, 4) == 0.1307
    assert round(std, 4) == 0.3081
