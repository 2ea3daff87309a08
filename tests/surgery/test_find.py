"""Names, kinds and groups of what downsamples."""

import pytest
import torch
from tests.surgery.nets import HubResNet, Inception, Wayward
from torch import Tensor, nn

from neocog.errors import ModelError, NeocogError, UsageError
from neocog.networks.catalog import build
from neocog.surgery.find import find_downsamplers
from neocog.surgery.graph import Untraceable


def test_of_a_residual_network() -> None:
    found = find_downsamplers(HubResNet(), torch.randn(2, 3, 32, 32))
    assert [(f.name, f.what, f.group) for f in found] == [
        ("conv1", "convolution 7×7, stride 2", "conv1"),
        ("maxpool", "max pool 3×3, stride 2", "maxpool"),
        ("layer2.0.conv1", "convolution 3×3, stride 2", "layer2.0.conv1"),
        ("layer2.0.downsample.0", "convolution 1×1, stride 2", "layer2.0.conv1"),
    ]
    assert not any(f.reason for f in found)


def test_of_branches_that_are_put_side_by_side() -> None:
    found = find_downsamplers(Inception(), torch.randn(2, 3, 16, 16))
    groups = {f.name: f.group for f in found}
    assert groups["one"] == groups["two.2"] == groups["max_pool2d"]
    assert len({groups[name] for name in ("stem", "one", "avg_pool2d")}) == 3


def test_of_trainable_subsampling() -> None:
    net = build("lenet5", num_classes=10, in_channels=1, size=(32, 32))
    found = find_downsamplers(net, torch.randn(2, 1, 32, 32))
    assert [f.what for f in found] == ["average pool 2×2, stride 2"] * 2


class Exported(nn.Module):
    """A pool as exporters write it: no stride is an empty list."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.max_pool2d(x, [2, 2], [])


def test_no_stride_is_the_size_of_the_window() -> None:
    (found,) = find_downsamplers(nn.Sequential(Exported()), torch.randn(2, 3, 16, 16))
    assert found.what == "max pool 2×2, stride 2"


def test_a_reason_goes_with_what_cannot_be_replaced() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(3), nn.Flatten())
    (found,) = find_downsamplers(net, torch.randn(2, 3, 16, 16))
    assert found.what == "adaptive pooling to 3×3"
    assert "only pooling to 1 is the same for all shifts" in found.reason


def test_an_unknown_sampling_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"`blurr` is not a downsampling operator. Did you mean `blur`"
    ):
        find_downsamplers(nn.MaxPool2d(2), torch.randn(2, 3, 8, 8), downsampling="blurr")


def test_a_network_that_is_no_graph_is_refused() -> None:
    with pytest.raises(
        ModelError, match=r"cannot be traced: its control flow depends on the values"
    ):
        find_downsamplers(Wayward(), torch.randn(2, 3, 16, 16))
    assert issubclass(Untraceable, NeocogError)
