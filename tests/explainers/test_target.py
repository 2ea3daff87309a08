import pytest
import torch.nn.functional as F
from tests.explainers.nets import Series, Unet, Vit, convnet, drawn
from tests.strangers.resnet20 import ResNet20
from torch import Tensor, nn

from neocog.errors import ModelError
from neocog.explainers.grad_cam import grad_cam
from neocog.explainers.layout import SpatialLayout, channels_of
from neocog.explainers.target import Chosen, choose_layer, describe_layer
from neocog.graph.activations import differentiable
from neocog.networks.catalog import build


def chosen(net: nn.Module, *shape: int, target: int | None = None) -> Chosen:
    with differentiable(net) as run:
        return choose_layer(run, net, drawn(2, *shape), target)


def test_the_last_layer_with_space_before_the_pooling() -> None:
    found = chosen(convnet(), 3, 16, 16)
    assert found.name == "5"  # the activation behind the last convolution, not the dropout
    assert found.reason == (
        "the last layer whose output still has space (8 × 8) and on which the prediction depends "
        "(as found on the first image)"
    )


def test_a_strangers_residual_network() -> None:
    assert chosen(ResNet20(), 3, 32, 32).name == "layer3"


@pytest.mark.parametrize(
    ("name", "layer", "size"),
    [
        ("lenet5", "s4", 28),
        ("convnet", None, 28),
        ("resnet20", None, 32),
        ("lenet5_modern", None, 28),
    ],
)
def test_networks_of_ours(name: str, layer: str | None, size: int) -> None:
    net = build(name, num_classes=10, in_channels=1, size=(size, size))
    found = chosen(net, 1, size, size)
    if layer is not None:
        assert found.name == layer
    assert len(found.layout.grid) == 2
    assert found.layout.grid[0] > 1


def test_dense_networks_have_none() -> None:
    net = build("dense", num_classes=10, in_channels=1, size=(28, 28))
    with pytest.raises(ModelError, match="still has rows and columns"):
        chosen(net, 1, 28, 28)


def test_a_pool_at_the_end_is_passed_over() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 2)
    )
    assert chosen(net, 1, 8, 8).name == "1"


def test_a_branch_that_leads_nowhere_is_passed_over() -> None:
    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.used(x).mean((2, 3))
            self.unused(x)
            return y

    assert chosen(Branch(), 1, 8, 8).name == "used"


def test_tokens_that_reach_no_answer_are_passed_over() -> None:
    with_token = chosen(Vit(token=True), 3, 16, 16)
    assert with_token.name == "blocks.1.norm1"
    assert with_token.layout == SpatialLayout("tokens", (4, 4), 1)
    assert "uses the class token alone" in with_token.reason
    without = chosen(Vit(token=False), 3, 16, 16)
    assert without.name == "norm"
    assert without.layout == SpatialLayout("tokens", (4, 4), 0)


def test_attention_of_as_many_tokens_as_pixels_is_no_map() -> None:
    # 8 × 8 patches of 4 pixels: the 65 × 65 table of who looks at whom would fit 80 pixels.
    net = Vit(token=True, size=80, patch=10)
    assert chosen(net, 3, 80, 80).name == "blocks.1.norm1"


def test_torchs_own_encoder() -> None:
    class Native(nn.Module):
        def __init__(self, *, batch_first: bool) -> None:
            super().__init__()
            self.first = batch_first
            self.embed = nn.Conv2d(1, 8, 4, stride=4)
            layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = self.embed(x).flatten(2)
            x = self.encoder(x.transpose(1, 2) if self.first else x.permute(2, 0, 1))
            return self.head(x.mean(1 if self.first else 0))

    for batch_first in (True, False):
        found = chosen(Native(batch_first=batch_first), 1, 16, 16)
        assert found.name == "encoder"
        assert found.layout.grid == (4, 4)
        assert found.layout.batch == (0 if batch_first else 1)


def test_channels_last() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 24, 4, stride=4), nn.LayerNorm(24)
            self.head = nn.Linear(24, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.norm(self.conv(x).permute(0, 2, 3, 1)).mean((1, 2)))

    found = chosen(Last(), 3, 32, 32)
    assert found.name == "norm"
    assert found.layout == SpatialLayout("channels last", (8, 8))


