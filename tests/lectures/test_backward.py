from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neocog.errors import ModelError, UsageError
from neocog.lectures.backward import backward
from neocog.networks.catalog import build
from neocog.render.page import page


def test_A10_in_a_network_the_kernel_gradient_is_that_of_the_whole_network() -> None:
    torch.manual_seed(0)
    net = build("resnet20", num_classes=10, in_channels=3, size=(32, 32)).double().train()
    x = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    name, layer = next(
        (n, m) for n, m in net.named_modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)
    )
    layer.weight.grad = torch.ones_like(layer.weight)
    found = backward(net, name, x, target=3)
    assert torch.equal(layer.weight.grad, torch.ones_like(layer.weight))
    assert net.training
    assert all(p.requires_grad for p in net.parameters())
    net.eval()
    (whole,) = torch.autograd.grad(net(x)[:, 3].sum(), layer.weight)
    torch.testing.assert_close(torch.from_numpy(found.kernel_gradient), whole)
    assert max(found.kernel_error, found.input_error) < 1e-12


def test_an_activation_in_place_behind_the_layer_changes_nothing() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(32, 2))
    found = backward(net, "0", torch.rand(1, 1, 6, 6))
    assert max(found.kernel_error, found.input_error) < 1e-5


def test_it_is_drawn_and_plain() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Flatten(), nn.Linear(72, 2))
    found = backward(net, "0", torch.rand(1, 1, 6, 6), target=0)
    html = page("Backwards", found.sections())
    assert "Kernel gradients by correlation" in html
    assert "1+1, 1+1 (zeros)" in html
    json.dumps(found.to_json(), allow_nan=False)


class Unused(nn.Module):
    """A network whose answer does not depend on one of its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = nn.Conv2d(1, 1, 1)
        self.used = nn.Linear(4, 2)
        self.never = nn.Conv2d(1, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.idle(x)
        return self.used(x.flatten(1))


class Own(nn.Conv2d):
    """A convolution that does more than it says."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(nn.functional.pad(x, (1, 1)))


def test_wrong_use() -> None:
    x = torch.rand(1, 1, 2, 2)
    with pytest.raises(UsageError, match="`used` is a Linear"):
        backward(Unused(), "used", x)
    with pytest.raises(UsageError, match="`0` is a ConvTranspose2d"):
        backward(nn.Sequential(nn.ConvTranspose2d(1, 1, 3)), "0", x)
    with pytest.raises(ModelError, match="does not depend on `idle`"):
        backward(Unused(), "idle", x)
    with pytest.raises(ModelError, match="`never` does not"):
        backward(Unused(), "never", x)
    with pytest.raises(UsageError, match="the outputs 0 to 1; got 7"):
        backward(Unused(), "idle", x, target=7)
    with pytest.raises(UsageError, match="a Own, adds to that"):
        backward(nn.Sequential(Own(1, 1, 1), nn.Flatten()), "0", x)


class Twice(nn.Module):
    """One convolution, called twice and by keyword, with an activation that works in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)
        self.head = nn.Linear(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(input=x).tanh_()
        return self.head(self.conv(input=x).tanh_().mean((2, 3)))


def test_A10_of_shared_weights_the_kernel_gradient_is_summed_over_the_calls() -> None:
    torch.manual_seed(0)
    net, x = Twice(), torch.rand(2, 1, 5, 5)
    (wanted,) = torch.autograd.grad(net(x)[:, 1].sum(), net.conv.weight)
    found = backward(net, "conv", x, target=1)
    assert found.calls == 2
    # Sums of 50 products in single precision, in another order.
    torch.testing.assert_close(torch.from_numpy(found.kernel_gradient), wanted, rtol=1e-5, atol=0)
    torch.testing.assert_close(torch.from_numpy(found.kernel_autograd), wanted, rtol=1e-5, atol=0)
    assert found.input_error < 1e-5
    assert "2 times" in page("Backward", found.sections())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_numbers_of_any_precision_are_taken(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(18, 2)).to(dtype)
    found = backward(net, "0", torch.rand(2, 1, 5, 5), target=0)
    # Both ways start from the same numbers, and are computed in single precision at least.
    assert found.kernel_error < 1e-5
    assert found.input_error < 1e-5


def test_weights_and_images_made_for_inference_are_taken() -> None:
    def made() -> tuple[nn.Module, Tensor]:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(18, 2))
        return net, torch.rand(2, 1, 5, 5)

    net, x = made()
    wanted = backward(net, "0", x, target=0).kernel_gradient
    with torch.inference_mode():
        net, x = made()
    found = backward(net, "0", x, target=0)
    assert np.array_equal(found.kernel_gradient, wanted)
    with torch.inference_mode():
        inside = backward(net, "0", x, target=0)
    assert np.array_equal(inside.kernel_gradient, wanted)
