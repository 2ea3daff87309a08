"""A group norm, a gate, attention or a spectrum before a stride: the stride still counts.

Behind what sees the whole map every field is the whole image. Downsampling grids, borders and sizes
have to be told all the same; they are compared with brute force over shifts and turns, in float64.
"""

import random
from itertools import pairwise

import pytest
import torch
from tests.field.everywhere import (
    EVERYWHERE,
    WITH_GRID,
    C,
    Spectrum,
    circular,
    classifier,
    exact_shifts,
)
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.graph.alignment import CIRCULAR_SHIFT, QUARTER_TURN, Alignment, alignment
from neocog.graph.receptive_field import receptive_field

N = 24


def ways(found: Alignment, rule: str) -> set[str]:
    return {r.reason for r in found.rows if r.rule == rule}


@pytest.mark.parametrize("name", EVERYWHERE)
def test_strides_behind_it_count_and_no_border_is_made_up(name: str) -> None:
    torch.manual_seed(0)
    net = classifier(circular(2), EVERYWHERE[name](), nn.Softsign(), circular(3), nn.Softsign())
    found = alignment(net, (2, N, N))
    assert (found.status, found.unknown) == ("complete", ())
    assert found.total_stride == 6
    assert exact_shifts(net, N, 0) == exact_shifts(net, N, 1) == [6, 12, 18]
    assert found.aligned(CIRCULAR_SHIFT)  # every padding wraps around
    assert receptive_field(net, (2, N, N)).of("5").step == (6, 6)
    odd = alignment(net, (2, 25, 25))
    assert not odd.aligned(CIRCULAR_SHIFT)
    assert odd.nearest[CIRCULAR_SHIFT] == ((24, 24), (30, 30))


@pytest.mark.parametrize("name", WITH_GRID)
def test_grids_of_their_own_count(name: str) -> None:
    torch.manual_seed(0)
    make, step = WITH_GRID[name]
    net = classifier(circular(2), make(), nn.Softsign())
    found = alignment(net, (2, N, N))
    assert (found.total_stride, found.unknown) == (2 * step, ())
    assert exact_shifts(net, N, 1) == list(range(2 * step, N, 2 * step))
    assert found.aligned(CIRCULAR_SHIFT)


class Of(nn.Module):
    """A function as a module."""

    def __init__(self, f: object, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        object.__setattr__(self, "f", f)  # no part of it, should it be a module

    def forward(self, x: Tensor) -> Tensor:
        return self.f(x, *self.parts)


def coordinates(x: Tensor, conv: nn.Module) -> Tensor:
    along = torch.linspace(0, 1, x.shape[3], dtype=x.dtype).expand(len(x), 1, *x.shape[2:])
    return conv(torch.cat([x, along], 1))


def tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


OF_PLACES = {
    "coordinates": (
        lambda: Of(coordinates, nn.Conv2d(C + 1, C, 1)),
        "for every position",
    ),
    "a mask": (lambda: Of(lambda x: x * (torch.arange(12) < 5)), "for every position"),
    "weights of a norm": (lambda: Weighed(), "for every position"),
    "token mixing": (
        lambda: Of(lambda x, m: x + m(x.flatten(2)).view_as(x), nn.Linear(144, 144)),
        "weights for every position",
    ),
    "a running sum": (lambda: Of(lambda x: x.cumsum(3)), "sum from one side"),
    "mirrored": (lambda: Of(lambda x: x + x.flip(3)), "shift differently"),
    "on its side": (lambda: Of(lambda x: x + x.transpose(2, 3)), "shift differently"),
    "a row": (lambda: Of(lambda x: x + x[:, :, :, 3, None]), "are selected"),
    "zeros by hand": (
        lambda: Of(
            lambda x, m: m(torch.cat([x.new_zeros(1, C, 12, 1), x, x.new_zeros(1, C, 12, 1)], 3)),
            nn.Conv2d(C, C, (1, 3)),
        ),
        "padding is constant",
    ),
    "zeros": (lambda: nn.Conv2d(C, C, 3, padding=1), "padding is zero"),
    "a mask of scores": (lambda: Of(masked), "for every position"),
}


class Weighed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm([C, 12, 12])
        nn.init.normal_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x)


def masked(x: Tensor) -> Tensor:
    t = tokens(x)[:, None]
    mask = torch.arange(144)[:, None] >= torch.arange(144)
    y = F.scaled_dot_product_attention(t, t, t, attn_mask=mask)
    return x + y[:, 0].transpose(1, 2).reshape(x.shape)


@pytest.mark.parametrize("name", OF_PLACES)
def test_what_tells_positions_apart_is_found_behind_a_group_norm(name: str) -> None:
    torch.manual_seed(0)
    make, words = OF_PLACES[name]
    net = classifier(circular(2), nn.GroupNorm(1, C), make(), nn.Softsign())
    found = alignment(net, (2, N, N))
    assert any(words in came for came in ways(found, CIRCULAR_SHIFT)), found.rows
    assert exact_shifts(net, N, 1) in ([], [12])  # a mirror may come back after half of the size


