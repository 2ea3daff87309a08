"""Laws of the operation: nothing but the choice of samples changes, and shifts change nothing."""

import itertools
from dataclasses import replace as altered

import pytest
import torch
from tests.surgery.nets import (
    Dense,
    Focus,
    HubResNet,
    Inception,
    Series,
    StrangerResNet,
    settled,
)
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import ModelError, UsageError
from neocog.graph.cost import cost
from neocog.layers.downsample import DOWNSAMPLINGS
from neocog.layers.pnorm import PNormPool
from neocog.layers.subsampling import TrainableSubsampling
from neocog.networks.catalog import build
from neocog.surgery.replace import replace


def thin(name: str, **options: object) -> nn.Module:
    return build(name, num_classes=4, in_channels=3, size=(32, 32), options=options)


NETS = {
    "stranger": (lambda: StrangerResNet(1, 4), (3, 16, 16)),
    "hub": (lambda: HubResNet(4), (3, 32, 32)),
    "inception": (Inception, (3, 16, 16)),
    "dense": (Dense, (3, 16, 16)),
    "series": (Series, (2, 24)),
    "focus": (Focus, (3, 16, 16)),
    "convnet": (lambda: thin("convnet", widths=(4, 8, 8)), (3, 32, 32)),
    "resnet20": (lambda: thin("resnet20", width=4), (3, 32, 32)),
    "shortcut B": (lambda: thin("resnet20", width=4, shortcut="B"), (3, 32, 32)),
    "vgg": (lambda: thin("vgg11_bn"), (3, 32, 32)),
}


def made(name: str) -> tuple[nn.Module, Tensor]:
    build, size = NETS[name]
    x = torch.randn(2, *size, generator=torch.Generator().manual_seed(1))
    return settled(build()), x


class First(nn.Module):
    """The choice that a stride makes."""

    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros(len(x), dtype=torch.int64)


FIRST = altered(
    DOWNSAMPLINGS["polyphase"],
    choose=lambda channels, stride, padding: First(),
    choose_windows=lambda stride: First(),
)
DENSE = altered(DOWNSAMPLINGS["polyphase"], choose_windows=None)


@pytest.mark.parametrize("name", NETS)
@torch.no_grad()
def test_with_the_first_phase_it_is_the_network_it_was(name: str) -> None:
    net, x = made(name)
    done = replace(net, x, downsampling=FIRST)
    assert done.replaced
    assert not done.skipped
    # Convolutions may sum in another order at stride 1.
    torch.testing.assert_close(done.module(x), net(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NETS)
@torch.no_grad()
def test_with_the_first_phase_and_borders_that_wrap_only_the_borders_change(name: str) -> None:
    net, x = made(name)
    done = replace(net, x, downsampling=FIRST, padding="circular").module
    borders = replace(net, x, downsampling=FIRST, padding="circular", only=()).module
    torch.testing.assert_close(done(x), borders(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NETS)
@torch.no_grad()
def test_polyphase_with_borders_that_wrap_answers_the_same_at_every_shift(name: str) -> None:
    net, x = made(name)
    done = replace(net, x, downsampling="polyphase", padding="circular")
    assert not done.skipped
    assert not done.remarks
    size = x.shape[2:]
    step = 3 if name == "vgg" else 1  # to keep the test short
    shifts = itertools.product(*(range(0, n, step) for n in size))
    axes = tuple(range(2, x.dim()))
    moved = torch.cat([torch.roll(x[:1], shift, axes) for shift in shifts])
    answers = torch.cat([done.module(part) for part in moved.split(64)])
    here = done.module(x[:1])
    # Sums over the map run in another order at each shift.
    torch.testing.assert_close(answers, here.expand_as(answers), rtol=1e-5, atol=1e-5)
    assert (net(moved[:64]) - net(x[:1])).abs().max() > 1e-2  # which it did not before


@pytest.mark.parametrize("name", NETS)
def test_a_phase_on_a_circle_costs_no_macs(name: str) -> None:
    """Chosen among outputs, as published, it costs those of all phases."""
    net, x = made(name)
    wrapped, taken, dense = (
        cost(replace(net, x, downsampling=kind, padding="circular", only=only).module, x.shape[1:])
        for kind, only in (("polyphase", ()), ("polyphase", None), (DENSE, None))
    )
    assert taken.macs == wrapped.macs
    assert taken.macs <= dense.macs


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("kernel", [2, 3, (5, 2)])
@torch.no_grad()
def test_the_phases_of_a_circle_are_those_of_the_dense_operator(kernel: int, padding: int) -> None:
    x = torch.randn(4, 2, 12, 12, generator=torch.Generator().manual_seed(0))
    net = settled(nn.Sequential(nn.Conv2d(2, 3, kernel, stride=2, padding=padding)))

    class Second(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.arange(len(x)) % 4

    second = altered(
        DOWNSAMPLINGS["polyphase"],
        choose=lambda channels, stride, padding: Second(),
        choose_windows=lambda stride: Second(),
    )
    dense = altered(second, choose_windows=None)
    one, other = (
        replace(net, x, downsampling=k, padding="circular").module(x) for k in (second, dense)
    )
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)  # sums in another order


@pytest.mark.parametrize("name", NETS)
def test_a_state_dict_fits_both_ways(name: str) -> None:
    net, x = made(name)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    done = replace(net, x, downsampling="polyphase", padding="circular").module
    assert list(done.state_dict()) == list(before)
    done.load_state_dict(before)
    net.load_state_dict(done.state_dict())
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key])


