import pytest
import torch
from torch.nn import functional as F

from neocog.layers import LocallyConnected2d
from neocog.layers.local import local_conv2d
from neocog.training.optimize import OptimizerConfig, build_optimizer


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pad"),
    [
        ((5, 7), (3, 3), (2, 1), (1, 1)),
        ((4, 4), (2, 2), (2, 2), (0, 0)),
        ((6, 5), (1, 3), (1, 2), (0, 1)),
    ],
)
def test_each_output_is_the_product_of_its_window_and_its_own_weights(size, kernel, stride, pad):
    torch.manual_seed(0)
    layer = LocallyConnected2d(2, 3, size=size, kernel_size=kernel, stride=stride, pad=pad).double()
    x = torch.randn(2, 2, *size, dtype=torch.float64)
    out = layer(x)
    wide = F.pad(x, (pad[1], pad[1], pad[0], pad[0]))
    h, w = out.shape[2:]
    for i in range(h):
        for j in range(w):
            top, left = i * stride[0], j * stride[1]
            window = wide[:, :, top : top + kernel[0], left : left + kernel[1]].flatten(1)
            own = window @ layer.weight[i * w + j].T + layer.bias.view(h * w, 3)[i * w + j]
            torch.testing.assert_close(out[:, :, i, j], own)


def test_with_the_same_weights_everywhere_it_is_a_convolution():
    torch.manual_seed(0)
    weight, bias = torch.randn(4, 3, 3, 3), torch.randn(4)
    x = torch.randn(2, 3, 8, 6)
    shared = F.conv2d(x, weight, bias, stride=2, padding=1)
    places = shared[0, 0].numel()
    out = local_conv2d(
        x,
        weight.flatten(1).expand(places, 4, 27),
        bias.expand(places, 4),
        kernel_size=3,
        stride=2,
        pad=1,
    )
    torch.testing.assert_close(out, shared, rtol=1e-5, atol=1e-5)  # float32 sums in another order


def test_gradients_are_those_of_the_products():
    layer = LocallyConnected2d(1, 2, size=(4, 4), kernel_size=3, stride=2).double()
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


def test_weights_start_within_the_bound_of_a_convolution():
    layer = LocallyConnected2d(4, 8, size=(8, 8), kernel_size=3)
    bound = 1 / 36**0.5
    for parameter in layer.parameters():
        assert bound * 0.9 < parameter.abs().max() <= bound
    assert "positions=64" in repr(layer)


def test_weight_decay_is_of_weights_alone():
    layer = LocallyConnected2d(1, 2, size=(4, 4), kernel_size=3)
    decayed, plain = build_optimizer(layer, OptimizerConfig(lr=0.1)).param_groups
    assert [p is layer.weight for p in decayed["params"]] == [True]
    assert [p is layer.bias for p in plain["params"]] == [True]
