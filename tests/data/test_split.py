"""Laws of splitting: a partition, stratified, groups whole, the same for the same seed."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.data.split import PathNames, RowNames, Split, partition

PARTS = {"val": 0.1, "test": 0.2}


@settings(max_examples=100, deadline=None)
@given(y=st.lists(st.integers(0, 4), min_size=1, max_size=200), seed=st.integers(0, 9))
def test_split_is_a_partition_stratified_within_one(y, seed):
    y = np.array(y)
    cut = partition(y, np.arange(len(y)), parts=PARTS, seed=seed)
    assert sorted(np.concatenate(list(cut.values())).tolist()) == list(range(len(y)))
    for k in np.unique(y):
        n = int((y == k).sum())
        for name, share in PARTS.items():
            assert abs(int((y[cut[name]] == k).sum()) - share * n) <= 1
        assert (y[cut["train"]] == k).any()


@settings(max_examples=100, deadline=None)
@given(
    groups=st.lists(st.integers(0, 30), min_size=1, max_size=120),
    seed=st.integers(0, 9),
    data=st.data(),
)
def test_copies_never_straddle(groups, seed, data):
    groups = np.array(groups)
    y = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(groups), max_size=len(groups))))
    cut = partition(y, groups, parts=PARTS, seed=seed)
    assert sorted(np.concatenate(list(cut.values())).tolist()) == list(range(len(y)))
    sides = [set(groups[rows].tolist()) for rows in cut.values()]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]


def test_same_seed_same_split_and_another_seed_another():
    y = np.repeat(np.arange(5), 40)
    cuts = [partition(y, np.arange(200), parts=PARTS, seed=s) for s in (3, 3, 4)]
    for name in cuts[0]:
        np.testing.assert_array_equal(cuts[0][name], cuts[1][name])
    assert set(cuts[0]["test"].tolist()) != set(cuts[2]["test"].tolist())


def test_held_out_parts_hold_each_picture_once():
    """Groups go to train while it has room."""
    y = np.zeros(100, np.int64)
    groups = np.concatenate([np.arange(80), np.repeat(np.arange(100, 110), 2)])
    cut = partition(y, groups, parts=PARTS, seed=0)
    assert (len(cut["train"]), len(cut["val"]), len(cut["test"])) == (70, 10, 20)
    held = np.concatenate([cut["val"], cut["test"]])
    assert held.max() < 80


def test_three_samples_of_a_class_reach_every_part():
    cut = partition(np.zeros(3, np.int64), np.arange(3), parts=PARTS, seed=0)
    assert [len(cut[s]) for s in ("train", "val", "test")] == [1, 1, 1]


@given(st.lists(st.binary(min_size=1, max_size=8), min_size=1, max_size=20), st.data())
def test_any_bytes_are_a_name(raw, data):
    """Names come back as the file system spells them, also what is no UTF-8."""
    names = [r.decode("utf-8", "surrogateescape") for r in raw]
    kept = PathNames.of(names)
    assert list(kept) == names
    assert kept[-1] == names[-1]
    assert kept[1:3] == names[1:3]
    rows = data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=5))
    assert list(kept.take(np.array(rows, np.int64))) == [names[r] for r in rows]


def test_subset_takes_rows_and_masks():
    x = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    split = Split(x, np.arange(5), RowNames("train", np.arange(10, 15)))
    some = split.subset([4, 1])
    assert some.y.tolist() == [4, 1]
    assert some.x.reshape(-1).tolist() == [4, 1]
    assert list(some.names) == ["train[14]", "train[11]"]
    assert split.subset(split.y > 2).names[:] == ["train[13]", "train[14]"]
    assert Split(x, np.arange(5), list("abcde")).subset([2]).names == ["c"]
