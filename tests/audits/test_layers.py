from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from tests.symmetry.fields import Regular
from torch import Tensor, nn

from neocog.audits.layers import layer_errors
from neocog.data.samples import Samples
from neocog.errors import UsageError
from neocog.layers.blocks import conv
from neocog.layers.fieldwise import FieldActivation, FieldNorm2d, FourierActivation, InvariantPool
from neocog.layers.polyphase import PolyphaseDown
from neocog.layers.steerable import SteerableConv2d
from neocog.models.exact import ExactModel
from neocog.surgery.replace import replace
from neocog.symmetry.fields import irrep_field, regular_field, trivial_field
from neocog.symmetry.groups import group_of


def noise(n: int = 8, size: int = 16) -> Samples:
    return Samples.of(torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(0)))


class Ramp(nn.Module):
    """Multiplies the samples of a line by their number."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.arange(1.0, x.shape[2] + 1)


class Net(nn.Module):
    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.parts = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.parts(x)
        return out.flatten(2).mean(2)


def errors(*parts: nn.Module, **given: int) -> dict[str, object]:
    found = layer_errors(ExactModel(Net(*parts)), noise(), **given)
    return {e.name.removeprefix("parts."): e for e in found}


def test_A6_circular_convolution_breaks_nothing() -> None:
    e = errors(conv(1, 4, kernel_size=3, padding="circular"), nn.ReLU())["0"]
    assert e.shift_error < 1e-6  # float32 rounding of nine products
    assert e.local_shift < 1e-6


def test_what_moves_exactly_has_no_error_and_no_interval_of_one() -> None:
    e = errors(nn.ReLU())["0"]
    assert (e.shift_error, e.shift_ci) == (0, (0, 0))


@pytest.mark.parametrize("max_shift", [2, 7])  # the cut beside the border, and far from it
def test_zero_padding_breaks_it_at_the_border_only(max_shift: int) -> None:
    e = errors(conv(1, 4, kernel_size=3), max_shift=max_shift)["0"]
    assert e.local_shift > 0.05
    assert e.own_border > 1 - 1e-9
    assert e.own_inside < 1e-4


@pytest.mark.parametrize("stride", [1, 2])
def test_a_black_margin_hides_no_border(stride: int) -> None:
    """A shift by one pixel brings nothing to the border there; those that are measured do."""
    x = torch.nn.functional.pad(noise(size=12).take(slice(0, 8)), (2, 2, 2, 2))
    found = layer_errors(
        ExactModel(Net(conv(1, 4, kernel_size=3, stride=stride))), Samples.of(x), max_shift=6
    )
    (e,) = [e for e in found if e.name == "parts.0"]
    assert e.local_shift > 0.05
    assert e.own_border > 1 - 1e-9 if stride == 1 else 0.05 < e.own_border < 1


def test_E3_pooling_breaks_it_inside() -> None:
    found = errors(conv(1, 4, kernel_size=3, padding="circular"), nn.MaxPool2d(2), nn.ReLU())
    assert found["0"].local_shift < 1e-6
    assert found["1"].own_inside > 0.02
    assert found["2"].local_shift < 1e-6  # what broke before it is not its fault
    assert found["2"].shift_error > 0.02


def test_polyphase_moves_its_grid_along() -> None:
    e = errors(conv(1, 4, kernel_size=3, padding="circular"), PolyphaseDown((2, 2)))["1"]
    assert e.shift_error < 1e-6
    assert e.local_shift < 1e-6


def test_windows_from_a_phase_are_one_layer_with_the_operator_that_sees_them() -> None:
    first = conv(1, 4, kernel_size=3, padding="circular")
    last = conv(4, 4, kernel_size=3, stride=2, padding="circular")
    net = Net(first, nn.MaxPool2d(2), last)  # with a mean over the map
    x = noise().take(slice(0, 2))
    fixed = replace(net, x, downsampling="polyphase", padding="circular").module
    found = {e.name: e for e in layer_errors(ExactModel(fixed), noise())}
    assert set(found) == {"parts.0", "parts.1", "parts.2"}
    for e in found.values():
        assert e.shift_error < 1e-6
        assert e.local_shift is None or e.local_shift < 1e-6


def test_what_wraps_around_has_no_border_that_breaks_anything() -> None:
    # Maps of 8, 4 and 2 samples: every one of them is near the border.
    wrapped = conv(1, 4, kernel_size=3, stride=2, padding="circular")
    found = errors(wrapped, nn.MaxPool2d(2), nn.MaxPool2d(2))
    for name in ("0", "1", "2"):
        assert found[name].local_shift > 0.02
        assert found[name].own_border == 0
    padded = errors(conv(1, 4, kernel_size=3, stride=2))["0"]
    assert 0.1 < padded.own_border < 1


def test_blur_breaks_less_than_a_bare_stride() -> None:
    from neocog.layers.blur import BlurPool

    first = conv(1, 4, kernel_size=3, padding="circular")
    bare = errors(first, nn.AvgPool2d(1, 2))["1"].own_inside
    blurred = errors(first, BlurPool(2, taps=5, padding="circular"))["1"].own_inside
    assert 0 < blurred < 0.5 * bare


def test_shift_error_by_hand() -> None:
    # f keeps every second sample. A shift by one pixel shows the odd ones; of the whole shifts by
    # 0 or 1 and the Fourier shift by a half, the best fit counts.
    x = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]).view(1, 1, 8)
    net = nn.Sequential(nn.MaxPool1d(1, 2), nn.Flatten())
    found = layer_errors(ExactModel(net), Samples.of(x), max_shift=1)
    # moved by ±1 the image is dark at every even place: f(T x) = 0 and ‖0 - T f‖ / ‖f‖ is 1 for
    # whole shifts; the half shift of an impulse of 4 has norm sqrt(1 - 1/4 · 1) < 1.
    assert found[0].shift_error == pytest.approx(0.75**0.5, abs=1e-6)


def test_quarter_turns() -> None:
    symmetric = conv(1, 1, kernel_size=3, padding="circular", bias=False)
    with torch.no_grad():
        symmetric.weight.copy_(torch.tensor([[1.0, 2, 1], [2, 3, 2], [1, 2, 1]]).view(1, 1, 3, 3))
    found = errors(symmetric, conv(1, 2, kernel_size=3, padding="circular"))
    assert found["0"].rotation_error < 1e-6
    assert found["0"].local_rotation < 1e-6
    assert found["1"].local_rotation > 0.1
    even = errors(nn.AvgPool2d(1, 2))["0"]
    assert (
        even.local_rotation > 0.1
    )  # stride 2 on 16 samples keeps no grid that a turn maps to itself


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
    lifting, plain = (errors(Lifting(declared=d), nn.ReLU())["0"] for d in (True, False))
    assert lifting.rotation_error < 1e-6
    assert lifting.local_rotation < 1e-6
    assert plain.rotation_error > 0.3
    assert plain.local_rotation > 0.3


@pytest.mark.parametrize("name", ["c4", "c8", "d4", "so2"])
def test_E6_layers_with_fields_are_measured_with_their_own_action(name: str) -> None:
    group, count = group_of(name), 2
    field = irrep_field(group, {0: 2, 1: 2}) if name == "so2" else regular_field(group, count)
    activation = FourierActivation(field) if name == "so2" else FieldActivation(field)
    parts = (
        SteerableConv2d(trivial_field(group, 1), field, kernel_size=3),
        FieldNorm2d(field),
        activation,
        SteerableConv2d(field, field, kernel_size=3),
        InvariantPool(field),
    )
    measured = errors(*parts)
    for e in measured.values():
        assert e.rotation_error < 1e-5  # float32 rounding through five layers
        assert e.local_rotation is None or e.local_rotation < 1e-5
    assert sum(e.local_rotation is not None for e in measured.values()) >= 4
    # Their channels turn: without the declaration they would be judged broken.
    assert errors(parts[0].to_plain(), *parts[1:])["0"].rotation_error > 0.1


def test_a_field_without_quarter_turns_is_not_measured_under_them() -> None:
    c3 = group_of("c3")
    lift = SteerableConv2d(trivial_field(c3, 1), regular_field(c3, 2), kernel_size=5)
    e = errors(lift, InvariantPool(regular_field(c3, 2)))
    assert e["0"].rotation_error is e["0"].local_rotation is None
    assert e["1"].rotation_error is not None


def test_vectors_have_no_places() -> None:
    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line = nn.Linear(256, 3)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.line(x.flatten(1))
            return out

    found = layer_errors(ExactModel(Dense()), noise())
    assert found[0].local_shift is None
    assert found[0].shift_error > 0


def test_window_without_border_is_compared_where_both_sides_know() -> None:
    e = errors(conv(1, 4, kernel_size=5, pad=0))["0"]
    assert e.output == (4, 12, 12)
    assert e.shift_error < 1e-6


def test_both_norms_are_taken_where_both_sides_know() -> None:
    # Of 3 samples behind a window of 2, a shift by one leaves two that are known on both sides.
    x = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 4)
    net = nn.Sequential(OrderedDict(cut=nn.MaxPool1d(2, 1), ramp=Ramp(), flat=nn.Flatten()))
    found = layer_errors(ExactModel(net), Samples.of(x), max_shift=1)
    y, scale = torch.tensor([2.0, 3.0, 4.0]), torch.tensor([1.0, 2.0, 3.0])
    errors = []
    for sign in (1, -1):
        known = torch.tensor([0.0, 1, 1]) if sign == 1 else torch.tensor([1.0, 1, 0])
        moved = scale * nn.functional.max_pool1d(x.roll(sign, 2), 2, 1)[0, 0]
        wrong = (moved - (scale * y).roll(sign)) * known
        errors.append(float(wrong.norm() / (scale * y * known).norm()))
    by_hand = [pytest.approx(e, rel=1e-6) for e in errors]  # float32
    assert found[1].name == "ramp"
    assert found[1].shift_error in by_hand


def test_deep_layers_without_border_and_upsampling_are_not_blamed() -> None:
    # 16 → 14 → 7 → 5: sizes alone would say a jump of 3 where it is 2.
    found = errors(
        conv(1, 3, kernel_size=3, pad=0), nn.MaxPool2d(2), conv(3, 4, kernel_size=3, pad=0)
    )
    assert found["2"].own_inside < 1e-6
    circular = conv(1, 3, kernel_size=3, padding="circular")
    for up in (nn.Upsample(scale_factor=2), nn.ConvTranspose2d(3, 2, 2, stride=2)):
        assert errors(circular, up)["1"].local_shift < 1e-6
        assert errors(circular, up)["1"].shift_error < 1e-6


def test_activations_that_write_over_their_input_are_not_blamed() -> None:
    circular = conv(1, 3, kernel_size=3, padding="circular")
    for act in (nn.SiLU(inplace=True), nn.LeakyReLU(0.1, inplace=True)):
        e = errors(circular, act)["1"]
        assert e.local_shift < 1e-6
        assert e.local_rotation < 1e-6


def test_a_sample_that_a_layer_does_not_see_does_not_outweigh_the_rest() -> None:
    x = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    x[0] = 0
    x[0, 0, 15, 15] = 1  # a window of 15 does not see it here, and does where it is moved
    net = nn.Sequential(nn.Conv2d(1, 2, 15, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    found = layer_errors(ExactModel(net), Samples.of(x))
    assert found[0].shift_error < 50


def test_a_module_that_is_called_twice_is_told_apart() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.act(x) - 0.5).mean((2, 3))

    assert [e.name for e in layer_errors(ExactModel(Twice()), noise())] == ["act", "act#2"]


def test_model_is_left_as_found() -> None:
    net = Net(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    layer_errors(ExactModel(net), noise())
    assert net.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_does_not_depend_on_the_size_of_a_batch() -> None:
    one, other = (errors(conv(1, 4, kernel_size=3), nn.MaxPool2d(2), batch=b) for b in (3, 8))
    for name, e in one.items():
        # float32 rounding of sums that another batch may run in another order
        assert e.shift_error == pytest.approx(other[name].shift_error, abs=1e-6)


def test_samples_of_another_size() -> None:
    with pytest.raises(UsageError, match="measured on samples of the model's input size"):
        layer_errors(ExactModel(Net(nn.ReLU()), size=(8, 8)), noise())
