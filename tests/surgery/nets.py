"""Networks as strangers write them: none knows of this package."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class StrangerBlock(nn.Module):
    """Short cut A by slicing, functional relu."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.quarter = outputs // 4
        self.same = inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if not self.same:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.quarter, self.quarter), "constant", 0)
        return F.relu(y + x)


class StrangerResNet(nn.Module):
    """The form of a published ResNet-20 for CIFAR-10."""

    def __init__(self, blocks: int = 3, width: int = 16, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for i in range(3):
            layers = []
            for j in range(blocks):
                stride = 2 if i and not j else 1
                layers.append(StrangerBlock(inputs, width * 2**i, stride))
                inputs = width * 2**i
            setattr(self, f"layer{i + 1}", nn.Sequential(*layers))
        self.linear = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.layer3(self.layer2(self.layer1(y)))
        y = F.avg_pool2d(y, y.size()[3])
        return self.linear(y.view(y.size(0), -1))


class HubBlock(nn.Module):
    """A bottleneck or basic block with short cut B, as in the usual hub."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class HubResNet(nn.Module):
    """Stem of 7×7 at stride 2 and an overlapping max pool, then blocks."""

    def __init__(self, width: int = 8, classes: int = 5) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(HubBlock(width, width, 1))
        self.layer2 = nn.Sequential(
            HubBlock(width, 2 * width, 2), HubBlock(2 * width, 2 * width, 1)
        )
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(2 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer2(self.layer1(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class Inception(nn.Module):
    """Branches that sample in three ways and are concatenated, functional pools."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 2, 1)
        self.one = nn.Conv2d(8, 6, 3, 2, 1)
        self.two = nn.Sequential(
            nn.Conv2d(8, 6, 1), nn.ReLU(), nn.Conv2d(6, 4, 3, stride=2, padding=1)
        )
        self.head = nn.Linear(18, 4)
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, 18).view(1, 18, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.stem(x))
        pooled = F.max_pool2d(x, 2)
        x = torch.cat([self.one(x), self.two(x), pooled], 1) * self.scale
        x = F.avg_pool2d(F.relu(x), kernel_size=3, stride=2, padding=1)
        return self.head(x.mean(dim=[2, 3]))


class Dense(nn.Module):
    """Concatenation after concatenation, an average pool between."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, padding=1)
        self.b = nn.Conv2d(7, 4, 3, padding=1)
        self.pool = nn.AvgPool2d(2)
        self.c = nn.Conv2d(11, 4, 3, padding=1)
        self.last = nn.LPPool2d(2, 2)
        self.head = nn.Linear(15, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([x, F.relu(self.a(x))], 1)
        x = self.pool(torch.cat([x, F.relu(self.b(x))], 1))
        x = self.last(torch.cat([x, F.relu(self.c(x))], 1).abs() + 0.1)
        return self.head(x.amax((2, 3)))


class Series(nn.Module):
    """One axis of space: strided convolution, pool, slicing."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv1d(2, 8, 5, stride=3, padding=2)
        self.norm = nn.BatchNorm1d(8)
        self.pool = nn.MaxPool1d(2)
        self.b = nn.Conv1d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.norm(self.a(x))))
        x = (x + F.gelu(self.b(x)))[..., ::2]
        return self.head(x.mean(-1))


class Focus(nn.Module):
    """Space into channels by four slices that begin at different samples."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(12, 8, 3, padding=1)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        parts = [x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]
        return self.head(F.relu(self.conv(torch.cat(parts, 1))).mean((2, 3)))


class Unequal(nn.Module):
    """Two branches that were sampled a different number of times."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, 2, 1)
        self.once = nn.Conv2d(4, 4, 5, 4, 2)
        self.twice = nn.Sequential(nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1))
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.head((self.once(x) + self.twice(x)).mean((2, 3)))


class Wayward(nn.Module):
    """What it does depends on values."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.conv(x))
        if x.mean() > 0:
            x = -x
        return self.head(x.mean((2, 3)))


def settled(module: nn.Module, seed: int = 0) -> nn.Module:
    """With weights and running averages that are drawn, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for p in module.parameters():
        scale = (p[0].numel() if p.ndim > 1 else 4) ** -0.5
        p.data = torch.randn(p.shape, generator=generator) * scale * 1.5
    for name, b in module.named_buffers():
        if name.endswith("running_mean"):
            b.copy_(torch.randn(b.shape, generator=generator) * 0.1)
        elif name.endswith("running_var"):
            b.copy_(torch.rand(b.shape, generator=generator) + 0.5)
    return module.eval()
