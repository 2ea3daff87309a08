"""What every network promises. A new line in the catalog is found by these tests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from neocog.layers.blocks import PADDINGS
from neocog.layers.downsample import DOWNSAMPLINGS, Downsampling
from neocog.layers.subsample import Subsample, SubsamplePair
from neocog.networks.catalog import NETWORKS, build

# One case for each geometry: deeper networks of a family are the same code. Linear layers are
# made narrow, as their width has no part in what is tested here.
THIN = {"hidden": 16}
CASES: dict[str, tuple[str, dict[str, object]]] = {
    "convnet": ("convnet", {"widths": (8, 12, 16)}),
    "convnet-full": ("convnet", {"widths": (8, 12), "depths": (1, 2), "stem": "full"}),
    "convnet-average": ("convnet", {"widths": (8, 12, 16), "pool": "average"}),
    "convnet-conv": ("convnet", {"widths": (8, 12, 16), "pool": "conv"}),
    "dense": ("dense", {"hidden": (10, 10), "dropout": 0.1}),
    "lenet5": ("lenet5", {}),
    "lenet5_modern": ("lenet5_modern", {}),
    "lenet5_modern-conv": ("lenet5_modern", {"pool": "conv", "dropout": 0.1}),
    "lenet5_modern-mean": ("lenet5_modern", {"head": "mean"}),
    "alexnet": ("alexnet", THIN),
    "alexnet-published": ("alexnet", {**THIN, "stem": "published", "head": "published"}),
    "alexnet-mean": ("alexnet", {**THIN, "head": "mean"}),
    "alexnet_2012": ("alexnet_2012", THIN),
    "alexnet_2012-published": ("alexnet_2012", {**THIN, "stem": "published"}),
    "vgg11": ("vgg11", THIN),
    "vgg11-conv": ("vgg11", {**THIN, "pool": "conv", "head": "published"}),
    "vgg11_bn": ("vgg11_bn", THIN),
    "vgg11_bn-mean": ("vgg11_bn", {**THIN, "head": "mean"}),
    "resnet20": ("resnet20", {"width": 4}),
    "resnet20-B": ("resnet20", {"width": 4, "shortcut": "B"}),
    "resnet18": ("resnet18", {}),
    "resnet18-published": ("resnet18", {"stem": "published"}),
    "resnet50": ("resnet50", {}),
    "mobilenet_v1": ("mobilenet_v1", {"width": 0.25}),
    "convnext_atto": ("convnext_atto", {}),
    "efficientnet_lite0": ("efficientnet_lite0", {}),
}
SIZES = ((24, 24), (28, 28), (32, 32), (33, 33), (48, 48), (64, 64), (24, 48), (31, 40))
Net = partial(build, num_classes=5, in_channels=1, size=(24, 24))
each = pytest.mark.parametrize("case", CASES)


def net(case: str, **changes: object) -> nn.Module:
    """The network of a case; `size`, `in_channels`, or any option may be changed."""
    name, options = CASES[case]
    frame = {k: changes.pop(k) for k in ("size", "in_channels") if k in changes}
    return Net(name, options={**options, **changes}, **frame)


def image(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_name_builds_and_answers(name: str) -> None:
    with torch.device("meta"):
        network = build(name, num_classes=7, in_channels=3, size=(32, 32)).eval()
        assert network(torch.empty(2, 3, 32, 32)).shape == (2, 7)
    assert isinstance(network.stages, tuple)


@each
@pytest.mark.parametrize("in_channels", [1, 3])
def test_answers_for_every_size(case: str, in_channels: int) -> None:
    with torch.device("meta"):
        for size in SIZES:
            network = net(case, size=size, in_channels=in_channels).eval()
            assert network(torch.empty(2, in_channels, *size)).shape == (2, 5), size


@each
def test_takes_every_padding(case: str) -> None:
    sizes = ((24, 24), (33, 40)) if "published" not in case else ((64, 64), (97, 80))
    with torch.device("meta"):
        for padding in PADDINGS:
            for size in sizes:
                network = net(case, size=size, padding=padding).eval()
                assert network(torch.empty(2, 1, *size)).shape == (2, 5), (padding, size)


@each
def test_every_parameter_takes_part_in_learning(case: str) -> None:
    torch.manual_seed(1)
    network = net(case).train()
    x = image(8, 1, 24, 24)
    network(x).logsumexp(1).sum().backward()
    for name, p in network.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
        assert p.grad.any(), name


class Enough(Exception):
    """Stops a forward pass behind the stage that is looked at."""


def stage_map(network: nn.Module, name: str, x: Tensor) -> Tensor:
    seen: list[Tensor] = []

    def keep(module: nn.Module, args: object, output: Tensor) -> None:
        seen.append(output)
        raise Enough

    handle = network.get_submodule(name).register_forward_hook(keep)
    try:
        network(x)
    except Enough:
        pass
    finally:
        handle.remove()
    return seen[0]


def stage_maps(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """The maps of all stages, and of the network itself as ""."""
    seen: dict[str, Tensor] = {}
    handles = [
        network.get_submodule(s.name).register_forward_hook(
            lambda module, args, output, name=s.name: seen.update({name: output})
        )
        for s in network.stages
    ]
    seen[""] = network(x)
    for handle in handles:
        handle.remove()
    return seen


@each
def test_stages_are_true(case: str) -> None:
    with torch.device("meta"):
        network = net(case, size=(64, 64)).eval()
        strides = [s.stride for s in network.stages]
        assert strides == sorted(strides)
        for stage in network.stages:
            one = stage_map(network, stage.name, torch.empty(1, 1, 64, 64))
            assert one.shape[1] == stage.channels, stage
            # As many more input samples as the stride says make one more output sample.
            more = (64 + stage.stride, 64 + 2 * stage.stride)
            two = stage_map(network, stage.name, torch.empty(1, 1, *more))
            assert two.shape[2] == one.shape[2] + 1, stage
            assert two.shape[3] == one.shape[3] + 2, stage


@each
def test_weights_survive_saving_and_have_the_same_names_in_both_modes(case: str) -> None:
    torch.manual_seed(1)
    one = net(case)
    names = list(one.train().state_dict())
    assert names == list(one.eval().state_dict())
    torch.manual_seed(2)
    two = net(case).eval()
    x = image(2, 1, 24, 24)
    if any(p.numel() for p in one.parameters()):
        assert not torch.equal(one(x), two(x))
    two.load_state_dict(safetensors.torch.load(safetensors.torch.save(one.state_dict())))
    assert torch.equal(one(x), two(x))


@each
def test_same_seed_same_weights(case: str) -> None:
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        states.append(net(case).state_dict())
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert any(not torch.equal(states[0][k], states[2][k]) for k in states[0])


@each
def test_one_image_does_not_change_the_answer_for_another(case: str) -> None:
    network = net(case).eval()
    x = image(3, 1, 24, 24)
    whole = network(x)
    order = torch.tensor([2, 0, 1])
    # Other batch shapes take other kernels, which sum in another order: float32 rounding.
    torch.testing.assert_close(network(x[order]), whole[order], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network(x[:1]), whole[:1], rtol=1e-4, atol=1e-5)


@each
def test_works_in_channels_last_and_bfloat16(case: str) -> None:
    network = net(case).eval()
    x = image(2, 1, 24, 24)
    with torch.no_grad():
        plain = network(x)
        network = network.to(memory_format=torch.channels_last)
        last = network(x.to(memory_format=torch.channels_last))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = network(x.to(memory_format=torch.channels_last))
    # Rounding of float32 in another order of summation.
    torch.testing.assert_close(last, plain, rtol=1e-4, atol=1e-5)
    # bfloat16 has 8 bits, a relative step of 2⁻⁸; through up to 20 layers their errors add.
    worst = (half.float() - plain).abs().max() / plain.abs().max()
    assert worst < 20 * 2**-8


@pytest.fixture
def unfolded() -> Iterator[str]:
    """A kind of sampling that is `stride`, but runs every operator at stride 1 first."""
    DOWNSAMPLINGS["unfolded"] = Downsampling(
        folded=False,
        reduce=lambda channels, stride, padding: Subsample(stride),
        reduce_pair=lambda channels, stride, padding: SubsamplePair(stride),
    )
    yield "unfolded"
    del DOWNSAMPLINGS["unfolded"]


@each
def test_every_sample_is_dropped_through_the_table(case: str, unfolded: str) -> None:
    """A stride is an operator at stride 1 and then every s-th sample; so both agree, which they
    do only if a network asks the table wherever it downsamples, in all its branches.
    """
    size = (48, 41)
    one = net(case, size=size).eval()
    two = net(case, size=size, downsampling=unfolded).eval()
    for name, module in two.named_modules():
        stride = getattr(module, "stride", 1)
        if not isinstance(module, (Subsample, SubsamplePair)):
            assert set(stride if isinstance(stride, tuple) else (stride,)) == {1}, name
    two.load_state_dict(one.state_dict())
    x = image(2, 1, *size)
    with torch.no_grad():
        # The same sums by other kernels: float32 rounding.
        torch.testing.assert_close(two(x), one(x), rtol=1e-3, atol=1e-4)


@each
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(k, marks=() if k in ("blur", "polyphase") else pytest.mark.slow)
        for k in DOWNSAMPLINGS
        if k != "stride"
    ],
)
def test_every_sampling_leaves_names_and_shapes_as_they_are(case: str, kind: str) -> None:
    with torch.device("meta"):
        for size in ((32, 32), (33, 41)):
            plain = net(case, size=size).eval()
            other = net(case, size=size, downsampling=kind).eval()
            names = [k for k in other.state_dict() if ".choose." not in k]
            assert names == list(plain.state_dict())
            assert other.stages == plain.stages
            x = torch.empty(2, 1, *size)
            one, two = (
                {name: m.shape for name, m in stage_maps(n, x).items()} for n in (plain, other)
            )
            assert one[""] == (2, 5)
            assert one == two


@pytest.mark.parametrize("kind", [k for k in DOWNSAMPLINGS if k != "stride"])
@pytest.mark.parametrize("case", ["convnet", "resnet20", "resnet20-B", "lenet5", "vgg11-conv"])
def test_every_sampling_learns(case: str, kind: str) -> None:
    torch.manual_seed(1)
    network = net(case, downsampling=kind, padding="circular").train()
    network.load_state_dict(net(case).state_dict(), strict=kind != "learned_polyphase")
    network(image(8, 1, 24, 24)).logsumexp(1).sum().backward()
    for name, p in network.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
        assert p.grad.any(), name


WRAPPED = [
    "convnet",
    "convnet-average",
    "convnet-conv",
    "lenet5_modern-mean",
    "alexnet-mean",
    "vgg11",
    "vgg11_bn",
    "resnet20",
    "resnet20-B",
    "resnet18",
    "resnet18-published",
    "resnet50",
    "mobilenet_v1",
    "convnext_atto",
    "efficientnet_lite0",
]


@pytest.mark.parametrize("case", WRAPPED)
def test_A6_circular_padding_makes_every_stage_move_with_the_image(case: str) -> None:
    network = net(case, size=(64, 64), padding="circular").eval().double()
    x = image(1, 1, 64, 64).double()
    with torch.no_grad():
        for stage in network.stages:
            still = stage_map(network, stage.name, x)
            moved = stage_map(network, stage.name, x.roll((stage.stride, -stage.stride), (2, 3)))
            # float64 rounding, of values around 1.
            torch.testing.assert_close(moved, still.roll((1, -1), (2, 3)), rtol=1e-9, atol=1e-9)
