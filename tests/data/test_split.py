"""Laws of splitting: a partition, stratified, groups whole, the same for the same seed."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.data.split import PathNames, RowNames, Split, partition

PARTS = {"val": 0.1, "test": 0.2}


def _ids(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, 1]).integers(0, 1 << 63, n, np.uint64)


def _sides(cut: dict[str, np.ndarray], ids: np.ndarray) -> dict[int, str]:
    return {int(i): name for name, rows in cut.items() for i in ids[rows]}


@settings(max_examples=100, deadline=None)
@given(y=st.lists(st.integers(0, 4), min_size=1, max_size=200), seed=st.integers(0, 9))
def test_split_is_a_partition_with_every_class_in_train(y, seed):
    y = np.array(y)
    cut = partition(y, _ids(len(y)), np.arange(len(y)), parts=PARTS, seed=seed)
    assert sorted(np.concatenate(list(cut.values())).tolist()) == list(range(len(y)))
    for k in np.unique(y):
        assert (y[cut["train"]] == k).any()
    if len(y) >= 3 * len(np.unique(y)):
        assert all(len(rows) for rows in cut.values())


def test_shares_are_met_as_coins_meet_them():
    """Of 20,000 samples five standard deviations are 1 to 1.5 percent."""
    y = np.repeat(np.arange(4), 5000)
    cut = partition(y, _ids(20000), np.arange(20000), parts=PARTS, seed=0)
    for name, share in PARTS.items():
        each = np.bincount(y[cut[name]]) / 5000
        assert np.abs(each - share).max() < 5 * np.sqrt(share * (1 - share) / 5000)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(60, 150), seed=st.integers(0, 9), data=st.data())
def test_other_samples_move_none(n, seed, data):
    """Added, removed, in another order, under other labels: each stays on its side."""
    ids, y = _ids(n, seed), np.random.default_rng(seed).integers(0, 2, n)
    whole = partition(y, ids, np.arange(n), parts=PARTS, seed=seed)
    rows = np.array(data.draw(st.permutations(range(n)))[: data.draw(st.integers(50, n))])
    some = partition(y[rows], ids[rows], np.arange(len(rows)), parts=PARTS, seed=seed)
    before, after = _sides(whole, ids), _sides(some, ids[rows])
    own = {name for name, r in some.items() if len(r) > 1}  # a part of one may have been mended
    assert all(before[i] == side for i, side in after.items() if side in own)


@settings(max_examples=100, deadline=None)
@given(
    groups=st.lists(st.integers(0, 30), min_size=1, max_size=120),
    seed=st.integers(0, 9),
    data=st.data(),
)
def test_copies_never_straddle(groups, seed, data):
    groups = np.array(groups)
    y = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(groups), max_size=len(groups))))
    cut = partition(y, _ids(len(y)), groups, parts=PARTS, seed=seed)
    assert sorted(np.concatenate(list(cut.values())).tolist()) == list(range(len(y)))
    sides = [set(groups[rows].tolist()) for rows in cut.values()]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]


def test_a_new_copy_moves_no_group_but_its_own():
    n, ids = 200, _ids(201)
    y = np.zeros(201, np.int64)
    before = _sides(partition(y[:n], ids[:n], np.arange(n), parts=PARTS, seed=0), ids)
    moved = 0
    for k in range(n):
        groups = np.append(np.arange(n), k)
        after = _sides(partition(y, ids, groups, parts=PARTS, seed=0), ids)
        assert after[int(ids[k])] == after[int(ids[n])]
        changed = [i for i in before if before[i] != after[i]]
        assert changed in ([], [int(ids[k])])
        moved += len(changed)
    assert moved < 0.4 * n  # a quarter where either may lead


def test_same_seed_same_split_and_another_seed_another():
    y, ids = np.repeat(np.arange(5), 40), _ids(200)
    cuts = [partition(y, ids, np.arange(200), parts=PARTS, seed=s) for s in (3, 3, 4)]
    for name in cuts[0]:
        np.testing.assert_array_equal(cuts[0][name], cuts[1][name])
    assert set(cuts[0]["test"].tolist()) != set(cuts[2]["test"].tolist())


def test_three_samples_of_a_class_reach_every_part():
    for seed in range(20):
        cut = partition(np.zeros(3, np.int64), _ids(3), np.arange(3), parts=PARTS, seed=seed)
        assert [len(cut[s]) for s in ("train", "val", "test")] == [1, 1, 1]


@given(st.lists(st.binary(min_size=1, max_size=8), min_size=1, max_size=20), st.data())
def test_any_bytes_are_a_name(raw, data):
    """Names come back as the file system spells them, also what is not UTF-8."""
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
