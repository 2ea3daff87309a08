"""The nearest of some names, or none."""

from __future__ import annotations

from neocog.errors import did_you_mean, nearest


def test_nothing_rather_than_nonsense():
    names = ["accuracy", "consistency", "flip", "layers", "seed"]
    assert nearest("acuracy", names) == "accuracy"
    for word in ("", "x", "precision", "recall", "f1", "zebra", "time"):
        assert nearest(word, names) is None, word
        assert did_you_mean(word, names).startswith("Known: ")
