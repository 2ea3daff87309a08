import pytest
import torch
from tests.graph.graphs import Vit
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import ModelError
from neocog.graph.cost import cost
from neocog.networks.catalog import build


def test_convolution_by_hand() -> None:
    c = cost(nn.Conv2d(3, 6, 5), (3, 32, 32))
    assert c.params == c.trainable == 6 * 3 * 25 + 6
    assert c.macs == 28 * 28 * 6 * 3 * 25
    assert c.flops == 2 * c.macs + 28 * 28 * 6
    assert c.activations == 28 * 28 * 6
    assert c.layers[0].output == (6, 28, 28)
    assert (c.status, c.unknown) == ("complete", ())


@pytest.mark.parametrize(
    ("module", "size", "macs", "rest"),
    [
        (nn.Conv2d(4, 8, 3, groups=4, padding=1, bias=False), (4, 5, 5), 25 * 8 * 9, 0),
        (nn.Conv2d(4, 8, 3, stride=2, dilation=2), (4, 9, 9), 9 * 8 * 4 * 9, 72),
        (nn.Conv1d(2, 3, 5), (2, 9), 5 * 3 * 2 * 5, 15),
        # every input sample is multiplied with every tap of every output channel
        (nn.ConvTranspose2d(2, 3, 2, stride=2), (2, 4, 4), 16 * 2 * 3 * 4, 64 * 3),
        (nn.Linear(7, 5), (7,), 35, 5),
        (nn.Linear(7, 5, bias=False), (7,), 35, 0),
        (nn.Linear(7, 5), (3, 7), 3 * 35, 3 * 5),
        (nn.ReLU(), (3, 4), 0, 12),
        (nn.ReLU(inplace=True), (3, 4), 0, 12),
        (nn.GELU(), (3, 4), 0, 12),
        (nn.BatchNorm2d(3), (3, 4, 4), 0, 2 * 48),
        (nn.LayerNorm(4), (3, 4), 0, 7 * 12),
        (nn.GroupNorm(1, 3), (3, 4, 4), 0, 7 * 48),
        (nn.Softmax(-1), (6,), 0, 5 * 6),
        (nn.MaxPool2d(2), (3, 4, 4), 0, 3 * 4 * 3),
        (nn.MaxPool2d((1, 3), stride=1), (3, 4, 4), 0, 3 * 8 * 2),
        (nn.AvgPool2d(2), (3, 4, 4), 0, 3 * 4 * 4),
        (nn.AdaptiveAvgPool2d(1), (3, 4, 4), 0, 48),
        (nn.AdaptiveAvgPool2d(2), (3, 4, 4), 0, 48),
        (nn.Upsample(scale_factor=2), (3, 2, 2), 0, 48),
        (nn.Flatten(), (3, 2, 2), 0, 0),
        (nn.ReflectionPad2d(1), (3, 2, 2), 0, 0),
        (nn.CircularPad2d(1), (3, 2, 2), 0, 0),
        (nn.ZeroPad2d(1), (3, 2, 2), 0, 0),
        (nn.Dropout(), (3,), 0, 0),
        (nn.Identity(), (3,), 0, 0),
    ],
)
def test_each_kind_by_hand(module: nn.Module, size: tuple[int, ...], macs: int, rest: int) -> None:
    c = cost(module, size)
    assert c.status == "complete", c.unknown
    assert (c.macs, c.flops) == (macs, 2 * macs + rest)


