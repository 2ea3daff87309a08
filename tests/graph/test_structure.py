import torch
from tests.strangers.resnet20 import make
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.graph.outputs import outputs
from neocog.graph.structure import Structure, structure
from neocog.networks.catalog import build


def kinds(found: Structure) -> list[str]:
    return [n.kind for n in found.nodes]


def node(found: Structure, name: str):
    return next(n for n in found.nodes if n.name == name)


class Residual(nn.Module):
    """A block whose sum is written as an operator."""

    def __init__(self, in_place: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        if self.in_place:
            y += x
            return F.relu_(y)
        return F.relu(y + x)


def test_G5_a_residual_sum_has_two_sources_and_a_free_relu_is_a_node() -> None:
    found = structure(Residual(), torch.zeros(1, 2, 6, 6))
    assert kinds(found) == ["input", "conv", "add", "activation", "output"]
    assert found.edges == ((0, 1), (0, 2), (1, 2), (2, 3), (3, 4))
    assert [n.label for n in found.nodes] == ["input", "conv", "add", "relu", "output"]


def test_the_resnet20_of_a_stranger_has_nine_sums_and_three_grids() -> None:
    net = make().eval()
    found = structure(net, torch.zeros(1, 3, 32, 32))
    assert sum(k == "add" for k in kinds(found)) == 9
    assert sum(k == "conv" for k in kinds(found)) == 19
    assert kinds(found)[-3:] == ["pool", "linear", "output"]
    maps = {n.shape[1:] for n in found.nodes if n.spatial}
    assert maps == {(32, 32), (16, 16), (8, 8)}
    assert sum(n.params for n in found.nodes) == sum(p.numel() for p in net.parameters())
    add = next(n for n in found.nodes if n.name == "layer2.0" and n.kind == "add")
    sources = {found.nodes[s].name for s in add.sources}
    assert sources == {"layer2.0.bn2", "layer2.0.shortcut"}
    assert len(add.sources) == 2


def test_macs_of_nodes_are_those_of_the_cost() -> None:
    from neocog.graph.cost import cost

    net = make().eval()
    found = structure(net, torch.zeros(1, 3, 32, 32))
    assert sum(n.macs for n in found.nodes) == cost(net, (3, 32, 32)).macs


def test_macs_of_attention_are_those_of_the_cost() -> None:
    from neocog.graph.cost import cost

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.block(x.flatten(2).transpose(1, 2))

    net = Tokens().eval()
    found = structure(net, torch.zeros(1, 16, 4, 4))
    assert sum(n.macs for n in found.nodes) == cost(net, (16, 4, 4)).macs


def test_the_networks_of_the_catalog_hang_together() -> None:
    for name in ("lenet5", "convnet", "resnet20", "vgg11", "alexnet"):
        size = (64, 64) if name in ("vgg11", "alexnet") else (32, 32)
        net = build(name, num_classes=10, in_channels=1, size=size).eval()
        found = structure(net, torch.zeros(1, 1, *size))
        reached = {0}
        for n in found.nodes[1:]:
            assert n.sources, (name, n)
            assert set(n.sources) <= reached
            reached.add(n.id)
        leads = {s for n in found.nodes for s in n.sources}
        assert leads == reached - {found.output.id}, name


def test_attention_is_operations_and_its_matrices_are_no_maps() -> None:
    net = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()

    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Conv2d(3, 16, 8, stride=8)
            self.block = net
            self.head = nn.Linear(16, 5)

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.embed(x).flatten(2).transpose(1, 2)
            return self.head(self.block(tokens).mean(1))

    found = structure(Patches(), torch.zeros(1, 3, 32, 32))
    spatial = [n.label for n in found.nodes if n.spatial]
    assert spatial == ["input", "embed"]
    assert kinds(found).count("norm") == 2
    assert kinds(found).count("add") == 2


def test_series_have_maps_of_one_axis() -> None:
    net = nn.Sequential(nn.Conv1d(1, 4, 5), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    found = structure(net, torch.zeros(1, 1, 64))
    assert [n.spatial for n in found.nodes] == [True, True, True, False, False, False]


def test_normalized_pixels_are_one_node() -> None:
    from neocog.networks.model import SpecifiedNetwork
    from neocog.types import InputSpec, ModelSpec

    signal = InputSpec(channels=1, size=(8, 8), mean=(0.1,), std=(0.3,))
    spec = ModelSpec(task="classify", classes=("a", "b"), input=signal)
    net = SpecifiedNetwork(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), spec).eval()
    found = structure(net, torch.zeros(1, 1, 8, 8))
    assert [n.label for n in found.nodes][1] == "normalize"
    assert found.nodes[1].ops == ("sub", "div")
    (_, scaled, *_) = outputs(net, torch.ones(1, 1, 8, 8), found)
    assert scaled is not None
    assert torch.allclose(scaled, torch.full((1, 1, 8, 8), 3.0))


def test_the_module_is_left_as_it_was_found() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout()).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    structure(net, torch.randn(1, 1, 8, 8))
    assert net.training
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_a_image_of_the_wrong_size_is_said() -> None:
    import pytest

    from neocog.errors import ModelError

    with pytest.raises(ModelError, match="the module fails on one of 3 × 8 × 8"):
        structure(nn.Conv2d(1, 2, 3), torch.zeros(1, 3, 8, 8))
