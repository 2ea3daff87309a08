"""Published integers: receptive field, jump, padding (A. Araujo et al., Distill, 2019)."""

import torch
from tests.graph.fields import fields_of, figures
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.graph.receptive_field import receptive_field


class AlexNetV2(nn.Sequential):
    """The geometry of TF-slim's alexnet_v2 up to its fifth pool."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 64, 11, 4),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.Conv2d(384, 384, 3, padding=1),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.MaxPool2d(3, 2),
        )


class SlimUnit(nn.Module):
    """A bottleneck with the stride in its 3×3; a short cut that only subsamples."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(inputs, width, 1),
            nn.Conv2d(width, width, 3, stride, padding=1),
            nn.Conv2d(width, 4 * width, 1),
        )
        self.widen = nn.Conv2d(inputs, 4 * width, 1) if inputs != 4 * width else nn.Identity()
        self.short = nn.MaxPool2d(1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return (self.main(x) + self.short(self.widen(x))).relu()


class SlimResNet50(nn.Module):
    """TF-slim's form: the stride in the last unit of a block, and a pool that pads only behind."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3)
        self.pool1 = nn.MaxPool2d(3, 2)
        inputs, units = 64, []
        for count, width, stride in ((3, 64, 2), (4, 128, 2), (6, 256, 2), (3, 512, 1)):
            for i in range(count):
                units.append(SlimUnit(inputs, width, stride if i == count - 1 else 1))
                inputs = 4 * width
        self.units = nn.Sequential(*units)

    def forward(self, x: Tensor) -> Tensor:
        return self.units(self.pool1(F.pad(self.conv1(x), (0, 1, 0, 1))))


def test_alexnet_is_195_32_64() -> None:
    with torch.device("meta"):
        f = receptive_field(AlexNetV2(), (3, 231, 231))
    assert figures(f.of("7")) == (195, 32, -64)


def test_vgg16_is_212_32_90() -> None:
    assert figures(fields_of("vgg16", (3, 224, 224)).of("features")) == (212, 32, -90)


def test_resnet50_in_the_usual_form_is_427() -> None:
    f = fields_of("resnet50", (3, 224, 224))
    assert figures(f.of("layer4")) == (427, 32, -213)
    assert f.status == "complete"


def test_resnet50_in_the_slim_form_is_483_32_239() -> None:
    with torch.device("meta"):
        f = receptive_field(SlimResNet50(), (3, 224, 224))
    assert figures(f.of("units")) == (483, 32, -239)


def test_resnet18_is_435() -> None:
    # 7, pool to 11, then 4 + 4·4·2·… as in the table of A. Araujo et al. for resnet_v1 basic blocks
    by_hand = 7 + 2 * 2 + 4 * 2 * 4 + (4 + 3 * 8) * 2 + (8 + 3 * 16) * 2 + (16 + 3 * 32) * 2
    assert figures(fields_of("resnet18", (3, 224, 224)).of("layer4"))[0] == by_hand == 435


def test_lenet5_by_hand() -> None:
    f = fields_of("lenet5", (1, 32, 32))
    found = {name: figures(f.of(name)) for name in ("c1", "s2", "c3", "s4")}
    assert found == {"c1": (5, 1, 0), "s2": (6, 2, 0), "c3": (14, 2, 0), "s4": (16, 4, 0)}
    c5 = f.of("c5")
    assert (c5.receptive_field, c5.whole) == ((32, 32), (False, False))
