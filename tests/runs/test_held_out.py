"""Two models are compared on the samples that both hold out."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from neocog.data.split import Split
from neocog.errors import UsageError
from neocog.runs.held_out import held_out_by_both

IDS = np.arange(6, dtype=np.uint64)
SPLIT = Split(np.zeros((6, 4, 4, 1), np.uint8), np.zeros(6, int), list("abcdef"), IDS)


def model(
    trained: list[int],
    watched: list[int],
    size: tuple[int, int] = (4, 4),
    normed: tuple[int, ...] = (),
) -> Any:
    seen = SimpleNamespace(
        trained_on=lambda split: np.isin(split.ids, trained),
        chosen_by=lambda split: np.isin(split.ids, watched),
        recalibrated_on=lambda split: np.isin(split.ids, normed),
    )
    spec = SimpleNamespace(input=SimpleNamespace(size=size))
    return SimpleNamespace(path=Path("runs/x"), seen=lambda: seen, spec=spec)


def test_what_either_was_trained_on_or_watched_with_is_left_out() -> None:
    found = held_out_by_both(SPLIT, "test", [model([0], [1]), model([1, 2], [2])])
    assert found.ids.tolist() == [3, 4, 5]
    assert found.rows(SPLIT).tolist() == [3, 4, 5]
    assert found.notes[0].startswith(
        "1 of the 6 test samples were trained on by `runs/x`, and 1 monitored"
    )
    assert found.notes[-1] == "Compared on 3 samples held out by both."
    val = held_out_by_both(SPLIT, "val", [model([0], [1]), model([2], [])])
    assert val.ids.tolist() == [1, 3, 4, 5]


def test_samples_that_are_named_by_their_training_are_all_taken() -> None:
    found = held_out_by_both(SPLIT, "train", [model([0], []), model([1], [], (8, 8))])
    assert found.ids is None
    assert found.rows(SPLIT) is None
    assert found.notes == (
        "The models use images at 4 × 4 and 8 × 8, so their pixels differ in size.",
    )


def test_nothing_left_is_refused() -> None:
    with pytest.raises(UsageError, match="there are none"):
        held_out_by_both(SPLIT, "val", [model([0, 1, 2], []), model([3, 4, 5], [])])


def test_samples_of_batch_norm_statistics_are_left_out_as_what_they_are() -> None:
    found = held_out_by_both(SPLIT, "test", [model([], [], normed=(4, 5))])
    assert found.ids.tolist() == [0, 1, 2, 3]
    assert not any("trained on" in n for n in found.notes)
    assert any("recalibrated on 2 of the 6 test samples, without labels" in n for n in found.notes)
