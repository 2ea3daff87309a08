"""Graphs of every kind, for tests of what a network sees."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.networks.catalog import build


class UNet(nn.Module):
    """Down, up again by a given kind, and a short cut beside."""

    def __init__(self, up: str) -> None:
        super().__init__()
        self.a = nn.Conv2d(1, 2, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.b = nn.Conv2d(2, 4, 3, padding=1)
        self.up = (
            nn.ConvTranspose2d(4, 2, 4, stride=2, padding=1)
            if up == "transposed"
            else nn.Sequential(nn.Upsample(scale_factor=2, mode=up), nn.Conv2d(4, 2, 1))
        )
        self.d = nn.Conv2d(4, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.a(x).relu()
        return self.d(torch.cat([a, self.up(self.b(self.pool(a)))], 1))


class Odd(nn.Module):
    """Rectangular, dilated, circular, sliced, written in place, shuffled, turned."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(1, 4, (1, 5), padding=(0, 2))
        self.b = nn.Conv2d(1, 4, (7, 1), padding=(3, 0))
        self.c = nn.Conv2d(
            4, 4, 3, stride=(2, 1), dilation=(1, 2), padding=(1, 2), padding_mode="circular"
        )
        self.e = nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1)
        self.shuffle = nn.PixelShuffle(2)
        self.back = nn.PixelUnshuffle(2)
        self.bn = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn(self.a(x)) + self.b(x)
        y = self.e(F.relu(self.c(y), inplace=True))[:, :, ::2, 1::3]
        z = y.clone()
        z[:, :, 1:, :] = 0
        y = F.max_pool2d(y.add_(z), 3, 2, 1)
        return self.back(self.shuffle(y)).transpose(2, 3).flip(2)


class Vit(nn.Module):
    """Patches, a class token, attention."""

    def __init__(
        self, *, size: int = 16, patch: int = 4, width: int = 8, heads: int = 2, depth: int = 1
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(torch.zeros(1, (size // patch) ** 2 + 1, width))
        self.blocks = nn.Sequential(*(VitBlock(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.places
        return self.head(self.norm(self.blocks(x))[:, 0])


class VitBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class Gate(nn.Module):
    """Squeeze and excitation, then a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(1, 4, 3)
        self.g = nn.Conv2d(4, 4, 1)
        self.b = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        return self.b(y * self.g(y.mean((2, 3), keepdim=True)))


class Windows(nn.Module):
    """Attention within windows of 4×4, by views."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(1, 4, 2, 2)
        self.b = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        b, c, h, w = x.shape
        y = x.view(b, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, c)
        y = F.scaled_dot_product_attention(y, y, y)
        y = y.view(b, h // 4, w // 4, 4, 4, c).permute(0, 5, 1, 3, 2, 4).reshape(b, c, h, w)
        return self.b(y)


class Chunks(nn.Module):
    """Channels that go different ways: split, selected, stacked, folded in again."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(1, 4, 3, padding=1)
        self.b = nn.Conv2d(2, 2, 5, padding=2)
        self.c = nn.Conv2d(4, 4, 3, groups=2)
        self.d = nn.Conv2d(1, 2, 1, stride=1)

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.a(x).chunk(2, 1)
        y = torch.cat([left, self.b(right)], 1)
        y = self.c(F.channel_shuffle(y, 2) if y.shape[2] > 99 else y)
        one = torch.stack([y[:, 0], y.select(1, 3)], 1)
        one[:, :1] += self.d(x)[:, :1, 1:-1, 1:-1]
        return one.roll(1, 1)


GRAPHS = {
    "transposed": (lambda: UNet("transposed"), (1, 32, 32)),
    "nearest": (lambda: UNet("nearest"), (1, 32, 24)),
    "bilinear": (lambda: UNet("bilinear"), (1, 32, 32)),
    "bicubic": (lambda: UNet("bicubic"), (1, 32, 32)),
    "odd": (Odd, (1, 40, 40)),
    "attention": (Vit, (3, 16, 16)),
    "gate": (Gate, (1, 20, 16)),
    "windows": (Windows, (1, 32, 32)),
    "chunks": (Chunks, (1, 24, 20)),
    "resnet18": (
        lambda: build(
            "resnet18", num_classes=3, in_channels=1, size=(64, 64), options={"stem": "published"}
        ),
        (1, 64, 64),
    ),
    "resnet20": (
        lambda: build("resnet20", num_classes=3, in_channels=1, size=(24, 24)),
        (1, 24, 24),
    ),
    "lenet5": (lambda: build("lenet5", num_classes=10, in_channels=1, size=(32, 32)), (1, 32, 32)),
    "series": (
        lambda: nn.Sequential(
            nn.Conv1d(1, 2, 5, dilation=3, padding=6),
            nn.MaxPool1d(3, 2, ceil_mode=True),
            nn.AvgPool1d(2),
            nn.GroupNorm(1, 2),
        ),
        (1, 40),
    ),
    "groups": (
        lambda: nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.GroupNorm(2, 8), nn.ReLU()),
        (4, 12, 12),
    ),
    "instance norm": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 2, 3),
            nn.AdaptiveAvgPool2d((3, 2)),
            nn.InstanceNorm2d(2),
            nn.Flatten(),
            nn.Linear(12, 2),
        ),
        (1, 20, 20),
    ),
    "adaptive": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"),
            nn.AdaptiveMaxPool2d(5),
            nn.Upsample(size=(7, 9), mode="bilinear", align_corners=True),
            nn.Unfold(3),
        ),
        (1, 20, 20),
    ),
    "rare": (
        lambda: nn.Sequential(
            nn.LocalResponseNorm(3),
            nn.LPPool2d(2, 3, stride=2),
            nn.Softmax2d(),
            nn.Upsample(scale_factor=1.5),
            nn.ZeroPad2d((1, 2, 0, -1)),
            nn.GLU(1),
            nn.MaxPool2d(2, dilation=2),
        ),
        (4, 20, 20),
    ),
}
