import torch
from torch import nn

from neocog.networks.lenet5_modern import lenet5_modern


def test_is_twenty_plain_lines() -> None:
    net = lenet5_modern(num_classes=10, in_channels=1, size=(28, 28))
    plain = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )
    plain.load_state_dict(dict(zip(plain.state_dict(), net.state_dict().values(), strict=True)))
    x = torch.randn(3, 1, 28, 28)
    assert torch.equal(net(x), plain(x))


def test_full_connections_have_more_parameters_than_the_published_form() -> None:
    net = lenet5_modern(num_classes=10, in_channels=1, size=(28, 28))
    assert sum(p.numel() for p in net.parameters()) == 156 + 2416 + 48120 + 10164 + 850


def test_mean_head_sees_the_mean_over_a_map_that_keeps_its_border() -> None:
    net = lenet5_modern(num_classes=10, in_channels=1, size=(28, 28), head="mean")
    assert net.c3.padding == (2, 2)
    assert net.c5.in_features == 16
    x = torch.randn(3, 1, 28, 28)
    features = net.s4(net.act(net.c3(net.s2(net.act(net.c1(x))))))
    assert features.shape == (3, 16, 7, 7)
    want = net.out(net.act(net.f6(net.act(net.c5(features.mean((2, 3)))))))
    torch.testing.assert_close(net(x), want)
