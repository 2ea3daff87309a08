import pytest
import torch
from torch import nn

from neocog.errors import UsageError
from neocog.networks.convnet import convnet


def block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]


def test_is_ten_plain_lines() -> None:
    net = convnet(
        num_classes=10, in_channels=1, size=(28, 28), widths=(8, 12, 16), depths=(2, 2, 1)
    )
    plain = nn.Sequential(
        *block(1, 8, 5, 2),
        *block(8, 8),
        nn.MaxPool2d(2),
        *block(8, 12),
        *block(12, 12),
        nn.MaxPool2d(2),
        *block(12, 16),
    )
    state = [v for k, v in net.state_dict().items() if not k.startswith("head.")]
    plain.load_state_dict(dict(zip(plain.state_dict(), state, strict=True)))
    x = torch.randn(4, 1, 28, 28)
    assert torch.equal(net(x), net.head(plain(x).mean((2, 3))))


def test_full_stem_keeps_the_size() -> None:
    net = convnet(num_classes=10, in_channels=1, size=(28, 28), stem="full", depths=(1, 1, 1))
    assert [s.stride for s in net.stages] == [1, 2, 4]
    assert len(net.stage1) == 0


def test_pools_that_would_leave_too_little_are_left_out() -> None:
    net = convnet(
        num_classes=10, in_channels=1, size=(24, 24), widths=(4, 4, 4, 4, 4), depths=(1, 1, 1, 1, 1)
    )
    # 12 → 6 → 3, and no further
    assert [s.stride for s in net.stages] == [2, 4, 8, 8, 8]


@pytest.mark.parametrize(
    ("widths", "depths"),
    [((8,), (1, 1)), ((), ()), ((8, 0), (1, 1)), ((8, 8), (1, 0)), ((8,), (0,))],
)
def test_other_widths_and_depths_are_refused(widths: tuple, depths: tuple) -> None:
    with pytest.raises(UsageError, match="has a width and a depth per stage"):
        convnet(num_classes=10, in_channels=1, size=(28, 28), widths=widths, depths=depths)


def test_default_is_small_and_fast() -> None:
    net = convnet(num_classes=10, in_channels=1, size=(28, 28))
    kernels = 25 * 48 + 9 * (48 * 48 + 48 * 96 + 96 * 96 + 96 * 192 + 192 * 192)
    norms = 2 * (48 + 48 + 96 + 96 + 192 + 192)
    assert sum(p.numel() for p in net.parameters()) == kernels + norms + 192 * 10 + 10


def test_a_whitened_stem_has_no_symmetry() -> None:
    with pytest.raises(UsageError, match="Leave one of them out"):
        convnet(num_classes=2, in_channels=3, size=(32, 32), whitened=True, symmetry="C4")
