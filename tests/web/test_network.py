import pytest
import torch
from torch import Tensor, nn

from neocog.graph.outputs import outputs
from neocog.models.external import as_it_is
from neocog.networks.model import SpecifiedNetwork
from neocog.types import InputSpec, ModelSpec
from neocog.web.motions import Motion
from neocog.web.network import Network
from neocog.web.refused import Missing


def network(net: nn.Module, size: tuple[int, ...], channels: int = 1) -> Network:
    return Network(as_it_is(net.eval(), (channels, *size)))


def test_B3_every_node_says_what_it_sees() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(2, 2, 3), nn.Flatten()
    )
    shown = network(net, (8, 8))
    sizes = [shown.seen[n.id].size for n in shown.graph.nodes]
    assert sizes[:5] == [(1, 1), (3, 3), (3, 3), (4, 4), (8, 8)]
    pool = shown.graph.nodes[3]
    assert shown.jump(pool) == (2.0, 2.0)
    assert shown.seen[3].field((1, 0, 2)) == ((-1, 3), (3, 7))


def test_fields_agree_with_those_of_the_audit() -> None:
    from tests.strangers.resnet20 import make

    from neocog.graph.receptive_field import receptive_field

    net = make().eval()
    shown = network(net, (32, 32), 3)
    found = receptive_field(net, (3, 32, 32))
    named = [n for n in shown.graph.nodes if not n.free]
    assert len(named) > 40
    for node in named:
        field = found.of(node.name)
        assert shown.seen[node.id].size == field.receptive_field, node.name
        assert shown.seen[node.id].start == field.start


def test_a_field_that_cannot_be_found_leaves_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    from neocog.web import network as room

    def fails(self, op) -> None:
        raise ValueError("an operation that nobody knows")

    monkeypatch.setattr(room.Tracer, "operation", fails)
    shown = network(nn.Sequential(nn.Conv2d(1, 2, 3)), (8, 8))
    assert set(shown.seen) == {0}
    assert shown.shows(shown.graph.nodes[1])
    assert shown.plain_seen(shown.graph.nodes[1]) is None


def test_tokens_on_a_grid_are_maps() -> None:
    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Conv2d(3, 6, 4, stride=4)
            self.norm = nn.LayerNorm(6)
            self.token = nn.Parameter(torch.zeros(1, 1, 6))

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.embed(x).flatten(2).transpose(1, 2)
            return self.norm(torch.cat([self.token, tokens], 1))[:, 0]

    shown = network(Patches(), (16, 16), 3)
    norm = next(n for n in shown.graph.nodes if n.name == "norm")
    assert shown.shape(norm) == (6, 4, 4)
    x = torch.rand(1, 3, 16, 16)
    value = shown.run(x)[norm.id]
    maps = shown.maps(norm, value)
    index = shown.index(norm, 5, (2, 3))
    assert index == (1 + 2 * 4 + 3, 5)
    assert float(maps[0, 5, 2, 3]) == float(value[0, 12, 5])


