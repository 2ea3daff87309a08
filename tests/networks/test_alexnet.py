import pytest
import torch
from torch import nn

from neocog.networks.alexnet import alexnet


def test_D4_parameters() -> None:
    with torch.device("meta"):
        for form, params in (("single", 61_100_840), ("towers", 60_965_224)):
            net = alexnet(num_classes=1000, in_channels=3, size=(224, 224), form=form)
            assert sum(p.numel() for p in net.parameters()) == params


def test_D4_maps_of_the_published_network() -> None:
    sizes = []
    with torch.device("meta"):
        net = alexnet(num_classes=1000, in_channels=3, size=(224, 224), form="towers").eval()
        for layer in net.features:
            if isinstance(layer, (nn.Conv2d, nn.MaxPool2d)):
                layer.register_forward_hook(lambda m, args, y: sizes.append(tuple(y.shape[1:3])))
        net(torch.empty(1, 3, 224, 224))
    assert sizes == [
        (96, 55),
        (96, 27),
        (256, 27),
        (256, 13),
        (384, 13),
        (384, 13),
        (256, 13),
        (256, 6),
    ]


def test_single_tower_is_a_plain_stack_with_the_names_of_the_field() -> None:
    torch.manual_seed(0)
    net = alexnet(num_classes=5, in_channels=3, size=(96, 96), hidden=32).eval()
    assert list(net.state_dict())[::2] == [
        *(f"features.{i}.weight" for i in (0, 3, 6, 8, 10)),
        *(f"classifier.{i}.weight" for i in (1, 4, 6)),
    ]
    features = nn.Sequential(
        *(nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, 1, 1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2)),
    )
    features.load_state_dict(net.features.state_dict())
    x = torch.randn(2, 3, 96, 96)
    assert torch.equal(net(x), net.classifier(features(x).flatten(1)))


def test_published_head_brings_a_small_map_to_six_by_six() -> None:
    fitted, published = (
        alexnet(num_classes=5, in_channels=1, size=(32, 32), head=head, hidden=4)
        for head in ("auto", "published")
    )
    assert fitted.classifier[1].in_features == 256 * 3 * 3
    assert published.classifier[1].in_features == 256 * 6 * 6
    wide = alexnet(num_classes=5, in_channels=1, size=(24, 160), stem="small", hidden=4)
    assert wide.avgpool.output_size == (2, 6)


def test_towers_start_as_in_the_paper() -> None:
    torch.manual_seed(0)
    net = alexnet(num_classes=5, in_channels=1, size=(32, 32), form="towers", hidden=64)
    biases = [p for n, p in net.named_parameters() if n.endswith("bias")]
    assert [b.unique().tolist() for b in biases] == [[0], [1], [0], [1], [1], [1], [1], [0]]
    weight = net.features[4].weight
    # 307,200 draws: relative error of the deviation 0.13 %, four of them
    assert weight.std().item() == pytest.approx(0.01, rel=0.006)


def test_the_two_towers_do_not_see_each_other() -> None:
    net = alexnet(num_classes=5, in_channels=1, size=(32, 32), form="towers", hidden=4)
    assert [m.groups for m in net.features if isinstance(m, nn.Conv2d)] == [1, 2, 1, 2, 2]


def test_mean_head_gives_every_window_its_border() -> None:
    net = alexnet(
        num_classes=3, in_channels=1, size=(128, 64), stem="published", head="mean", hidden=8
    )
    net = net.eval()
    assert net.classifier[1].in_features == 256
    x = torch.randn(2, 1, 128, 64)
    features = net.features(x)
    assert features.shape == (2, 256, 4, 2)  # an exact 32nd: no sample is lost at a border
    torch.testing.assert_close(net(x), net.classifier(features.mean((2, 3))))
