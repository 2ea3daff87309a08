from collections.abc import Sequence

import pytest
import torch
from tests.symmetry.fields import Regular
from torch import Tensor, nn

from neocog.layers.polyphase import ChoosePhase, TakePhase
from neocog.models.external import as_it_is
from neocog.symmetry.motion import Translation
from neocog.symmetry.residual import best_fit, relative_error
from neocog.web.equivariance import Grids, MovedMaps, NodeErrors, node_errors
from neocog.web.motions import Motion
from neocog.web.network import Network


def compared(reference: Grids, values: Sequence[torch.Tensor | None], motion: Motion) -> NodeErrors:
    moved = MovedMaps(reference)
    moved.take_all(values)
    return node_errors(moved, motion)


def errors(net: nn.Module, x: Tensor, motion: Motion) -> dict[str, float | None]:
    network = Network(as_it_is(net.eval(), tuple(x.shape[1:])))
    reference = Grids(network, network.run(x))
    found = compared(reference, network.run(motion.move(x)), motion).errors
    return {n.label: e for n, e in zip(network.graph.nodes, found, strict=True)}


def circular(channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, 4, 3, stride=stride, padding=1, padding_mode="circular")


def test_E1_with_circular_borders_and_no_stride_nothing_breaks() -> None:
    net = nn.Sequential()
    net.add_module("first", circular(1))
    net.add_module("relu", nn.ReLU())
    net.add_module("mean", nn.AdaptiveAvgPool2d(1))
    found = errors(net, torch.rand(1, 1, 12, 12), Motion(dx=5, dy=2))
    assert max(found.values()) < 1e-6  # rounding of float32
    assert set(found) == {"input", "first", "relu", "mean", "output"}


def test_E3_striding_breaks_odd_shifts_and_keeps_even_ones() -> None:
    net = nn.Sequential()
    net.add_module("first", circular(1, stride=2))
    x = torch.rand(1, 1, 12, 12)
    assert errors(net, x, Motion(dx=2))["first"] < 1e-6
    assert errors(net, x, Motion(dx=1))["first"] > 0.05


def test_zero_padding_breaks_at_the_border_alone() -> None:
    net = nn.Sequential()
    net.add_module("first", nn.Conv2d(1, 4, 3, padding=1))
    x = torch.zeros(1, 1, 16, 16)
    x[:, :, 5:9, 5:9] = torch.rand(4, 4)
    assert errors(net, x, Motion(dx=3))["first"] < 1e-6  # content stays away from the border
    assert errors(net, x, Motion(dx=8))["first"] > 0.01


def test_maps_without_a_border_are_compared_where_both_know_them() -> None:
    net = nn.Sequential()
    net.add_module("first", nn.Conv2d(1, 4, 3))
    x = torch.rand(1, 1, 16, 16)
    assert errors(net, x, Motion(dx=3))["first"] < 1e-6
    assert errors(net, x, Motion(padding="zeros", dx=3))["first"] < 1e-6


def test_the_error_is_the_norm_of_what_differs_by_hand() -> None:
    class First(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.tensor([1.0, 2.0, 3.0, 4.0])

    x = torch.tensor([[[1.0, 0.0, 0.0, 0.0]]])
    found = errors(nn.Sequential(First()), x, Motion(dx=1))
    # f(Tx) = (0, 2, 0, 0), T f(x) = (0, 1, 0, 0): 1 / 1.
    assert found["First 0"] == pytest.approx(1.0)


class Lifting(nn.Module):
    """Each kernel in four directions; what its channels mean is declared beside it."""

    def __init__(self, *, declared: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 1, 3, 3))
        if declared:
            self.output_field = Regular()

    def forward(self, x: Tensor) -> Tensor:
        turned = torch.stack([self.weight.rot90(k, (2, 3)) for k in range(4)], 1)
        padded = nn.functional.pad(x, [1] * 4, mode="circular")
        return nn.functional.conv2d(padded, turned.flatten(0, 1))


def test_E8_the_declared_field_is_asked_how_channels_turn() -> None:
    x = torch.rand(1, 1, 12, 12)
    (right, *_), (plain, *_) = (
        [e for n, e in errors(nn.Sequential(Lifting(declared=d)), x, Motion(angle=90)).items()
         if n.startswith("Lifting")]
        for d in (True, False)
    )  # fmt: skip
    assert right < 1e-4  # bilinear weights of whole-pixel positions, in float32
    assert plain > 0.3


