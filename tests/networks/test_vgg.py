import pytest
import torch
from torch import nn

from neocog.errors import UsageError
from neocog.networks.vgg import vgg


@pytest.mark.parametrize(
    ("depth", "plain", "normed"),
    [
        (11, 132_863_336, 132_868_840),
        (13, 133_047_848, 133_053_736),
        (16, 138_357_544, 138_365_992),
        (19, 143_667_240, 143_678_248),
    ],
)
def test_D5_vgg_parameters(depth: int, plain: int, normed: int) -> None:
    with torch.device("meta"):
        for batch_norm, params in ((False, plain), (True, normed)):
            net = vgg(
                num_classes=1000, in_channels=3, size=(224, 224), depth=depth, batch_norm=batch_norm
            )
            assert sum(p.numel() for p in net.parameters()) == params
            convs = sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in net.modules())
            assert convs == depth


def test_vgg11_is_a_plain_stack_with_the_names_of_the_field() -> None:
    torch.manual_seed(0)
    net = vgg(num_classes=5, in_channels=3, size=(32, 32), depth=11, hidden=16).eval()
    assert list(net.state_dict())[::2] == [
        *(f"features.{i}.weight" for i in (0, 3, 6, 8, 11, 13, 16, 18)),
        *(f"classifier.{i}.weight" for i in (0, 3, 6)),
    ]
    layers, inputs = [], 3
    for width in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0):
        if width:
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            inputs = width
        else:
            layers.append(nn.MaxPool2d(2))
    features = nn.Sequential(*layers)
    features.load_state_dict(net.features.state_dict())
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(net(x), net.classifier(features(x).flatten(1)))


def test_pools_that_would_leave_too_little_are_left_out() -> None:
    net = vgg(num_classes=5, in_channels=1, size=(24, 24), depth=11, hidden=4)
    # 24 → 12 → 6 → 3, then 3 → 1 only behind the last convolution
    assert [s.stride for s in net.stages] == [2, 4, 8, 8, 16]
    assert net.classifier[0].in_features == 512


def test_published_head() -> None:
    net = vgg(num_classes=5, in_channels=1, size=(32, 32), depth=11, head="published", hidden=4)
    assert net.classifier[0].in_features == 512 * 7 * 7


def test_unknown_depth_is_refused() -> None:
    with pytest.raises(UsageError, match="has 11, 13, 16, 19 layers; got 17"):
        vgg(num_classes=5, in_channels=1, size=(32, 32), depth=17)


def test_mean_head_sees_the_mean_over_the_map() -> None:
    net = vgg(num_classes=3, in_channels=1, size=(64, 64), depth=11, head="mean", hidden=8).eval()
    assert net.classifier[0].in_features == 512
    x = torch.randn(2, 1, 64, 64)
    features = net.features(x)
    assert features.shape == (2, 512, 2, 2)
    torch.testing.assert_close(net(x), net.classifier(features.mean((2, 3))))
