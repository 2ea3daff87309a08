"""Networks that cases ask for, as factories with weights of their own."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["net_of_task", "series"]


def series() -> nn.Module:
    """Of (B, 1, 64), with a stride and a pool, and two outputs."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return nn.Sequential(
            nn.Conv1d(1, 6, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool1d(2),
            nn.Conv1d(6, 8, 3, stride=2, padding=1),
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
            nn.Linear(8, 2),
        ).eval()


def net_of_task(task: str) -> nn.Module:
    """Of (B, 1, H, W): a map of two classes at half the size, brought back, or one number."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        middle = nn.BatchNorm2d(1)
        middle.running_mean.fill_(0.5)  # so that both classes are predicted
        first = [middle, nn.Conv2d(1, 4, 3, stride=2, padding=1, bias=False), nn.Tanh()]
        if task == "segment":
            last = [nn.Conv2d(4, 2, 3, padding=1, bias=False), nn.Upsample(scale_factor=2)]
        else:
            last = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)]
        return nn.Sequential(*first, *last).eval()
