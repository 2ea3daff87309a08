import pytest
import torch
from torch import nn

from neocog.errors import UsageError
from neocog.networks.dense import dense


@pytest.mark.parametrize(
    ("hidden", "params"),
    [
        ((1,), 784 + 1 + 10 + 10),
        ((100,), 784 * 100 + 100 + 100 * 10 + 10),
        ((10, 10), 784 * 10 + 10 + 10 * 10 + 10 + 10 * 10 + 10),
        ((), 784 * 10 + 10),
    ],
)
def test_D1_parameters_with_biases(hidden: tuple[int, ...], params: int) -> None:
    net = dense(num_classes=10, in_channels=1, size=(28, 28), hidden=hidden)
    assert sum(p.numel() for p in net.parameters()) == params


def test_B6_weights_of_one_unit() -> None:
    for size, weights in (((32, 32), 3072), ((200, 200), 120_000)):
        net = dense(num_classes=1, in_channels=3, size=size, hidden=())
        assert net.layers[1].weight.numel() == weights
    with torch.device("meta"):
        net = dense(num_classes=1, in_channels=1, size=(3024, 4032), hidden=(100,))
    assert net.layers[1].weight.numel() == 1_219_276_800


def test_dense_is_a_plain_stack() -> None:
    net = dense(num_classes=3, in_channels=1, size=(24, 24), hidden=(5,), dropout=0.5).eval()
    plain = nn.Sequential(nn.Flatten(), nn.Linear(576, 5), nn.ReLU(), nn.Linear(5, 3))
    plain.load_state_dict(dict(zip(plain.state_dict(), net.state_dict().values(), strict=True)))
    x = torch.randn(2, 1, 24, 24)
    assert torch.equal(net(x), plain(x))
    assert net.stages == ()


def test_unknown_sampling_and_padding_are_refused_though_they_change_nothing() -> None:
    with pytest.raises(UsageError, match="`blurr` is not a downsampling operator"):
        dense(num_classes=3, in_channels=1, size=(24, 24), downsampling="blurr")
    with pytest.raises(UsageError, match="`none` is not a padding"):
        dense(num_classes=3, in_channels=1, size=(24, 24), padding="none")
