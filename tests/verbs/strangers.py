"""Networks of strangers, as factories."""

from tests.surgery.nets import HubResNet, Wayward, settled
from torch import nn


def make() -> nn.Module:
    """One linear layer: no samples are dropped."""
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 3))


def hub() -> nn.Module:
    """A thin residual network."""
    return settled(HubResNet(4, classes=3))


def wayward() -> nn.Module:
    """One that looks at values."""
    return settled(Wayward())
