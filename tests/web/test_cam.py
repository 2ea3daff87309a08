"""Grad-CAM from the pass of a step is Grad-CAM."""

import pytest
import torch
from torch import Tensor, nn

from neocog.errors import NeocogError
from neocog.explainers.grad_cam import grad_cam
from neocog.models.external import as_it_is
from neocog.networks.catalog import build
from neocog.web.cam import Cams, Wanted
from neocog.web.network import Network


def shown(net: nn.Module, size: tuple[int, ...]) -> Network:
    return Network(as_it_is(net.eval(), size))


@pytest.mark.parametrize("method", ["grad_cam", "hires_cam", "layer_cam"])
@pytest.mark.parametrize("target", [None, 3])
def test_the_map_of_the_pass_is_that_of_a_pass_of_its_own(method: str, target: int | None) -> None:
    torch.manual_seed(0)
    net = build("resnet20", num_classes=10, in_channels=3, size=(32, 32))
    network = shown(net, (3, 32, 32))
    cams, wanted = Cams(network), Wanted(None, target, method)
    first, x = torch.rand(2, 1, 3, 32, 32)
    network.run(first)  # which learns how the network runs
    cams.of(first, wanted)  # the layer is chosen here
    forwards = []
    handle = net.register_forward_hook(lambda *_: forwards.append(1))
    values, (cam, reason) = cams.along(x, wanted)
    handle.remove()
    assert len(forwards) == 1
    plain = grad_cam(net, x, layer=cam.layer, target=target, method=method)
    assert cam.targets == plain.targets
    assert torch.allclose(cam.maps, plain.maps, rtol=1e-4, atol=1e-6)
    assert reason
    for mine, theirs in zip(values, network.run(x), strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert not mine.requires_grad
            assert torch.allclose(mine, theirs, atol=1e-6)
    assert all(p.grad is None for p in net.parameters())
    assert torch.is_grad_enabled()


def test_a_layer_that_runs_twice_is_explained_by_a_pass_of_its_own() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(2, 2, 3, padding=1), nn.Linear(2, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.conv(self.conv(x).relu_()).mean((2, 3)))

    torch.manual_seed(0)
    net = Twice()
    cams, wanted = Cams(shown(net, (2, 8, 8))), Wanted("conv", 1)
    x = torch.rand(1, 2, 8, 8)
    cams.of(x, wanted)
    for _ in range(2):
        _, (cam, _) = cams.along(x, wanted)
        plain = grad_cam(net, x, layer="conv", target=1)
        assert torch.allclose(cam.maps, plain.maps, atol=1e-6)


def test_what_cannot_be_explained_raises_and_leaves_no_hook() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3))
    cams, x = Cams(shown(net, (1, 8, 8))), torch.rand(1, 1, 8, 8)
    cams.of(x, Wanted("0"))
    with pytest.raises(NeocogError):
        cams.along(x, Wanted("0", target=7))
    with pytest.raises(NeocogError):
        cams.along(x, Wanted("nosuch"))
    assert not net._forward_hooks
    assert not net[0]._forward_hooks
