"""Windows that slide behind gates and means."""

import pytest
import torch
from tests.field.everywhere import (
    C,
    circular,
    classifier,
)
from tests.graph.places import symmetric, turn_error
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.graph.alignment import QUARTER_TURN, alignment


class Inverted(nn.Module):
    """Of a mobile network: wide, depthwise, a gate, narrow."""

    def __init__(self, channels: int, stride: int, kernel: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.expand = nn.Sequential(nn.Conv2d(channels, wide, 1), nn.BatchNorm2d(wide))
        self.depthwise = nn.Sequential(
            nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide), nn.BatchNorm2d(wide)
        )
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(wide, 4, 1),
            nn.SiLU(),
            nn.Conv2d(4, wide, 1),
            nn.Hardsigmoid(),
        )
        self.project = nn.Conv2d(wide, channels, 1)
        self.skip = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y = F.hardswish(self.depthwise(F.silu(self.expand(x))))
        y = self.project(y * self.gate(y))
        return x + y if self.skip else y


def mobile(kernels: tuple[int, ...] = (3, 5, 3), norm: bool = False) -> nn.Module:
    """Five strides of two, gates in between, a mean: a thin network of that kind."""
    torch.manual_seed(0)
    blocks = [Inverted(C, 1 + i % 2, k) for k in kernels for i in (1, 0)]
    return symmetric(
        classifier(
            circular(2),
            nn.GroupNorm(2, C) if norm else nn.Identity(),
            *blocks,
            nn.Conv2d(C, C, 3, 2, 1),
        )
    )


@pytest.mark.slow
def test_mobile_networks_get_the_sizes_at_which_turns_are_exact() -> None:
    net = mobile()
    found = alignment(net, (2, 96, 96))
    assert found.total_stride == 32
    assert found.nearest[QUARTER_TURN] == ((65, 65), (97, 97))
    assert turn_error(net, 96) > 1e-10
    for n in (65, 97):
        assert alignment(net, (2, n, n)).aligned(QUARTER_TURN)
        assert turn_error(net, n) < 1e-14  # rounding of float64 of outputs around 0.1
    for n in (66, 80, 81, 95, 96):  # and at none between
        assert not alignment(net, (2, n, n)).aligned(QUARTER_TURN)
        assert turn_error(net, n) > 1e-11


@pytest.mark.slow
def test_a_size_at_which_no_map_is_left_is_never_named() -> None:
    net = mobile()
    found = alignment(net, (2, 40, 40))  # 33 keeps maps of 2; 1 would be aligned and none
    assert found.nearest[QUARTER_TURN] == ((33, 33), (65, 65))
    found = alignment(net, (2, 33, 33))
    assert found.aligned(QUARTER_TURN)
    found = alignment(nn.Sequential(nn.Conv2d(1, 1, 3, 4, 1), nn.AdaptiveAvgPool2d(1)), (1, 6, 6))
    assert found.nearest[QUARTER_TURN] == ((5, 5), (9, 9))
    deep = nn.Sequential(*(nn.Conv2d(1, 1, 3, 2, 1) for _ in range(4)))
    found = alignment(deep, (1, 20, 20))
    assert found.nearest[QUARTER_TURN] == ((17, 17), (33, 33))
    found = alignment(deep, (1, 24, 24))
    assert all("1×1" not in s for s in found.sentences())
