"""A vision transformer with learned positions, and its neighbors, handed to a fix."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.surgery.replace import replace


class Tokens(nn.Module):
    """Patches, a class token, one attention layer, a linear head."""

    def __init__(self, positions: str, *, stem: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 3, 3, stride=2, padding=1) if stem else nn.Identity()
        self.patches = nn.Conv2d(3, 16, 4, stride=4)
        side = 4 if stem else 8
        self.cls = nn.Parameter(torch.randn(1, 1, 16))
        self.kind = positions
        if positions == "tokens":
            self.pos_embed = nn.Parameter(torch.randn(1, side * side + 1, 16))
        elif positions == "map":
            self.pos_embed = nn.Parameter(torch.randn(1, 16, side, side))
        elif positions == "sines":
            self.register_buffer("pos_embed", torch.randn(side * side + 1, 16))
        elif positions == "index":
            self.pos_embed = nn.Embedding(side * side + 1, 16)
            self.register_buffer("ids", torch.arange(side * side + 1)[None])
        elif positions == "norm":
            self.pos_embed = nn.LayerNorm((16, side, side))
        self.scale = nn.Parameter(torch.rand(16))  # of channels: no positions
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(self.stem(x))
        if self.kind == "map":
            x = x + self.pos_embed
        elif self.kind == "norm":
            x = self.pos_embed(x)
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1)
        if self.kind in ("tokens", "sines"):
            x = x + self.pos_embed
        elif self.kind == "index":
            x = x + self.pos_embed(self.ids)
        x = x + self.scale * self.attention(x, x, x, need_weights=False)[0]
        return self.head(x[:, 0])


@pytest.mark.parametrize("downsampling", ["polyphase", "blur"])
@pytest.mark.parametrize("positions", ["tokens", "map", "sines", "index", "norm"])
def test_nothing_is_replaced_ahead_of_positions(positions: str, downsampling: str) -> None:
    net = Tokens(positions, stem=True).eval()
    done = replace(net, torch.rand(2, 3, 32, 32), downsampling=downsampling, padding="circular")
    assert not done.replaced
    assert [left.name for left in done.skipped] == ["stem", "patches"]
    for left in done.skipped:
        assert "`pos_embed" in left.reason
        assert "depend on position whatever the downsampling" in left.reason


@torch.no_grad()
def test_tokens_without_positions_move_along_at_no_cost() -> None:
    net = Tokens("none").eval().double()
    x = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    done = replace(net, x, downsampling="polyphase", padding="circular")
    assert [r.name for r in done.replaced] == ["patches"]
    assert done.module.patches.stride == (4, 4)
    moved = x.roll((3, 5), (2, 3))
    assert (net(moved) - net(x)).abs().max() > 1e-4
    assert (done.module(moved) - done.module(x)).abs().max() < 1e-12  # sums in another order


def test_a_scale_of_channels_is_no_table_of_positions() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.gamma = nn.Conv2d(3, 4, 3, 2, 1), nn.Parameter(torch.rand(1, 4, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            return (F.relu(self.conv(x)) * self.gamma).mean((2, 3))

    done = replace(Scaled().eval(), torch.rand(2, 3, 16, 16), downsampling="blur")
    assert [r.name for r in done.replaced] == ["conv"]
