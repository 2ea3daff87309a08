"""What cannot be replaced is left as it is, and named with the reason; so is what stays to do."""

import pytest
import torch
from tests.surgery.nets import Unequal, settled
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.surgery.replace import replace


def test_branches_of_unequal_depth_are_left_and_named() -> None:
    done = replace(settled(Unequal()), torch.randn(2, 3, 16, 16), downsampling="polyphase")
    assert [r.name for r in done.replaced] == ["first"]
    assert [w.name for w in done.skipped] == ["once", "twice.0", "twice.1"]
    assert "at `add` it joins a branch with other downsampling" in done.skipped[0].reason


class Map(nn.Module):
    """A segmenter."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Up(nn.Module):
    """Down, up, and beside what was there before."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.down = nn.Conv2d(4, 4, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = F.interpolate(self.down(x), scale_factor=2)
        return (x + y).mean((2, 3))


class Tricks(nn.Module):
    """One downsampler that cannot be replaced."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.shuffle = nn.PixelUnshuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        if self.way == "adaptive":
            x = self.pool(x)
        elif self.way == "shuffle":
            x = self.shuffle(x)
        elif self.way == "blocks":
            x = x.reshape(b, c, h // 2, 2, w // 2, 2).amax((3, 5))
        elif self.way == "interpolate":
            x = F.interpolate(x, size=(8, 8), mode="bilinear")
        elif self.way == "rows last":
            x = x.permute(0, 2, 3, 1)[:, ::2, ::2].permute(0, 3, 1, 2)
        elif self.way == "indices":
            x = F.max_pool2d(x, 2, return_indices=True)[0]
        elif self.way.startswith("windows"):
            step = int(self.way[-1])
            x = x.unfold(2, 3, step).unfold(3, 3, step).mean((-2, -1))
        return x.mean((2, 3))


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("adaptive", "only pooling to 1 is the same for all shifts"),
        ("shuffle", "pixels moved into channels"),
        ("blocks", "patches cut by reshaping"),
        ("interpolate", "between grid points"),
        ("rows last", "(B, C, spatial axes)"),
        ("indices", "an unknown operator"),
        ("windows by 2", "windows moved into a new axis"),
    ],
)
def test_what_cannot_be_replaced_is_named(way: str, reason: str) -> None:
    done = replace(Tricks(way), torch.randn(2, 3, 16, 16), downsampling="polyphase")
    assert not done.replaced
    assert reason in done.skipped[0].reason


def test_a_map_keeps_its_places() -> None:
    x = torch.randn(2, 3, 16, 16)
    done = replace(Map(), x, downsampling="polyphase")
    assert (
        done.skipped[0].reason == "the output is a map, and its elements must keep their positions"
    )
    assert replace(Map(), x, downsampling="blur").replaced


def test_up_sampling_bars_only_what_it_meets() -> None:
    done = replace(Up(), torch.randn(2, 3, 16, 16), downsampling="polyphase")
    assert [r.name for r in done.replaced] == ["stem"]
    assert [w.name for w in done.skipped] == ["down"]


def test_a_head_that_sees_places_is_told() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3, 2, 1), nn.Flatten(), nn.Linear(32, 2))
    done = replace(net, torch.zeros(2, 1, 8, 8), downsampling="polyphase", padding="circular")
    assert "flattens a 4×4 feature map" in done.remarks[0]


class _Summed(nn.Module):
    """A strided convolution, and a pool of one window over the whole map."""

    def __init__(self, pool: nn.Module | None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1, padding_mode="circular")
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return (F.avg_pool2d(x, 8) if self.pool is None else self.pool(x)).flatten(1)


@pytest.mark.parametrize("downsampling", ["blur", "polyphase"])
@pytest.mark.parametrize("pool", [None, nn.AvgPool2d(8), nn.MaxPool2d((8, 8)), nn.LPPool2d(2, 8)])
def test_a_pool_over_the_whole_map_drops_nothing(pool: nn.Module | None, downsampling: str) -> None:
    net, x = settled(_Summed(pool)), torch.randn(2, 3, 16, 16)
    done = replace(net, x, downsampling=downsampling, padding="keep")
    assert [r.name for r in done.replaced] == ["conv"]
    assert not done.skipped
    larger = replace(net, torch.randn(2, 3, 32, 32), downsampling=downsampling, padding="keep")
    assert len(larger.replaced) == 2  # there it leaves three of four windows out


def test_a_pool_over_the_whole_map_stays_where_there_is_no_graph() -> None:
    class Looks(_Summed):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x if float(x.sum()) < 1e9 else -x)

    net, x = settled(Looks(nn.AvgPool2d(8))), torch.randn(2, 3, 16, 16)
    assert [r.name for r in replace(net, x, downsampling="blur").replaced] == ["conv"]
