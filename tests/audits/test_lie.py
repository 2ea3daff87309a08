from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from neocog.audits.lie import lie_errors
from neocog.data.samples import Samples
from neocog.layers.blocks import conv
from neocog.models.exact import ExactModel
from neocog.signal.fourier import shift_subpixel
from neocog.symmetry.generators import rotation_generator, shift_generator


def smooth(n: int = 4, size: int = 16) -> Tensor:
    """Low frequencies only, of period `size`."""
    g = torch.Generator().manual_seed(0)
    coarse = torch.randn(n, 1, 5, 5, generator=g, dtype=torch.float64)
    at = torch.arange(size, dtype=torch.float64) / size * 2 * math.pi
    basis = torch.stack([torch.ones(size), at.sin(), at.cos(), (2 * at).sin(), (2 * at).cos()])
    return torch.einsum("bcij,ih,jw->bchw", coarse, basis, basis)


class Net(nn.Module):
    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.parts = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.parts(x)
        return out.mean((2, 3))


def errors(*parts: nn.Module) -> dict[str, float]:
    model = ExactModel(Net(*parts), precision="float64")
    found = lie_errors(model, Samples.of(smooth().float()), batch=3)
    return {e.name.removeprefix("parts."): e.shift for e in found}


def test_linear_circular_layers_have_none() -> None:
    found = errors(
        conv(1, 3, kernel_size=3, padding="circular"), conv(3, 3, kernel_size=5, padding="circular")
    )
    assert max(found.values()) < 1e-6  # the samples were float32


def test_zero_padding_and_stride_have_some() -> None:
    assert errors(conv(1, 3, kernel_size=3))["0"] > 0.01
    circular = conv(1, 3, kernel_size=3, stride=2, padding="circular")
    # Smooth images, a stride of 2: the map is still band-limited, so little aliases.
    assert errors(circular)["0"] < 1e-6
    rough = Samples.of(torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0)))
    found = lie_errors(ExactModel(Net(circular), precision="float64"), rough)
    assert found[0].shift > 0.1


def test_agrees_with_finite_differences() -> None:
    net = Net(conv(1, 3, kernel_size=3), nn.Tanh(), nn.AvgPool2d(2)).eval()
    x = smooth(2).float().double()
    found = lie_errors(ExactModel(net, precision="float64"), Samples.of(x), batch=2)
    net.double()
    # By hand, for the last map and a shift of rows and of columns.
    total = torch.zeros(2, dtype=torch.float64)
    value = net.parts(x).detach()
    for axis in (0, 1):
        eps = 1e-5
        offset = torch.zeros(2, 2, dtype=torch.float64)
        offset[:, axis] = eps
        with torch.no_grad():
            up, down = (net.parts(shift_subpixel(x, s * offset)) for s in (1, -1))
        slope = (up - down) / (2 * eps)
        wrong = slope - shift_generator(value, 2 + axis) / 2
        total += (wrong.flatten(1).norm(dim=1) / value.flatten(1).norm(dim=1)) ** 2
    by_name = {e.name: e.shift for e in found}
    assert by_name["parts.2"] == pytest.approx(float((total / 2).sqrt().mean()), rel=1e-4)


def test_turns_by_hand() -> None:
    net = Net(conv(1, 3, kernel_size=1), conv(3, 2, kernel_size=3)).double().eval()
    x = smooth(2).float().double()
    model = ExactModel(net, precision="float64")
    found = {e.name: e.rotation for e in lie_errors(model, Samples.of(x))}
    assert found["parts.0"] is not None
    assert found["parts.0"] < 1e-12  # one sample at a time, and linear
    with torch.no_grad():
        value = net.parts(x)
        change = net.parts(rotation_generator(x)) - net.parts(
            torch.zeros_like(x)
        )  # without the bias
    wrong = (change - rotation_generator(value)).flatten(1).norm(dim=1)
    by_hand = float((wrong / value.flatten(1).norm(dim=1)).mean())
    assert found["parts.1"] == pytest.approx(by_hand, rel=1e-9)  # float64
    assert by_hand > 0.1
    oblong = lie_errors(model, Samples.of(x[..., :12]))
    assert [e.rotation for e in oblong] == [None, None]


def test_model_is_left_as_found() -> None:
    net = Net(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).train()
    net.parts[0].weight.grad = torch.ones_like(net.parts[0].weight)
    lie_errors(ExactModel(net), Samples.of(smooth().float()))
    assert net.training
    assert torch.equal(net.parts[0].weight.grad, torch.ones_like(net.parts[0].weight))
    assert not any(m._forward_hooks for m in net.modules())


def test_an_operation_without_such_a_derivative_gives_none() -> None:
    class Odd(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: object, grad: Tensor) -> Tensor:
            return grad

    class Layer(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return Odd.apply(x).mean((2, 3))

    assert lie_errors(ExactModel(Layer()), Samples.of(smooth().float())) == ()