def test_a_border_made_round_by_hand_is_none() -> None:
    torch.manual_seed(0)

    def round_by_hand(x: Tensor, conv: nn.Module) -> Tensor:
        x = torch.cat([x[:, :, -1:], x, x[:, :, :1]], 2)
        return conv(x[..., torch.arange(-1, x.shape[3] + 1) % x.shape[3]])

    net = classifier(circular(2), Of(round_by_hand, nn.Conv2d(C, C, 3)), nn.Softsign())
    found = alignment(net, (2, N, N))
    assert found.aligned(CIRCULAR_SHIFT)
    assert exact_shifts(net, N, 0) == exact_shifts(net, N, 1) == list(range(2, N, 2))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_border_written_by_slices_is_told_by_what_stands_there() -> None:
    torch.manual_seed(0)

    def zeros(x: Tensor, conv: nn.Module) -> Tensor:
        y = x.new_zeros(1, C, 14, 14)
        y[:, :, 1:-1, 1:-1] = x
        return conv(y)

    net = classifier(circular(2), nn.GroupNorm(1, C), Of(zeros, nn.Conv2d(C, C, 3)), nn.Softsign())
    found = alignment(net, (2, N, N))
    assert ways(found, CIRCULAR_SHIFT) == {"padding is constant"}
    assert exact_shifts(net, N, 0) == []
    wraps = classifier(circular(2), nn.GroupNorm(1, C), circular(2)).float()
    program = torch.export.export(wraps, (torch.zeros(1, 2, N, N),)).run_decompositions()
    found = alignment(Of(program.module()), (2, N, N))  # its borders are slices of buffers
    assert (found.status, found.total_stride) == ("complete", 4)
    assert found.aligned(CIRCULAR_SHIFT)


# Turns


def symmetric(net: nn.Module) -> nn.Module:
    """Kernels that look alike from all sides."""
    with torch.no_grad():
        for m in net.modules():
            if isinstance(m, nn.Conv2d):
                p = m.weight
                p.copy_(sum(p.rot90(k, (2, 3)) for k in range(4)) / 4)
                p.copy_((p + p.flip(3)) / 2)
    return net


def turn_error(net: nn.Module, n: int) -> float:
    x = torch.rand(1, 2, n, n, dtype=torch.float64)
    with torch.no_grad():
        still, turned, mirrored = net(x), net(x.rot90(1, (2, 3))), net(x.flip(3))
    return float(max((still - turned).abs().max(), (still - mirrored).abs().max()))


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


def test_rows_and_columns_that_are_not_treated_alike_are_told() -> None:
    strip = Of(lambda x: x * x.mean(3, keepdim=True).sigmoid())
    both = Of(lambda x: x * (x.mean(3, keepdim=True) + x.mean(2, keepdim=True)).sigmoid())
    twice = Of(lambda x: x * x.mean(3).mean(2)[..., None, None].sigmoid())
    for make, alike in ((strip, False), (both, True), (twice, True)):
        torch.manual_seed(0)
        net = symmetric(classifier(circular(1), make, nn.Softsign()))
        found = alignment(net, (2, N, N))
        assert found.aligned(QUARTER_TURN) == alike
        assert (turn_error(net, N) < 1e-12) == alike


# Random networks


def drawn(seed: int) -> tuple[nn.Module, bool]:
    """A network of a few strides with something global between any two, and whether it wraps."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    wraps = draw.random() < 0.7
    middle: list[nn.Module] = []
    for _ in range(draw.randint(1, 3)):
        if draw.random() < 0.6:
            middle.append(EVERYWHERE[draw.choice(list(EVERYWHERE))]())
        stride, kernel = draw.choice([(1, 3), (2, 3), (2, 1), (3, 3), (2, 5)])
        middle += [circular(stride, kernel), nn.Softsign()]
    if not wraps:
        middle.append(nn.Conv2d(C, C, 3, padding=1, padding_mode=draw.choice(["zeros", "reflect"])))
    return classifier(*middle), wraps


@pytest.mark.parametrize("seed", range(12))
def test_claims_of_random_networks_agree_with_brute_force(seed: int) -> None:
    net, wraps = drawn(seed)
    n = 24 if seed % 3 else 36
    found = alignment(net, (2, n, n))
    assert found.status == "complete", found.unknown
    exact = exact_shifts(net, n, seed % 2)
    if found.aligned(CIRCULAR_SHIFT):
        assert exact == list(range(found.total_stride, n, found.total_stride))
    else:
        assert exact == []
    by_size = all(r.by_size for r in found.rows if r.rule == CIRCULAR_SHIFT)
    assert wraps == by_size
    net = symmetric(net)
    if any(isinstance(m, Spectrum) for m in net.modules()):
        return  # weights of frequencies are from no side alike
    lower, upper = found.nearest.get(QUARTER_TURN, (None, None))
    if not any("rows and columns" in c or "not symmetric" in c for c in ways(found, QUARTER_TURN)):
        assert found.aligned(QUARTER_TURN) == (turn_error(net, n) < 1e-11)
    for size in (lower, upper):
        if size is not None:
            assert turn_error(net, size[0]) < 1e-11  # sums of hundreds in float64


def test_the_lists_hold_no_pair_twice() -> None:
    assert all(a != b for a, b in pairwise(sorted([*EVERYWHERE, *WITH_GRID, *OF_PLACES])))