@pytest.mark.parametrize("downsampling", [k for k in DOWNSAMPLINGS if k != "stride"])
@pytest.mark.parametrize("name", ["stranger", "hub", "inception", "series"])
def test_every_kind_gives_the_same_sizes_and_learns(name: str, downsampling: str) -> None:
    net, x = made(name)
    done = replace(net, x, downsampling=downsampling).module.train()
    y = done(x)
    assert y.shape == net(x).shape
    y.square().sum().backward()
    learned = {n for n, p in done.named_parameters() if p.grad is not None}
    assert learned >= {n for n, _ in net.named_parameters()}


def test_the_network_that_came_is_left_as_it_was() -> None:
    net, x = made("hub")
    net.train()
    net.layer1.eval()
    state = {k: v.clone() for k, v in net.state_dict().items()}
    text, modes = str(net), [m.training for m in net.modules()]
    replace(net, x, downsampling="blur", padding="circular")
    assert str(net) == text
    assert [m.training for m in net.modules()] == modes
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())


def test_branches_share_the_phase_of_the_first() -> None:
    net, x = made("stranger")
    done = replace(net, x, downsampling="polyphase")
    assert [(r.name, r.was, r.group) for r in done.replaced[:2]] == [
        ("layer2.0.conv1", "convolution 3×3, stride 2", "layer2.0.conv1"),
        ("layer2.0.slicing", "slicing, stride 2", "layer2.0.conv1"),
    ]
    assert done.replaced[1].now == "polyphase by 2 with the phase of `layer2.0.conv1`"


def test_a_blur_stands_behind_norm_and_activation() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 2, 1)
    )
    done = replace(net, torch.zeros(2, 1, 8, 8), downsampling="blur").module
    order = [n.target for n in done.graph.nodes if n.op == "call_module"]
    assert order == ["0", "1", "2", "samplers.0_down", "3"]


class Named(nn.Module):
    """An activation called by the name of its argument."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(input=self.conv(x)).mean((2, 3))


def test_a_blur_stands_behind_an_activation_called_by_name() -> None:
    done = replace(Named(), torch.randn(2, 3, 16, 16), downsampling="blur").module
    order = [n.name for n in done.graph.nodes]
    assert order == ["x", "conv", "relu", "samplers_conv_down", "mean", "output"]


class Clamped(nn.Module):
    """A strided convolution with a lower bound at each of its positions."""

    def __init__(self, method: bool) -> None:
        super().__init__()
        self.c = nn.Conv2d(3, 4, 3, padding=1, stride=2)
        self.p = nn.Parameter(torch.rand(1, 4, 16, 16))
        self.method = method

    def forward(self, x: Tensor) -> Tensor:
        y = self.c(x)
        y = y.clamp(min=self.p) if self.method else torch.clamp(y, min=self.p)
        return y.mean((2, 3))


@pytest.mark.parametrize("method", [False, True])
def test_a_bound_at_each_position_is_behind_the_blur(method: bool) -> None:
    x = torch.rand(2, 3, 32, 32)
    blurred = replace(Clamped(method).eval(), x, downsampling="blur")
    assert blurred.replaced
    assert blurred.module(x).shape == (2, 4)


def test_a_blur_takes_the_place_of_a_mean() -> None:
    net = nn.Sequential(nn.AvgPool2d(2))
    done = replace(net, torch.zeros(2, 1, 8, 8), downsampling="blur")
    assert done.replaced[0].now == "blur by 2"
    assert [n.op for n in done.module.graph.nodes] == ["placeholder", "call_module", "output"]


def test_only_some_groups() -> None:
    net, x = made("stranger")
    done = replace(net, x, downsampling="blur", only=["layer3.0.conv1"])
    assert [r.name for r in done.replaced] == ["layer3.0.conv1", "layer3.0.slicing"]
    with pytest.raises(
        UsageError, match=r"`layer3` is not a convertible group.* Did you mean `layer3.0.conv1`"
    ):
        replace(net, x, downsampling="blur", only=["layer3"])


class Twice(nn.Module):
    """One module, called in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 2, 2)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.pool(self.conv(self.conv(x)))).mean((2, 3))


