"""Small networks to be explained: with known weights, of strangers, of every kind."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Pooled(nn.Module):
    """Two channels, 2x and -x; the mean over places; two outputs: (m0 + 3 m1 + 5, -2 m1)."""

    def __init__(self, *, relu: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1, bias=False)
        self.act = nn.ReLU(inplace=True) if relu else nn.Identity()
        self.linear = nn.Linear(2, 2)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([2.0, -1.0]).view(2, 1, 1, 1))
            self.linear.weight.copy_(torch.tensor([[1.0, 3.0], [0.0, -2.0]]))
            self.linear.bias.copy_(torch.tensor([5.0, 0.0]))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.act(self.conv(x)).mean((2, 3)))


class Placed(nn.Module):
    """One channel of 2 × 2 places, weighted by place: 1, 0, 0, -1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        self.linear = nn.Linear(4, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.fill_(1.0)
            self.linear.weight.copy_(torch.tensor([[1.0, 0.0, 0.0, -1.0]]))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.conv(x).flatten(1))


class Attention(nn.Module):
    """Every token looks at every token, as a stranger writes it."""

    def __init__(self, width: int, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.soft = nn.Softmax(dim=-1)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, t, c = x.shape
        q, k, v = self.qkv(x).reshape(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        look = self.soft(q @ k.mT / (c // self.heads) ** 0.5)
        return self.proj((look @ v).transpose(1, 2).reshape(b, t, c))


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), Attention(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Vit(nn.Module):
    """Patches, a class token or their mean, two blocks."""

    def __init__(
        self, *, token: bool = True, width: int = 16, patch: int = 4, size: int = 16
    ) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, width, patch, stride=patch)
        self.token = nn.Parameter(torch.randn(1, 1, width)) if token else None
        count = (size // patch) ** 2 + token
        self.pos = nn.Parameter(torch.randn(1, count, width) * 0.1)
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        if self.token is not None:
            x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        x = self.norm(self.blocks(x + self.pos))
        return self.head(x[:, 0] if self.token is not None else x.mean(1))


class Unet(nn.Module):
    """A segmenter with a bottleneck: logits (B, 3, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 8, 3, padding=1)
        self.bottom = nn.Conv2d(8, 16, 3, stride=4, padding=1)
        self.up = nn.Conv2d(24, 8, 3, padding=1)
        self.out = nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = F.relu(self.down(x))
        coarse = F.relu(self.bottom(fine))
        large = F.interpolate(coarse, size=x.shape[2:], mode="bilinear")
        return self.out(F.relu(self.up(torch.cat([fine, large], 1))))


class Series(nn.Module):
    """1-D convolutions, normed."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(2, 8, 5, padding=2),
            nn.BatchNorm1d(8),
            nn.ReLU(inplace=True),
            nn.MaxPool1d(2),
            nn.Conv1d(8, 8, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean(2))


def convnet(*, channels: int = 3, classes: int = 4, padding_mode: str = "zeros") -> nn.Sequential:
    """Convolutions, norms, in-place activations, pools."""
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1, padding_mode=padding_mode),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, padding=1, padding_mode=padding_mode),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, classes),
    )


def drawn(*shape: int, seed: int = 0) -> Tensor:
    """Values in [0, 1]."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def state_of(net: nn.Module) -> list:
    """All that a look must leave as it was."""
    return [
        [
            m.training,
            dict(m._forward_hooks),
            dict(m._forward_pre_hooks),
            dict(m._backward_hooks),
            dict(m._backward_pre_hooks),
            [(n, id(b), b.tolist()) for n, b in m._buffers.items() if b is not None],
            [
                (n, id(p), p.requires_grad, id(p.grad), p._version, p.detach().tolist())
                for n, p in m._parameters.items()
                if p is not None
            ],
        ]
        for m in net.modules()
    ]
