"""Networks without a graph, part by part."""

import pytest
import torch
from tests.surgery.nets import Wayward, settled

from neocog.errors import ModelError, UsageError
from neocog.surgery.replace import replace


def test_what_looks_at_values_is_mended_module_by_module() -> None:
    net, x = settled(Wayward()), torch.randn(2, 3, 16, 16)
    done = replace(net, x, downsampling="blur", padding="circular")
    assert [r.name for r in done.replaced] == ["conv", "pool"]
    assert "depends on the values" in done.remarks[0]
    assert list(done.module.state_dict()) == list(net.state_dict())
    assert done.module(x).shape == net(x).shape
    with pytest.raises(ModelError, match=r"the network must be traceable, .* depends on the val"):
        replace(net, x, downsampling="polyphase")


def test_only_some_modules_of_what_is_no_graph() -> None:
    net, x = settled(Wayward()), torch.randn(2, 3, 16, 16)
    done = replace(net, x, downsampling="blur", only=["pool"])
    assert [r.name for r in done.replaced] == ["pool"]
    assert done.module.conv.stride == (2, 2)
    assert torch.equal(replace(net, x, downsampling="blur", only=()).module(x), net(x))
    with pytest.raises(UsageError, match=r"`pol` is not a convertible group.* Did you mean `pool`"):
        replace(net, x, downsampling="blur", only=["pol"])
