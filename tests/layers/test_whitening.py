import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.layers.whitening import whiten, whitening_filters


def smooth(n: int = 100, channels: int = 3) -> Tensor:
    """Images whose neighboring pixels and channels are alike, as those of photographs."""
    noise = torch.randn(n, channels, 16, 16, generator=torch.Generator().manual_seed(0))
    x = noise.cumsum(2).cumsum(3)
    x = x + x.mean(1, keepdim=True)
    return (x - x.mean()) / x.std()


@pytest.mark.parametrize("side", [1, 2, 3])
def test_patches_become_uncorrelated_and_of_variance_one_at_most(side: int) -> None:
    x = smooth().double()
    y = F.conv2d(x, whitening_filters(x, side)).transpose(0, 1).flatten(1)
    assert torch.allclose(torch.corrcoef(y), torch.eye(len(y), dtype=y.dtype), atol=1e-6)
    variance = y.var(1)
    assert len(y) == 3 * side * side
    assert 0.99 < variance[0] < 1.01
    assert (variance < 1.01).all()  # below 1 where that of the patches is hardly above the noise


@pytest.mark.parametrize(("filters", "side"), [(64, 3), (54, 3), (53, 2), (24, 2), (23, 1), (6, 1)])
def test_patches_are_as_large_as_there_are_filters_for(filters: int, side: int) -> None:
    conv = nn.Conv2d(3, filters, 3, bias=False)
    before, n = conv.weight.detach().clone(), 3 * side * side
    assert whiten(conv, smooth())
    assert torch.equal(conv.weight[n : 2 * n], -conv.weight[:n])
    assert torch.equal(conv.weight[2 * n :], before[2 * n :])
    assert int((conv.weight[0] != 0).sum()) == n


def test_too_few_filters_and_groups_stay_as_they_are() -> None:
    for conv in (nn.Conv2d(3, 5, 3), nn.Conv2d(3, 63, 3, groups=3)):
        before = conv.weight.detach().clone()
        assert not whiten(conv, smooth())
        assert torch.equal(conv.weight, before)