class Attention(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(x, x, x)


class ByHand(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        scores = (x @ x.transpose(-1, -2)).softmax(-1)
        return scores @ x


def test_attention_is_its_two_products_and_a_softmax() -> None:
    for module in (Attention(), ByHand()):
        c = cost(module, (2, 6, 8))
        assert c.status == "complete", c.unknown
        assert c.macs == 2 * (2 * 6 * 6 * 8)
        assert c.flops == 2 * c.macs + 5 * 2 * 6 * 6


@pytest.mark.parametrize(
    ("name", "macs"),
    [
        # the figures that the field quotes: 1.81, 3.66, 4.09, 15.5 and 0.71 thousand million
        ("resnet18", 1_814_073_344),
        ("resnet34", 3_663_761_408),
        ("resnet50", 4_089_184_256),
        ("vgg16", 15_470_264_320),
        ("alexnet", 714_188_480),
    ],
)
def test_published_networks_at_224(name: str, macs: int) -> None:
    with torch.device("meta"):
        network = build(name, num_classes=1000, in_channels=3, size=(224, 224))
    c = cost(network, (3, 224, 224))
    assert c.macs == macs
    assert c.status == "complete"
    assert sum(layer.params for layer in c.layers) == c.params


def test_attention_is_counted_in_a_vit_by_the_formula() -> None:
    with torch.device("meta"):
        vit = Vit(size=224, patch=16, width=768, heads=12, depth=12)
    c = cost(vit, (3, 224, 224))
    tokens, width = 14 * 14 + 1, 768
    patches = 14 * 14 * width * 3 * 16 * 16
    projections = 4 * tokens * width**2  # query, key, value, output
    products = 2 * tokens**2 * width  # query·key and weight·value, over all heads
    mlp = 2 * tokens * width * 4 * width
    assert c.macs == patches + 12 * (projections + products + mlp) + width * 1000
    assert 17.5e9 < c.macs < 17.7e9  # the 17.6 thousand million that the field quotes
    assert c.params == 86_567_656
    assert c.status == "complete"


def test_resnet18_by_the_formula() -> None:
    stem = 112**2 * 64 * 3 * 49
    first = 4 * 56**2 * 64 * 64 * 9
    others = sum(
        n**2 * w * (w // 2 * 9 + w // 2 + 3 * w * 9) for n, w in ((28, 128), (14, 256), (7, 512))
    )
    assert stem + first + others + 512 * 1000 == 1_814_073_344


def test_D2_lenet5_by_hand() -> None:
    c = cost(build("lenet5", num_classes=10, in_channels=1, size=(32, 32)), (1, 32, 32))
    macs = {layer.name: layer.macs for layer in c.layers if layer.macs}
    assert macs == {
        "c1": 28 * 28 * 6 * 25,
        # computed as one full convolution; 60 of its 96 kernels are parameters
        "c3": 10 * 10 * 16 * 6 * 25,
        "c5": 120 * 16 * 25,
        "f6": 84 * 120,
    }
    assert c.params == 60_000
    assert c.buffers == 840
    outputs = {layer.name: layer.output for layer in c.layers}
    assert outputs["s4"] == (16, 5, 5)
    assert outputs["out"] == (10,)


def test_layers_come_in_order_and_add_up_by_hand() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)))
    c = cost(net, (1, 8, 8))
    assert [(x.name, x.kind) for x in c.layers] == [
        ("0", "Conv2d"),
        ("1.0", "ReLU"),
        ("1.1", "MaxPool2d"),
    ]
    assert [x.flops for x in c.layers] == [2 * 72 * 9 + 72, 72, 18 * 3]  # products, bias, maxima
    assert c.flops == 1494
    assert [x.activations for x in c.layers] == [72, 72, 18]
    assert c.activations == 162


def test_what_a_block_does_itself_is_booked_on_it() -> None:
    block = build("resnet20", num_classes=2, in_channels=1, size=(24, 24)).layer1[0]
    own = next(x for x in cost(block, (16, 8, 8)).layers if x.name == "")
    assert (own.kind, own.flops, own.macs) == ("BasicBlock", 16 * 64, 0)  # the sum


class Odd(nn.Module):
    """A shared layer, an unused one, frozen weights, an operation of no table, in-place ones."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(4, 4)
        self.again = self.shared
        self.unused = nn.Linear(4, 9)
        self.frozen = nn.Parameter(torch.ones(4), requires_grad=False)
        self.register_buffer("calls", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        self.calls.add_(1)
        x = self.again(self.shared(x)) * self.frozen
        return torch.linalg.svdvals(x)


def test_unknown_operations_are_named() -> None:
    c = cost(Odd(), (3, 4))
    assert c.status == "partial"
    assert c.unknown == ("aten._linalg_svd",)
    assert c.macs == 2 * 3 * 16


def test_shared_unused_and_frozen_parameters() -> None:
    c = cost(Odd(), (3, 4))
    assert (c.params, c.trainable, c.buffers) == (20 + 45 + 4, 20 + 45, 3)
    rows = {x.name: (x.params, x.output) for x in c.layers}
    assert rows == {"": (4, (3,)), "shared": (20, (3, 4)), "unused": (45, ())}


def state_of(module: nn.Module) -> tuple:
    return (
        [m.training for m in module.modules()],
        {k: v.clone() for k, v in module.state_dict().items()},
        [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in module.modules()],
        [p.grad for p in module.parameters()],
        [p.requires_grad for p in module.parameters()],
    )


def test_the_module_is_left_as_found() -> None:
    net = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(), Odd())
    net[0].eval()
    calls = net[2].calls
    before = state_of(net)
    cost(net[2], (3, 4))
    with pytest.raises(ModelError):
        cost(net, (5, 5, 5))
    after = state_of(net)
    assert before[0] == after[0]
    assert before[2:] == after[2:]
    assert all(torch.equal(before[1][k], after[1][k]) for k in before[1])
    assert net[2].calls is calls


def test_a_size_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ModelError, match=r"fails on one of 3×8×8 \(RuntimeError: .*Give its input"):
        cost(nn.Conv2d(1, 2, 3), (3, 8, 8))


def test_any_number_type_and_device() -> None:
    for change in ({"dtype": torch.float64}, {"dtype": torch.bfloat16}, {"device": "meta"}):
        assert cost(nn.Linear(4, 2, **change), (4,)).macs == 8


def test_a_module_without_parameters_and_one_that_looks_at_values() -> None:
    class Choosing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.relu() if x.sum() > 0 else x

    c = cost(Choosing(), (4,))
    assert (c.params, c.flops, c.status) == (0, 4 + 1, "complete")  # a sum and a comparison
