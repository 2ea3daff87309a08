"""Networks that cases ask for, as factories with weights of their own."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["series"]


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