@pytest.mark.parametrize("offset", [(0, 1), (2, 3), (-5, 4)])
def test_the_page_and_the_audit_measure_the_same(offset: tuple[int, int]) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 5), nn.MaxPool2d(2), nn.Conv2d(4, 3, 3)).eval()
    x = torch.rand(1, 1, 20, 20)
    found = errors(net, x, Motion(dy=offset[0], dx=offset[1]))
    shift = Translation(torch.tensor([offset]))
    with torch.no_grad():
        for k, (name, jump) in enumerate((("Conv2d 0", 1), ("MaxPool2d 1", 2), ("Conv2d 2", 2))):
            part = net[: k + 1]
            fit = best_fit(shift, part(x), part(shift(x)), jump=(jump, jump), size=(20, 20))
            # sums in float32 there, in float64 here
            assert found[name] == pytest.approx(float(relative_error(*fit)), rel=1e-4, abs=1e-6)


def test_vectors_have_no_places() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2, bias=False))
    net[1].weight.data.zero_()
    net[1].weight.data[0, 0] = 1.0
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 0, 0] = 2.0
    found = errors(net, x, Motion(dx=1))
    assert found["Linear 1"] == pytest.approx(1.0)  # ‖0 - 2‖ / ‖2‖


def test_turns_of_a_network_that_sees_single_pixels_cost_nothing() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False))
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    x = torch.exp(-((rows - 6) ** 2 + (columns - 9) ** 2) / 20)[None, None]
    found = errors(net, x, Motion(padding="zeros", angle=30, scale=1.2))
    assert found["Conv2d 0"] < 1e-5


def test_D7_polyphase_sampling_with_circular_borders_breaks_nowhere() -> None:
    from neocog.networks.catalog import build

    torch.manual_seed(0)
    options = {"downsampling": "polyphase", "padding": "circular"}
    net = build("resnet20", num_classes=10, in_channels=3, size=(32, 32), options=options)
    x = torch.rand(1, 3, 32, 32)
    network = Network(as_it_is(net.eval(), (3, 32, 32)))
    reference = Grids(network, network.run(x))
    for motion in (Motion(dx=1), Motion(dx=3, dy=2)):
        found = compared(reference, network.run(motion.move(x)), motion).errors
        known = [e for e in found if e is not None]
        assert len(known) > 60
        assert max(known) < 1e-4  # float32 through 20 layers


class Phases(nn.Module):
    """What a fix makes of a strided layer: the phase is chosen beside where it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.choose, self.take = circular(1), ChoosePhase(2), TakePhase(2)
        self.second = circular(4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        y = self.take(y, self.choose(y))
        padded = nn.functional.pad(y, (1, 1, 1, 1), mode="circular")
        weight = self.first.weight.expand(4, 4, 3, 3)
        return self.second(nn.functional.conv2d(padded, weight))


def test_D7_a_border_around_a_map_whose_fields_nobody_knows_is_no_break(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Network, "seen", {})  # as behind operations that are not understood
    torch.manual_seed(0)
    found = errors(Phases(), torch.rand(1, 1, 16, 16), Motion(dx=1, dy=2))
    assert "pad" in found
    assert max(e for e in found.values() if e is not None) < 1e-5


def test_of_several_shifts_the_one_of_the_least_ratio_counts_and_nothing_is_not_perfect() -> None:
    net = nn.Sequential(nn.MaxPool2d(4))
    x = torch.zeros(1, 1, 16, 16)
    x[0, 0, 4:8, 12:16] = 1.0  # after the shift all of it has left the frame
    found = errors(net, x, Motion(padding="zeros", dx=6))
    assert found["MaxPool2d 0"] is None


def test_beside_a_turn_stands_what_interpolating_costs() -> None:
    class Thin(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(x - 0.5)

    torch.manual_seed(0)
    x = torch.rand(1, 1, 16, 16)
    network = Network(as_it_is(Thin().eval(), (1, 16, 16)))
    reference = Grids(network, network.run(x))
    turned = Motion(padding="zeros", angle=30)
    found = compared(reference, network.run(turned.move(x)), turned)
    assert found.baselines[1] > 0.2
    assert found.errors[1] > 0.2  # relu commutes with every turn: all of this is interpolation
    shift = Motion(dx=1)
    assert set(compared(reference, network.run(shift.move(x)), shift).baselines) == {None}
