"""Borders of a changed network: each comes to wrap around, or is named."""

import copy
import threading

import pytest
import torch
from tests.surgery.nets import settled
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import ModelError
from neocog.layers.blocks import CircularConv2d
from neocog.surgery.replace import replace


def test_a_border_narrower_than_its_window_is_told() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 5), nn.AdaptiveAvgPool2d(1))
    done = replace(net, torch.zeros(2, 1, 8, 8), downsampling="polyphase", padding="circular")
    assert "`0` has less padding than its window needs" in done.remarks[0]


class Padded(nn.Module):
    """Borders written in every way."""

    def __init__(self) -> None:
        super().__init__()
        self.pad = nn.ReflectionPad2d(1)
        self.a = nn.Conv2d(1, 2, 3)
        self.b = nn.Conv2d(2, 4, 3, padding="same")
        self.pool = nn.AvgPool2d(3, 1, 1)
        self.wide = nn.Conv2d(4, 4, 3, padding=12, dilation=12)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.a(self.pad(x)))
        x = self.pool(self.b(F.pad(x, (0, 2, 0, 2))[:, :, :8, :8]))
        x = F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 2, 1)
        x = F.pad(self.wide(x), (0, 0, 0, 0, 1, 1))  # channels
        return self.head(x.mean((2, 3)))


@torch.no_grad()
def test_every_border_comes_to_wrap() -> None:
    net = settled(Padded())
    x = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    done = replace(net, x.repeat(2, 1, 1, 1), downsampling="polyphase", padding="circular").module
    moved = torch.cat([torch.roll(x, (i, j), (2, 3)) for i in range(8) for j in range(8)])
    answers = done(moved)
    torch.testing.assert_close(answers, answers[:1].expand_as(answers), rtol=1e-5, atol=1e-5)
    assert (net(moved) - net(x)).abs().max() > 1e-3


class Elsewhere(nn.Module):
    """Borders that are not of space: of channels, and of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1)
        self.gate = nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        weight = self.gate(x.mean((2, 3)).unsqueeze(1)).transpose(1, 2).unsqueeze(-1)
        tokens = F.pad((x * weight).flatten(2).transpose(1, 2), (0, 0, 1, 0))
        return tokens.sum(1)


@torch.no_grad()
def test_borders_that_are_not_of_space_stay_and_are_named() -> None:
    net, x = settled(Elsewhere()), torch.randn(2, 3, 16, 16)
    done = replace(net, x, downsampling="blur", padding="circular", only=())
    assert [w.name for w in done.skipped] == ["gate", "pad"]
    assert all("it does not pad spatial axes" in w.reason for w in done.skipped)
    wrapped = copy.deepcopy(net)
    wrapped.conv.padding_mode = "circular"
    torch.testing.assert_close(done.module(x), wrapped(x))


class Gated(nn.Module):
    """No graph: a convolution of space called twice, one of channels, a pool and a padding."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.gate = nn.Conv1d(1, 1, 3, padding=1)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.pad = nn.ZeroPad2d(1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.conv(x))
        x = x * self.gate(x.mean((2, 3)).unsqueeze(1)).transpose(1, 2).unsqueeze(-1)
        if x.mean() > 1e9:
            x = -x
        return self.pad(self.pool(x)).mean((2, 3))


@torch.no_grad()
def test_borders_of_what_is_no_graph_wrap_or_are_named() -> None:
    net, x = settled(Gated()), torch.randn(2, 3, 16, 16)
    done = replace(net, x, downsampling="blur", padding="circular", only=())
    assert "only spatial convolutions get circular padding" in done.remarks[1]
    assert done.remarks[1].endswith("unchanged are `gate`, `pool`, `pad`")
    wrapped = copy.deepcopy(net)
    wrapped.conv.padding_mode = "circular"
    torch.testing.assert_close(done.module(x), wrapped(x))


class Branches(nn.Module):
    """Convolutions that can wrap their input themselves, and ones that cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 32, 3, padding=1)
        self.twice = nn.Conv2d(32, 32, 3, padding=1)
        self.named = nn.Conv2d(32, 32, 3, padding="same")
        self.scaled = nn.utils.parametrizations.weight_norm(nn.Conv2d(32, 8, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(F.avg_pool2d(x, 2)))
        return self.scaled(self.named(self.twice(F.relu(self.twice(x))))).mean((2, 3))


@torch.no_grad()
def test_convolutions_that_can_wrap_their_input_do_it_fast() -> None:
    net = settled(Branches())
    x = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    done = replace(net, x, downsampling="blur", padding="circular", only=()).module
    fast = {name for name, m in done.named_modules() if isinstance(m, CircularConv2d)}
    assert fast == {"stem", "twice"}
    assert type(net.stem) is nn.Conv2d  # as it was
    assert done.state_dict().keys() == net.state_dict().keys()
    expected = done(x)
    with torch.enable_grad():  # where each is a padded convolution
        direct = done(x)
    torch.testing.assert_close(expected, direct, rtol=0, atol=1e-5)
    moved = done(x.roll((2, 4), (2, 3)))
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-5)


def test_a_network_that_cannot_be_copied_is_refused() -> None:
    net = settled(Branches())
    net.lock = threading.Lock()
    with pytest.raises(ModelError, match="must be copyable"):
        replace(net, torch.zeros(2, 1, 8, 8), downsampling="blur", padding="circular")
