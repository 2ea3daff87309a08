"""The type of targets: found from arrays, held against them, asked for by tasks."""

import numpy as np
import pytest
import torch

from neocog.data.open import open_data
from neocog.data.samples import Samples
from neocog.data.target_spec import KINDS, TargetSpec
from neocog.errors import DataError, UsageError
from neocog.tasks.classify import Classification

BOXES = [np.array([[0.0, 0.0, 4.0, 4.0, 1.0]]), np.zeros((0, 5))]
OF = {
    "class": np.array([0, 1]),
    "number": np.array([0.5, 2.0]),
    "mask": np.zeros((2, 4, 4), np.int16),
    "boxes": BOXES,
    "none": None,
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_told_from_its_numbers_and_no_other_is_taken_for_it(kind):
    assert TargetSpec.of(OF[kind]).kind == kind
    TargetSpec(kind=kind).check(OF[kind], 2)
    for other in set(KINDS) - {kind}:
        with pytest.raises(DataError, match=f"kind `{kind}`; got `{other}`"):
            TargetSpec(kind=kind).check(OF[other], 2)


def test_several_numbers_a_sample_are_numbers():
    assert TargetSpec.of(np.zeros((2, 3))).kind == "number"
    assert TargetSpec.of(np.zeros((2, 1), np.int64)).kind == "number"
    with pytest.raises(DataError, match=r"got float64 \(2, 4, 4\)"):
        TargetSpec.of(np.zeros((2, 4, 4)))
    with pytest.raises(DataError, match="Targets are class indices"):
        TargetSpec.of(np.array(["a"]))


@pytest.mark.parametrize("kind", ["class", "mask", "boxes"])
def test_indices_are_within_the_classes(kind):
    TargetSpec(kind=kind, classes=("a", "b")).check(OF[kind], 2)
    bad = [np.array([[0.0, 0.0, 4.0, 4.0, 2.0]])] * 2 if kind == "boxes" else OF[kind] + 2
    with pytest.raises(DataError, match="from 0 to 1, or -1 where it is unknown"):
        TargetSpec(kind=kind, classes=("a", "b")).check(bad, 2)


def test_what_does_not_fit():
    with pytest.raises(UsageError, match=r"`clas` is not a kind of target. Did you mean `class`"):
        TargetSpec(kind="clas")
    with pytest.raises(UsageError, match="Classes name the indices"):
        TargetSpec(kind="number", classes=("a",))
    with pytest.raises(DataError, match="got 3 samples and 2 targets"):
        TargetSpec(kind="class").check(OF["class"], 3)
    with pytest.raises(DataError, match=r"Boxes are \(M, 5\)"):
        TargetSpec(kind="boxes", classes=("a",)).check([np.zeros((1, 4))], 1)
    with pytest.raises(DataError, match=r"Boxes are \(M, 5\)"):  # also where no class has a name
        TargetSpec(kind="boxes").check([np.zeros((1, 5)), np.zeros((5,))], 2)


def test_sources_and_samples_say_their_targets_and_tasks_ask_for_them():
    source = open_data("digits")
    assert source.target == TargetSpec(kind="class", classes=source.classes)
    assert source.target.kind in Classification().targets
    x = torch.zeros(2, 1, 4, 4)
    assert Samples.of(x).target.kind == "none"
    assert Samples.of((x, [0.5, 1.0])).target.kind == "number"
    assert Samples.of((x, np.zeros((2, 4, 4), np.int64))).target.kind == "mask"
