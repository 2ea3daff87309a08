"""Which samples meet where tensors are stacked, summed up or laid out anew."""

import itertools

import pytest
import torch
from tests.surgery.nets import settled
from torch import Tensor, nn

from neocog.surgery.replace import replace


class Branches(nn.Module):
    """Two branches that meet on the way, and a downsampler behind."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.one = nn.Conv2d(8, 8, 3, 2, 1)
        self.two = nn.Conv2d(8, 8, 1, 2)
        self.halves = nn.Conv2d(8, 16, 3, 2, 1)
        self.last = nn.Conv2d(8, 4, 3, 2, 1)
        self.seen = nn.Conv2d(2, 1, 3, 1, 1)
        self.gate = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        if self.way == "stacked":
            x = torch.stack([self.one(x), self.two(x)]).sum(0)
        elif self.way == "halves":
            y = self.halves(x)
            b, c, h, w = y.shape
            x = y.view(b, 2, c // 2, h, w).sum(1) + self.two(x)
        elif self.way == "gated":
            gate = self.gate(x.flatten(2).mean(-1))[:, :, None, None]
            seen = torch.cat([x.max(1)[0].unsqueeze(1), x.mean(1, keepdim=True)], 1)
            x = self.two(x) * gate + self.one(x) * self.seen(seen)[:, :, ::2, ::2]
        elif self.way == "anew":
            y = self.one(x)
            y = y.flatten(2).transpose(1, 2).transpose(1, 2).unflatten(2, y.shape[2:])
            x = y + self.two(x)
        elif self.way == "rows":
            x = self.one(x).flatten(2).unflatten(2, (2, 8))
        return self.last(x).mean((2, 3))


@torch.no_grad()
@pytest.mark.parametrize("way", ["stacked", "halves", "gated"])
def test_branches_are_followed_to_where_they_meet(way: str) -> None:
    net = settled(Branches(way))
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    done = replace(net, x, downsampling="polyphase", padding="circular")
    assert not done.skipped
    groups = {r.name: r.group for r in done.replaced}
    met = [g for n, g in groups.items() if n not in ("stem", "last")]
    assert len(met) > 1
    assert len(set(met)) == 1
    moved = [torch.roll(x[:1], shift, (2, 3)) for shift in itertools.product(range(8), range(8))]
    answers = done.module(torch.cat(moved))
    # Sums over the map run in another order at each shift.
    torch.testing.assert_close(answers, answers[:1].expand_as(answers), rtol=1e-5, atol=1e-5)


def test_branches_that_are_lost_on_the_way_do_not_choose() -> None:
    done = replace(settled(Branches("anew")), torch.randn(2, 3, 16, 16), downsampling="polyphase")
    assert [r.name for r in done.replaced] == ["stem", "last"]
    assert [w.name for w in done.skipped] == ["one", "two"]
    assert "at `add` it joins a branch whose elements were rearranged" in done.skipped[0].reason


def test_what_drops_samples_of_a_map_laid_out_anew_is_left_and_named() -> None:
    done = replace(settled(Branches("rows")), torch.randn(2, 3, 16, 16), downsampling="polyphase")
    assert [r.name for r in done.replaced] == ["stem", "one"]
    assert [(w.name, w.reason) for w in done.skipped] == [
        ("last", "its input is not laid out as (B, C, spatial axes)")
    ]


class Table(nn.Module):
    """A strided convolution of parameters: no place of the input."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(1, 3, 8, 8))
        self.conv = nn.Conv2d(3, 3, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).mean((2, 3)) + self.conv(self.table).mean((2, 3))


def test_a_module_that_also_drops_samples_of_no_map_stays() -> None:
    net, x = settled(Table()), torch.randn(2, 3, 16, 16)
    done = replace(net, x, downsampling="blur")
    assert not done.replaced
    assert [w.name for w in done.skipped] == ["conv", "conv_conv_1"]
    torch.testing.assert_close(done.module(x), net(x))
