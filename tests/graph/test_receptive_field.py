"""Receptive fields of whole networks: every one is understood, or what is not is named."""

import json

import pytest
import torch
from tests.graph.fields import fields_of, figures
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import ModelError, UsageError
from neocog.graph.receptive_field import receptive_field
from neocog.layers.downsample import DOWNSAMPLINGS
from neocog.networks.catalog import NETWORKS
from neocog.networks.resnet_cifar import resnet_cifar
from neocog.types import FieldWindow

FIRST = (
    "alexnet", "convnet", "convnext_atto", "dense", "efficientnet_lite0", "lenet5", "lenet5_modern",
    "mobilenet_v1", "mobilenet_v2", "resnet18", "resnet20", "vgg11",
)  # fmt: skip
"""One of each kind; the others have more of the same blocks, or published figures."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in FIRST else pytest.mark.slow) for n in NETWORKS]
)
def test_every_network_is_understood(name: str) -> None:
    f = fields_of(name, (3, 64, 64))
    assert (f.status, f.unknown) == ("complete", ())
    assert f.of("").whole == (True, True)


@pytest.mark.parametrize("downsampling", DOWNSAMPLINGS)
def test_every_sampling_is_understood(downsampling: str) -> None:
    plain, net = (
        resnet_cifar(num_classes=3, in_channels=1, size=(24, 24), depth=8, width=4, **options)
        for options in ({}, {"downsampling": downsampling, "padding": "circular"})
    )
    f = receptive_field(net, (1, 24, 24))
    assert (f.status, f.unknown) == ("complete", ())
    if downsampling == "ideal":
        assert f.of("layer3").whole == (True, True)
    else:
        assert figures(f.of("layer3"))[1] == 4
        assert (
            f.of("layer3").receptive_field[0]
            >= receptive_field(plain, (1, 24, 24)).of("layer3").receptive_field[0]
        )


class Picks(nn.Module):
    """Samples at an index that is found in the data."""

    def __init__(self, geometry: tuple | None = None) -> None:
        super().__init__()
        self.after = nn.ReLU()
        self.pick = Picking()
        if geometry is not None:
            self.pick.geometry = geometry

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.pick(x))


class Picking(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        best = x.view(1, 1, -1, 2).square().sum((1, 2)).argmax(1)
        return x.view(1, 1, -1, 2).gather(
            3, best.view(1, 1, 1, 1).expand(1, 1, x.shape[2] // 2, 1)
        )[..., 0]


def test_an_index_from_the_data_is_unknown_and_so_is_what_follows() -> None:
    f = receptive_field(Picks(), (1, 8))
    assert (f.status, f.unknown) == ("partial", ("aten.gather",))
    assert not f.of("after").known
    assert f.of("after").receptive_field == ()
    assert "unknown" in str(f.table().rows)
    assert "aten.gather" in f.section().text


def test_a_module_may_declare_what_it_looks_at() -> None:
    f = receptive_field(Picks((FieldWindow(kernel_size=2, stride=2),)), (1, 8))
    assert (f.status, f.unknown) == ("complete", ())
    assert (f.of("").receptive_field, f.of("").jump, f.of("").start) == ((2,), (2,), (0,))
    f = receptive_field(Picks((None,)), (1, 8))
    assert f.of("").whole == (True,)


def test_an_operation_without_a_rule_is_named() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.svdvals(x)

    f = receptive_field(nn.Sequential(nn.Conv2d(1, 1, 3), Odd(), nn.ReLU()), (1, 8, 8))
    assert f.unknown == ("aten._linalg_svd",)
    assert [layer.known for layer in f.layers] == [True, False, False, False]


def test_a_weight_made_from_the_image_reaches_everything_where_no_rule_says_how() -> None:
    class Styled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.layer_norm(x, (8,), weight=x.mean((0, 1)))

    assert receptive_field(Styled(), (1, 8)).status == "partial"


def test_the_module_is_left_as_found() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1)).train()
    net[1].weight.requires_grad_(False)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    receptive_field(net, (1, 8, 8))
    assert net.training
    assert not net[1].weight.requires_grad
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_a_size_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ModelError, match=r"fails on one of 3×8×8 \(Runtime.*Give its input size"):
        receptive_field(nn.Conv2d(1, 2, 3), (3, 8, 8))


def test_a_layer_that_did_not_run_is_refused() -> None:
    f = receptive_field(nn.Sequential(nn.ReLU()), (1, 8, 8))
    with pytest.raises(UsageError, match="`1` is not a layer that ran"):
        f.of("1")


def test_json_is_plain() -> None:
    f = receptive_field(nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(1, 1, 3)), (1, 8, 8))
    layers = {row["name"]: row for row in f.to_json()["layers"]}
    assert layers["1"]["jump"] == [0.5, 0.5]
    assert list(layers[""]["receptive_field"]) == [2, 2]  # of 3 neighbors two are one sample
    assert json.loads(json.dumps(f.to_json()))["status"] == "complete"


def test_every_operation_has_its_tensor() -> None:
    f = receptive_field(nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU()), (1, 8, 8))
    assert [(t.name, t.kind) for t in f.tensors] == [("0", "convolution"), ("1", "relu")]