class Stage(nn.Module):
    """Channels last, more of them than places; a norm and what has no width of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.act = nn.Conv2d(3, 12, 4, stride=4), nn.LayerNorm(12), nn.GELU()
        self.head = nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.norm(self.conv(x).permute(0, 2, 3, 1))).mean((1, 2)))


def test_channels_last_where_channels_could_be_places() -> None:
    net = Stage()
    found = chosen(net, 3, 28, 28)  # (B, 7, 7, 12): 7 × 12 is less than twice as wide as high
    assert (found.name, found.layout) == ("act", SpatialLayout("channels last", (7, 7)))
    for layer in ("norm", "act"):
        assert grad_cam(net, drawn(2, 3, 28, 28), layer=layer).grid == (7, 7)


def test_channels_last_with_as_many_channels_as_places() -> None:
    net = Stage()
    assert grad_cam(net, drawn(2, 3, 48, 48), layer="norm").layout.kind == "channels last"
    assert grad_cam(net, drawn(2, 3, 48, 48), layer="conv").layout.kind == "channels first"


class Recurrent(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.embed = nn.Linear(2, 16)
        first = kind != "second"
        layer = nn.TransformerEncoderLayer(16, 2, 16, batch_first=True)
        self.body = (
            nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
            if kind == "transformer"
            else nn.GRU(16, 16, batch_first=first)
        )
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.embed(x.transpose(1, 2))
        y = self.body(y.transpose(0, 1) if self.kind == "second" else y)
        y = y if isinstance(y, Tensor) else y[0]
        return self.head(y.mean(0 if self.kind == "second" else 1))


@pytest.mark.parametrize("kind", ["transformer", "first", "second"])
def test_series_without_a_convolution_have_places_in_time(kind: str) -> None:
    net, x = Recurrent(kind), drawn(2, 2, 50)
    found = chosen(net, 2, 50)
    assert (found.name, found.layout.grid) == ("body", (50,))
    cam = grad_cam(net, x, layer="body")
    assert cam.maps.shape == (2, 50)
    assert cam.layout == found.layout
    assert cam.layout.batch == (kind == "second")


@pytest.mark.parametrize("channels", [8, 5])
def test_rows_that_are_pooled_more_than_columns(channels: int) -> None:
    net = nn.Sequential(
        nn.Conv2d(1, channels, 3, padding=1),
        nn.MaxPool2d((4, 1)),
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, 3),
    )
    found = chosen(net, 1, 32, 64)
    assert (found.name, found.layout) == ("3", SpatialLayout("channels first", (8, 64)))
    for layer in ("2", "3"):
        assert grad_cam(net, drawn(2, 1, 32, 64), layer=layer).grid == (8, 64)


def test_a_norm_that_turns_its_input_back_has_channels_first() -> None:
    class Turned(nn.LayerNorm):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    assert channels_of(Turned(12), (2, 12, 7, 7)) == "channels first"
    assert channels_of(Turned(12), (2, 12, 12, 12)) is None
    assert channels_of(nn.LayerNorm(12), (2, 12, 12, 12)) == "channels last"


def test_segmenters_have_the_last_of_the_coarsest() -> None:
    found = chosen(Unet(), 1, 16, 16)
    assert found.name == "bottom"
    assert found.reason.startswith("the last of the coarsest layers (4 × 4)")


def test_a_segmenter_of_one_resolution() -> None:
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 1))
    assert chosen(net, 1, 8, 8).name == "1"  # the last one is the answer


def test_series() -> None:
    assert chosen(Series(), 2, 40).name == "body"


def test_where_all_units_are_off_any_layer_is_better_than_none() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.ReLU())
    nn.init.constant_(net[0].bias, -100.0)
    assert chosen(net, 1, 4, 4).name == "0"


def test_a_shared_activation_whose_last_call_has_no_space() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act, self.head = nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.head(F.relu(self.act(self.conv(x))).mean((2, 3))))

    assert chosen(Shared(), 1, 8, 8).name == "conv"


def test_a_layer_that_was_named_is_described() -> None:
    net = Vit(token=True)
    with differentiable(net) as run:
        x = drawn(1, 3, 16, 16)
        assert describe_layer(run, net, x, "blocks.0") == SpatialLayout("tokens", (4, 4), 1)
        assert describe_layer(run, net, x, "head") is None