def test_a_way_that_an_image_does_not_take() -> None:
    class Wayward(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dark, self.light = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.light(x) if x.mean() > 0.5 else self.dark(x)

    shown = network(Wayward(), (4, 4))
    dark = next(n for n in shown.graph.nodes if n.name == "dark")
    light = torch.ones(1, 1, 4, 4)
    assert shown.run(light)[dark.id] is None
    assert shown.units(light, {dark.id: [(0, 0, 0)]}) == {}
    with pytest.raises(Missing, match="nodes, counted from 0"):
        shown.node(99)


def test_the_layout_of_an_image_in_memory_changes_nothing() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(1, 4, 3), nn.Linear(144, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.flatten(self.conv(x), 1))

    shown = network(Flat(), (8, 8))
    assert [n.label for n in shown.graph.nodes][2] == "flatten"
    x = torch.rand(1, 8, 8, 1).permute(0, 3, 1, 2)
    for sample in (x, x.contiguous(), x.contiguous(memory_format=torch.channels_last)):
        assert all(value is not None for value in shown.run(sample))
        found = outputs(shown.module, sample, shown.graph)
        assert all(value is not None for value in found)


def test_a_pool_with_an_exponent_a_channel_does_not_stop_the_explorer() -> None:
    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.p = nn.Parameter(torch.tensor([3.0, 2.0]))

        def forward(self, x: Tensor) -> Tensor:
            p = self.p[:, None, None]
            return (x.clamp(min=1e-6) ** p).mean((2, 3), keepdim=True) ** (1 / p)

    shown = network(nn.Sequential(nn.Conv2d(1, 2, 3), Mean(), nn.Flatten()), (8, 8))
    assert len(shown.seen) == len(shown.graph.nodes)
    pool = shown.graph.nodes[2]
    assert shown.shows(pool)
    x = torch.rand(1, 1, 8, 8)
    (found,) = shown.units(x, {pool.id: [(1, 0, 0)]})[pool.id]
    assert found.computed == pytest.approx(found.value, rel=1e-4)


@pytest.mark.parametrize(
    ("values", "mean", "std", "comes_in"),
    [
        ("raw", (-300.0, 40.0), (50.0, 8.0), (-300.0, 40.0)),
        ("pixels", (0.5, 0.5), (0.2, 0.2), (0, 0)),
    ],
)
def test_what_comes_in_is_black_or_the_mean_of_raw_values(
    values: str, mean: tuple[float, float], std: tuple[float, float], comes_in: tuple[float, float]
) -> None:
    signal = InputSpec(channels=2, size=(6, 6), mean=mean, std=std, values=values)
    net = nn.Sequential(nn.Conv2d(2, 1, 3), nn.Flatten())
    spec = ModelSpec(task="classify", input=signal, classes=tuple(map(str, range(16))))
    shown = Network(as_it_is(SpecifiedNetwork(net, spec).eval(), None))
    x = torch.rand(1, 2, 6, 6) + 7
    moved = shown.moved(x, Motion.of({"padding": "zeros", "dx": 2}))
    assert moved[0, :, 0, 0].tolist() == moved[0, :, 5, 1].tolist() == list(comes_in)
    torch.testing.assert_close(moved[..., 2:], x[..., :-2], atol=1e-4, rtol=0)  # 7 − (−300)
    # Turned by 45 degrees, the corners lie beyond the frame.
    corner = shown.moved(x, Motion.of({"padding": "zeros", "angle": 45}))[0, :, 0, 0]
    torch.testing.assert_close(corner, torch.tensor(comes_in).float(), atol=1e-4, rtol=0)
    # A circular shift brings nothing in and changes no bit.
    wrapped = shown.moved(x, Motion.of({"padding": "circular", "dx": 2}))
    assert torch.equal(wrapped, x.roll(2, 3))
    assert shown.moved(x, Motion.of({"padding": "zeros"})) is x


NETS = {
    "strided, then enlarged": nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.Upsample(scale_factor=2), nn.Conv2d(2, 1, 1)
    ),
    "enlarged smoothly": nn.Sequential(
        nn.AvgPool2d(2), nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(1, 1, 1)
    ),
    "transposed": nn.Sequential(
        nn.Conv2d(1, 2, 2, stride=2), nn.ConvTranspose2d(2, 1, 3, stride=2, padding=1)
    ),
    "circular": nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular")),
    "reflected": nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect")),
}


@pytest.mark.parametrize("name", NETS)
def test_B3_no_pixel_outside_of_a_field_changes_its_unit(name: str) -> None:
    torch.manual_seed(0)
    net = NETS[name].double().eval()
    shown = network(net, (8, 8))
    node = shown.graph.nodes[-2]
    x = torch.rand(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    out = net(x)
    for row in range(out.shape[2]):
        for column in range(out.shape[3]):
            (gradient,) = torch.autograd.grad(out[0, 0, row, column], x, retain_graph=True)
            rows, columns = shown.seen[node.id].field((0, row, column))
            inside = torch.zeros(8, 8, dtype=torch.bool)
            for r in range(*rows):
                for c in range(*columns):
                    if shown.seen[node.id].wraps:
                        inside[r % 8, c % 8] = True
                    elif 0 <= r < 8 and 0 <= c < 8:
                        inside[r, c] = True
            assert not bool((gradient[0, 0] != 0)[~inside].any()), (row, column)
    assert shown.seen[node.id].wraps == (name == "circular")
