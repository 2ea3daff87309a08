"""ResNet-20 for CIFAR-10 as He et al. (2016, section 4.2) describe it, in plain PyTorch.

It stands for a network of somebody who knows nothing of this package: the names of its parts are
those of the published weights (`conv1`, `bn1`, `layer{1,2,3}.{i}.{conv1,bn1,conv2,bn2}`, `linear`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Shortcut(nn.Module):
    """Every second pixel, and zeros for the channels that are new (short cut A)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.each = channels // 4

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.each, self.each))


class Block(nn.Module):
    """Two convolutions and a short cut around them."""

    def __init__(self, come: int, go: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(come, go, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(go)
        self.conv2 = nn.Conv2d(go, go, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(go)
        self.shortcut: nn.Module = nn.Identity() if come == go else Shortcut(go)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet20(nn.Module):
    """Three stages of three blocks, the mean over pixels, a linear layer."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(Block(16, 16, 1) for _ in range(3)))
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 32, 1))
        self.layer3 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1), Block(64, 64, 1))
        self.linear = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(torch.mean(x, dim=(2, 3)))


def make() -> nn.Module:
    """The network with ten classes."""
    return ResNet20()
