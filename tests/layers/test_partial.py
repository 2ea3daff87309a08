import torch
from torch.nn import functional as F

from neocog.layers.partial import PartialConv2d, partial_conv2d

TABLE = ((0, 2), (1,), (0, 1, 2))


def test_partial_convolution_by_hand() -> None:
    x = torch.tensor([1.0, 10.0, 100.0]).reshape(1, 3, 1, 1)
    weight = torch.tensor([1.0, 2, 3, 4, 5, 6]).reshape(6, 1, 1)
    y = partial_conv2d(x, weight, torch.tensor([0.5, 0.0, 0.0]), TABLE)
    # 1·1 + 2·100 + 0.5; 3·10; 4·1 + 5·10 + 6·100
    assert y.flatten().tolist() == [201.5, 30, 654]


def test_partial_convolution_is_a_sum_over_its_connections() -> None:
    layer = PartialConv2d(TABLE, kernel_size=3)
    x = torch.randn(2, 3, 6, 7)
    kernels = iter(layer.weight)
    maps = [
        sum(F.conv2d(x[:, i : i + 1], next(kernels)[None, None]) for i in inputs) + bias
        for inputs, bias in zip(TABLE, layer.bias, strict=True)
    ]
    # Other order of summation: float32 rounding.
    torch.testing.assert_close(layer(x), torch.cat(maps, 1))


def test_parameters_are_the_connections_alone() -> None:
    layer = PartialConv2d(TABLE, kernel_size=5)
    assert sum(p.numel() for p in layer.parameters()) == 6 * 25 + 3
    assert layer.weight[2].abs().max() <= 2.4 / 25
    assert layer.weight[3:].abs().max() <= 2.4 / 75
    layer(torch.randn(1, 3, 8, 8)).sum().backward()
    assert layer.weight.grad.shape == layer.weight.shape


def test_partial_convolution_gradient() -> None:
    made = [
        torch.randn(s, dtype=torch.float64, requires_grad=True)
        for s in ((1, 3, 4, 4), (6, 2, 2), (3,))
    ]
    assert torch.autograd.gradcheck(lambda x, w, b: partial_conv2d(x, w, b, TABLE), made)
