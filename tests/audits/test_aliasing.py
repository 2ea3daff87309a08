from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.audits.aliasing import Aliasing, aliasing
from neocog.data.samples import Samples
from neocog.layers.blocks import conv
from neocog.layers.polyphase import PolyphaseDown
from neocog.models.exact import ExactModel
from neocog.surgery.replace import replace


def looked(net: nn.Module, x: Tensor) -> tuple[Aliasing, ...]:
    whole = nn.Sequential(net, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return aliasing(ExactModel(whole, task="regress"), Samples.of(x))


def wave(cycles: int, size: int = 16) -> Tensor:
    at = torch.arange(size) / size * 2 * torch.pi
    return 0.5 + 0.5 * torch.cos(cycles * at).expand(1, 1, size, size)


def test_E5_a_wave_aliases_above_the_new_limit_and_not_below() -> None:
    for cycles, share in ((1, 0.0), (3, 0.0), (5, 1.0), (7, 1.0)):
        (found,) = looked(nn.AvgPool2d(1, 2), wave(cycles))  # every second sample, 4 is the limit
        assert abs(found.aliased_energy - share) < 1e-5, cycles
    mixed = (wave(3) + wave(7)) / 2  # equal energy on both sides
    (found,) = looked(nn.AvgPool2d(1, 2), mixed)
    assert abs(found.aliased_energy - 0.5) < 1e-5


def test_every_operation_that_drops_samples_is_found_where_it_stands() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = conv(1, 2, kernel_size=3, stride=2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            x = F.max_pool2d(x, 3, stride=2, padding=1)
            return x[:, :, ::2, ::2]

    x = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    found = looked(Odd(), x)
    assert [(f.name, f.kind, f.stride) for f in found] == [
        ("0.conv", "convolution", (2, 2)),
        ("0", "max pool", (2, 2)),
        ("0#2", "slice", (2, 2)),
    ]
    assert [f.spectrum.shape for f in found] == [(32, 32), (16, 16), (8, 8)]
    assert all(0 < f.aliased_energy < 1 for f in found)


def test_full_rate_is_the_same_operation_at_stride_one() -> None:
    from neocog.signal.fourier import aliased_energy

    torch.manual_seed(0)
    strided = conv(1, 4, kernel_size=3, stride=2)
    x = torch.rand(3, 1, 16, 16)
    (found,) = looked(strided, x)
    with torch.no_grad():
        full = F.conv2d(x, strided.weight, strided.bias, padding=1)
    assert abs(found.aliased_energy - float(aliased_energy(full, (2, 2)).mean())) < 1e-6


def test_does_not_depend_on_the_size_of_a_batch() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(conv(1, 2, kernel_size=3, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = Samples.of(torch.rand(5, 1, 16, 16))
    (one,), (other,) = (aliasing(ExactModel(net), x, batch=b) for b in (2, 5))
    assert one.aliased_energy == pytest.approx(other.aliased_energy, abs=1e-6)  # float32
    np.testing.assert_allclose(one.spectrum, other.spectrum, rtol=1e-4)
    with torch.no_grad():
        full = F.conv2d(x.take(slice(None)), net[0].weight, net[0].bias, padding=1)
    # The powers of a map sum to its mean square.
    assert float(one.spectrum.sum()) == pytest.approx(float(full.square().mean()), rel=1e-5)


def test_E4_blur_leaves_less_to_alias() -> None:
    from neocog.layers.blur import BlurPool

    x = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    bare = looked(nn.AvgPool2d(1, 2), x)[0].aliased_energy
    blurred = looked(BlurPool(2, taps=5, padding="circular"), x)[0].aliased_energy
    assert blurred < 0.25 * bare
    assert bare > 0.6  # white noise: three quarters lie above the limit of both axes


def test_a_grid_that_moves_along_is_told() -> None:
    (found,) = looked(PolyphaseDown(2), torch.rand(2, 1, 8, 8))
    assert found.kind == "polyphase"
    assert found.consistent
    assert found.stride == (2, 2)


def test_an_operator_whose_windows_move_along_is_told() -> None:
    mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.MaxPool2d(2), mean)
    x = torch.rand(2, 1, 16, 16)
    fixed = replace(net, x, downsampling="polyphase", padding="circular").module
    found = aliasing(ExactModel(fixed, task="regress"), Samples.of(x))
    assert [(f.kind, f.stride, f.consistent) for f in found] == [
        ("convolution", (2, 2), True),
        ("max pool", (2, 2), True),
    ]
    bare = aliasing(ExactModel(net, task="regress"), Samples.of(x))
    assert [f.consistent for f in bare] == [False, False]


def test_global_means_are_no_sampling() -> None:
    assert looked(nn.ReLU(), torch.rand(2, 1, 8, 8)) == ()
    assert looked(nn.AvgPool2d(8), torch.rand(2, 1, 8, 8)) == ()
