"""Networks that the explorer opens by name."""

import torch
from tests.strangers.resnet20 import ResNet20
from torch import nn


def make() -> nn.Module:
    """A ResNet-20 that nobody trained."""
    torch.manual_seed(0)
    return ResNet20()


def wave() -> nn.Module:
    """A small network of series."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(1, 4, 5, padding=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


def twelve() -> nn.Module:
    """More outputs than digits have classes."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 26 * 26, 12))
