"""One operation, as a rule sees it."""

import torch

from neocog.graph.operations import Operation
from neocog.graph.reach.scene import combined, dims


def test_axes_are_counted_from_the_front_and_none_means_all() -> None:
    assert dims(None, 3) == dims([], 3) == [0, 1, 2]
    assert dims(-1, 4) == [3]
    assert dims([3, -3], 4) == [1, 3]


def test_a_batch_norm_combines_samples_in_training_alone() -> None:
    x, one = torch.rand(2, 3, 4, 4), torch.ones(3)
    norm = torch.ops.aten.native_batch_norm.default
    for training, axes in ((False, []), (True, [0, 2, 3])):
        args = (x, one, one, one.clone(), one.clone(), training, 0.1, 1e-5)
        assert combined(Operation("", "native_batch_norm", norm, args, {}, norm(*args))) == axes


def test_a_layer_norm_combines_its_last_axes() -> None:
    x = torch.rand(2, 3, 4)
    norm = torch.ops.aten.native_layer_norm.default
    args = (x, [3, 4], None, None, 1e-5)
    assert combined(Operation("", "native_layer_norm", norm, args, {}, norm(*args))) == [1, 2]
