"""Where a feature map is largest."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from neocog.data.samples import Samples
from neocog.explainers.largest import largest_on


def test_largest_of_a_vector_and_of_the_middle() -> None:
    x = torch.rand(20, 1, 6, 6)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(32, 3))
    with torch.no_grad():
        logits, maps = net(x), net[0](x)
    found = largest_on(net, Samples.of(x), "", [2, 0], batch=7)
    assert found.index.tolist() == logits[:, [2, 0]].argmax(0).tolist()
    np.testing.assert_array_equal(found.images[0], x[found.index[0]].numpy())
    for where, values in (("middle", maps[:, :, 2, 2]), ("largest", maps.amax((2, 3)))):
        found = largest_on(net, Samples.of(x), "0", [1], where=where)
        assert found.values[0] == pytest.approx(float(values[:, 1].max()), abs=1e-6)
