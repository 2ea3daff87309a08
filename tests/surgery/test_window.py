"""Windows that downsample, and those that do not."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.surgery.replace import replace


class Tricks(nn.Module):
    """One downsampler that cannot be replaced."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.shuffle = nn.PixelUnshuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        if self.way == "adaptive":
            x = self.pool(x)
        elif self.way == "shuffle":
            x = self.shuffle(x)
        elif self.way == "blocks":
            x = x.reshape(b, c, h // 2, 2, w // 2, 2).amax((3, 5))
        elif self.way == "interpolate":
            x = F.interpolate(x, size=(8, 8), mode="bilinear")
        elif self.way == "rows last":
            x = x.permute(0, 2, 3, 1)[:, ::2, ::2].permute(0, 3, 1, 2)
        elif self.way == "indices":
            x = F.max_pool2d(x, 2, return_indices=True)[0]
        elif self.way.startswith("windows"):
            step = int(self.way[-1])
            x = x.unfold(2, 3, step).unfold(3, 3, step).mean((-2, -1))
        return x.mean((2, 3))


def test_windows_at_every_position_are_no_downsampler() -> None:
    done = replace(Tricks("windows by 1"), torch.randn(2, 3, 16, 16), downsampling="polyphase")
    assert (tuple(done.replaced), tuple(done.skipped)) == ((), ())