@torch.no_grad()
def test_a_module_that_is_called_twice() -> None:
    net, x = settled(Twice()), torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(replace(net, x, downsampling=FIRST).module(x), net(x))
    done = replace(net, x, downsampling="polyphase", padding="circular").module
    torch.testing.assert_close(done(torch.roll(x, (5, 3), (2, 3))), done(x))


@torch.no_grad()
def test_a_module_that_is_called_twice_is_replaced_at_both_calls() -> None:
    net, x = settled(Twice()), torch.randn(2, 3, 32, 32)
    done = replace(net, x, downsampling=FIRST, only=["pool"])
    assert [r.name for r in done.replaced] == ["pool", "pool_pool_1"]
    torch.testing.assert_close(done.module(x), net(x))


@torch.no_grad()
@pytest.mark.parametrize("size", [15, 16, 17, 18])
@pytest.mark.parametrize(
    "operator",
    [
        nn.Conv2d(1, 2, 3, 2, 1),
        nn.Conv2d(1, 2, 4, 2, 1),
        nn.Conv2d(1, 2, 2, 2),
        nn.Conv2d(1, 2, 5, 3, 2),
        nn.Conv2d(1, 2, 7, 4, 1),
        nn.Conv2d(1, 2, (2, 3), (2, 3), (0, 1), padding_mode="reflect"),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.MaxPool2d(2, 2, ceil_mode=True),
        nn.MaxPool2d(3, 3, 1),
        nn.AvgPool2d(2),
        nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        nn.LPPool2d(2, 3, 2),
        PNormPool(3.0, kernel_size=2),
        PNormPool(float("inf"), kernel_size=(2, 3), stride=3),
        TrainableSubsampling(1, downsampling="stride", padding="zeros"),
    ],
    ids=repr,
)
def test_the_first_phase_is_the_stride_at_every_size(operator: nn.Module, size: int) -> None:
    net = nn.Sequential(operator, nn.Flatten()).eval()
    x = torch.randn(2, 1, size, size, generator=torch.Generator().manual_seed(size)).abs()
    done = replace(net, x, downsampling=FIRST)
    assert done.replaced
    torch.testing.assert_close(done.module(x), net(x))
    blurred = replace(net, x, downsampling="blur")
    assert blurred.module(x).shape == net(x).shape


class Norms(nn.Module):
    """A pool by p-norm that is a function, which takes no padding."""

    def forward(self, x: Tensor) -> Tensor:
        return F.lp_pool2d(x.abs(), 2.0, 2)


@torch.no_grad()
def test_a_function_that_takes_no_padding_gets_its_border_before_it() -> None:
    net, x = nn.Sequential(Norms(), nn.AdaptiveAvgPool2d(1)), torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(replace(net, x, downsampling=FIRST).module(x), net(x))


class Namesakes(nn.Module):
    """`a.conv` and `a_conv`."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Sequential()
        self.a.add_module("conv", nn.Conv2d(3, 3, 3, 2, 1))
        self.a_conv = nn.Conv2d(3, 3, 3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.a_conv(self.a(x)).mean((2, 3))


@torch.no_grad()
def test_parts_of_nearly_the_same_name_have_samplers_of_their_own() -> None:
    net, x = settled(Namesakes()), torch.randn(2, 3, 12, 12)
    done = replace(net, x, downsampling=FIRST).module
    assert {"a_conv_take", "a_conv_take_"} <= {n for n, _ in done.samplers.named_children()}
    torch.testing.assert_close(done(x), net(x))


def test_wrong_use() -> None:
    net, x = made("series")
    with pytest.raises(UsageError, match=r"another downsampling than `stride`"):
        replace(net, x, downsampling="stride")
    with pytest.raises(
        UsageError, match=r"`blurr` is not a downsampling operator. Did you mean `blur`"
    ):
        replace(net, x, downsampling="blurr")
    with pytest.raises(
        UsageError, match=r"`zeros` is not a padding choice. Known: `circular`, `ke"
    ):
        replace(net, x, downsampling="blur", padding="zeros")
    with pytest.raises(ModelError, match=r"must accept samples of shape \(5, 24\)"):
        replace(net, torch.zeros(2, 5, 24), downsampling="blur")
