"""What every way of making a map promises. A new line in `METHODS` is found by these tests."""

from __future__ import annotations

import pytest
import torch
from tests.explainers.nets import Series, Unet, Vit, convnet, drawn, state_of
from tests.strangers.resnet20 import ResNet20
from torch import Tensor, nn

from neocog.explainers.grad_cam import METHODS, grad_cam
from neocog.explainers.trust.trust import trust
from neocog.networks.catalog import build

each = pytest.mark.parametrize("method", METHODS)

NETS = {
    "of ours": (
        lambda: build("resnet20", num_classes=5, in_channels=3, size=(24, 24)),
        (3, 24, 24),
    ),
    "a stranger's": (ResNet20, (3, 32, 32)),
    "in place": (convnet, (3, 16, 16)),
    "of patches": (Vit, (3, 16, 16)),
    "a segmenter": (Unet, (1, 16, 16)),
    "series": (Series, (2, 32)),
}
"""Name to a network and the size of what it takes."""

every = pytest.mark.parametrize("kind", NETS)


def made(kind: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    make, size = NETS[kind]
    return make(), drawn(3, *size)


@each
def test_it_says_what_it_answers_and_where_it_is_from(method: str) -> None:
    assert METHODS[method].question.endswith((".", "?"))
    assert any(c.isdigit() for c in METHODS[method].source)


@each
@every
def test_a_signed_map_a_image_on_the_grid_of_a_layer_that_is_named(method: str, kind: str) -> None:
    net, x = made(kind)
    cam = grad_cam(net, x, method=method)
    assert cam.maps.shape == (3, *cam.grid)
    assert len(cam.grid) == x.ndim - 2
    assert torch.isfinite(cam.maps).all()
    assert cam.maps.flatten(1).std(1).min() > 0
    assert cam.enlarged().shape == (3, *x.shape[2:])
    assert cam.layer in dict(net.named_modules())
    assert cam.layer_reason
    assert not cam.maps.requires_grad
    assert float(cam.positive.min()) >= 0


@each
@every
def test_the_network_is_left_as_it_was_found(method: str, kind: str) -> None:
    net, x = made(kind)
    net.train()
    parameters = list(net.parameters())
    parameters[0].requires_grad_(False)
    parameters[1].grad = torch.ones_like(parameters[1])
    next(net.children()).register_forward_hook(lambda m, args, out: None)
    before = state_of(net)
    x.requires_grad_()
    grad_cam(net, x, method=method)
    assert x.grad is None
    assert state_of(net) == before
    for target in (lambda out: out.nonsense, 99):
        if not METHODS[method].class_free or callable(target):
            with pytest.raises((AttributeError, ValueError)):
                grad_cam(net, x, method=method, target=target)
        assert state_of(net) == before


@each
@every
def test_images_do_not_depend_on_each_other(method: str, kind: str) -> None:
    net, x = made(kind)
    together = grad_cam(net, x, method=method, target=1)
    order = torch.tensor([2, 0, 1])
    mixed = grad_cam(net, x[order], method=method, target=1, layer=together.layer)
    alone = grad_cam(net, x[:1], method=method, target=1, layer=together.layer)
    # Batches of other sizes take other kernels: float32 rounding, beside the largest of a map.
    reach = 1e-4 * float(together.maps.abs().max())
    torch.testing.assert_close(mixed.maps, together.maps[order], rtol=1e-4, atol=reach)
    torch.testing.assert_close(alone.maps, together.maps[:1], rtol=1e-4, atol=reach)


@each
@every
def test_twice_the_same_is_the_same(method: str, kind: str) -> None:
    net, x = made(kind)
    assert torch.equal(grad_cam(net, x, method=method).maps, grad_cam(net, x, method=method).maps)


@each
@every
def test_frozen_weights_change_nothing(method: str, kind: str) -> None:
    net, x = made(kind)
    want = grad_cam(net, x, method=method).maps
    with torch.no_grad():
        assert torch.equal(grad_cam(net.requires_grad_(False), x, method=method).maps, want)


@each
def test_a_layer_may_be_named(method: str) -> None:
    net, x = made("in place")
    cam = grad_cam(net, x, method=method, layer="0")
    assert cam.grid == (16, 16)
    assert cam.layer_reason == "named by the user; its output has 16 × 16 positions"


@each
def test_the_sign_of_the_answer_is_the_sign_of_the_map(method: str) -> None:
    if METHODS[method].class_free or method == "layer_cam":
        pytest.skip("looks at no class, or at what speaks for it only")
    net, x = made("in place")
    one = grad_cam(net, x, method=method, layer="5", target=lambda out: out[:, 0])
    other = grad_cam(net, x, method=method, layer="5", target=lambda out: -out[:, 0])
    torch.testing.assert_close(one.maps, -other.maps)


@each
@pytest.mark.parametrize("kind", ["in place", "of patches", "a segmenter", "series"])
def test_every_map_can_be_put_to_the_test(method: str, kind: str) -> None:
    net, x = made(kind)
    before = state_of(net)
    found = trust(net, x[:2], grad_cam(net, x[:2], method=method))
    assert [c.name for c in found.checks][:2] == ["deletion", "insertion"]
    assert found.verdict()
    assert state_of(net) == before
