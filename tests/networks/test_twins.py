import pytest
import torch

from neocog.errors import UsageError
from neocog.networks.twins import TWINS, DeepTwin, twin

SHALLOW = ("dense", "local", "convolutional", "anti-aliased")


@pytest.mark.parametrize(
    ("classes", "channels", "size"),
    [(10, 1, (28, 28)), (2, 3, (32, 32)), (136, 1, (32, 32)), (5, 3, (16, 16)), (3, 1, (20, 29))],
)
def test_twins_have_as_many_parameters_within_a_percent(classes, channels, size):
    nets = [twin(n, num_classes=classes, in_channels=channels, size=size) for n in SHALLOW]
    params = [sum(p.numel() for p in net.parameters()) for net in nets]
    assert max(params) <= 1.01 * params[2]
    assert min(params) >= 0.99 * params[2]
    for net in nets:
        assert net(torch.rand(2, channels, *size)).shape == (2, classes)


def test_deep_twins_have_as_many_parameters_within_a_percent():
    params = {
        n: sum(
            p.numel() for p in twin(n, num_classes=10, in_channels=1, size=(28, 28)).parameters()
        )
        for n in TWINS
        if n.startswith("deep")
    }
    assert len(params) == 4
    assert max(params.values()) <= 1.01 * min(params.values())


def seen(name: str) -> tuple[int, bool]:
    """Pixels that a first unit sees, and whether all positions weigh them alike."""
    net = twin(name, num_classes=2, in_channels=1, size=(16, 16))
    first = net.layers[1] if name == "dense" else net.hidden[0]
    x = torch.zeros(1, 1, 16, 16, requires_grad=True)
    out = first(x.flatten(1)) if name == "dense" else first(x)
    unit, other = (out[0, 0], out[0, 1]) if name == "dense" else (out[0, 0, 2, 2], out[0, 0, 3, 3])
    a, b = (torch.autograd.grad(u, x, retain_graph=True)[0][0, 0] for u in (unit, other))
    return int((a != 0).sum()), bool(torch.equal(a.roll((2, 2), (0, 1)), b))


def test_twins_differ_in_what_they_assume():
    assert seen("dense") == (256, False)
    assert seen("local") == (9, False)
    net = twin("convolutional", num_classes=2, in_channels=1, size=(16, 16))
    x = torch.rand(1, 1, 16, 16)
    maps = net.hidden[:2](x)[0, :, 2:-2, 2:-2], net.hidden[:2](x.roll((2, 2), (2, 3)))[0]
    torch.testing.assert_close(maps[0], maps[1][:, 3:-1, 3:-1])  # one set of weights


def test_a_residual_twin_is_the_sum_of_what_it_is_given_and_a_block():
    net = twin("deep, residual", num_classes=2, in_channels=1, size=(16, 16))
    assert isinstance(net, DeepTwin)
    with torch.no_grad():
        for block in net.blocks:
            for parameter in block.parameters():
                parameter.zero_()
    x = torch.rand(2, 1, 16, 16)
    expected = net.head(net.stem(x).relu().flatten(1))
    assert torch.equal(net(x), expected)


def test_what_is_no_twin_is_refused():
    with pytest.raises(UsageError, match="`convolution` is not a twin"):
        twin("convolution", num_classes=2, in_channels=1, size=(28, 28))
    with pytest.raises(UsageError, match="8 pixels per side"):
        twin("dense", num_classes=2, in_channels=1, size=(7, 28))
