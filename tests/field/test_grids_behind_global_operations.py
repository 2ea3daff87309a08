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
from tests.graph.places import N, Of, symmetric, turn_error, ways
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.graph.alignment import CIRCULAR_SHIFT, QUARTER_TURN, alignment


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
