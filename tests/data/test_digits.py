"""The digits built in."""

from __future__ import annotations

from neocog.data.open import open_data


def test_digits_are_the_thousand_times_five(shared):
    """Every built-in digit is one of MNIST's training images, with MNIST's label."""
    import gzip

    import numpy as np

    with gzip.open(shared / "data" / "mnist" / "train-images-idx3-ubyte.gz") as file:
        x = np.frombuffer(file.read()[16:], np.uint8).reshape(60000, 784)
    with gzip.open(shared / "data" / "mnist" / "train-labels-idx1-ubyte.gz") as file:
        y = np.frombuffer(file.read()[8:], np.uint8)
    known = {a.tobytes(): int(b) for a, b in zip(x, y, strict=True)}
    source = open_data("digits")
    for split in source.splits.values():
        for a, b in zip(split.x, split.y, strict=True):
            assert known[a.tobytes()] == b


def test_digits_split_is_fixed_balanced_and_without_copies():
    import numpy as np

    source = open_data("digits")
    assert {s: len(p) for s, p in source.splits.items()} == {
        "train": 3500,
        "val": 500,
        "test": 1000,
    }
    for split in source.splits.values():
        assert np.unique(np.bincount(split.y)).tolist() == [len(split) // 10]
    x = np.concatenate([p.x for p in source.splits.values()]).reshape(5000, -1)
    assert len(np.unique(x, axis=0)) == 5000
    assert source.splits["test"].names[0] == "digits[695]"
    assert open_data("digits", seed=5).fingerprint == source.fingerprint
