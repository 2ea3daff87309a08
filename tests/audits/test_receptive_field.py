import warnings
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audits.fields import fields_of, figures
from tests.audits.graphs import GRAPHS, Vit
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.audits.gradient_field import gradient_support
from neocog.audits.receptive_field import receptive_field
from neocog.errors import ModelError, UsageError
from neocog.layers.downsample import SAMPLINGS
from neocog.layers.polyphase import ChoosePhase, PolyphaseUp, TakePhase
from neocog.networks.catalog import NETWORKS, build
from neocog.types import Window

# Against gradients


def box(support: Tensor) -> tuple:
    """First and last sample along each axis."""
    found = []
    for d in range(support.dim()):
        line = (
            support.any([e for e in range(support.dim()) if e != d])
            if d or support.dim() > 1
            else support
        )
        places = line.nonzero().flatten().tolist()
        found.append((places[0], places[-1]) if places else None)
    return tuple(found)


@pytest.mark.parametrize("name", GRAPHS)
def test_every_layer_sees_what_gradients_reach(name: str) -> None:
    make, size = GRAPHS[name]
    module = make()
    fields = receptive_field(module, size)
    assert (fields.status, fields.unknown) == ("complete", ())
    assert all(f.known for f in fields.layers)
    for f in fields.layers[:: max(1, len(fields.layers) // 12)] + fields.layers[-1:]:
        assert f.middle == box(gradient_support(module, size, f.name)), f.name


CONV = st.builds(
    lambda k, s, p, d: nn.Conv1d(1, 1, k, s, p, d),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(1, 3),
)
POOL = st.builds(
    lambda k, s, p, c: nn.MaxPool1d(k, s, min(p, k // 2), ceil_mode=c),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 2),
    st.booleans(),
)
UP = st.one_of(
    st.builds(
        lambda k, s, p: nn.ConvTranspose1d(1, 1, k, s, min(p, k - 1)),
        st.integers(1, 5),
        st.integers(1, 3),
        st.integers(0, 2),
    ),
    st.builds(
        lambda f, mode: nn.Upsample(scale_factor=f, mode=mode),
        st.sampled_from([2, 3, 0.5, 1.5]),
        st.sampled_from(["nearest", "linear"]),
    ),
)


class Step(nn.Module):
    """A slice with a step."""

    def __init__(self, start: int, step: int) -> None:
        super().__init__()
        self.cut = slice(start, None, step)

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, self.cut]


STEP = st.builds(Step, st.integers(0, 2), st.integers(1, 3))
STACK = st.lists(st.one_of(CONV, POOL, UP, STEP), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(layers=STACK, seed=st.integers(0, 9))
def test_random_stacks_see_what_gradients_reach(layers: list, seed: int) -> None:
    net = nn.Sequential(*layers)
    size = (1, 61 + seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            n = net(torch.zeros(1, *size)).shape[-1]
    except RuntimeError:
        return  # too small
    if n == 0:
        return
    f = receptive_field(net, size).of("")
    assert f.known
    lo, hi = f.middle[0] or (0, 0)
    if f.receptive_field[0] > 25 or lo < 25 or hi > size[1] - 26:
        return  # the middle element looks at a border, where paddings count as samples
    support = gradient_support(net, size).nonzero().flatten().tolist()
    assert (min(support), max(support)) == (lo, hi)


@settings(max_examples=60, deadline=None)
@given(layers=st.lists(st.one_of(CONV, POOL), min_size=1, max_size=6))
def test_forward_stacks_follow_the_recurrence(layers: list) -> None:
    field, jump, start = 1, 1, 0
    for m in layers:
        k, s, p, d = (
            v if isinstance(v, int) else v[0]
            for v in (m.kernel_size, m.stride, m.padding, m.dilation)
        )
        start -= p * jump
        field += d * (k - 1) * jump
        jump *= s
    try:
        f = receptive_field(nn.Sequential(*layers), (1, 400)).of("")
    except ModelError:
        return  # too small
    assert (f.receptive_field, f.jump, f.start) == ((field,), (jump,), (start,))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_understood(name: str) -> None:
    f = fields_of(name, (3, 64, 64))
    assert (f.status, f.unknown) == ("complete", ())
    assert f.of("").whole == (True, True)


# Single rules by hand


def only(module: nn.Module, size: tuple[int, ...]):
    f = receptive_field(module, size)
    assert f.status == "complete", f.unknown
    return f.of("")


@pytest.mark.parametrize(
    ("module", "size", "expected"),
    [
        (nn.Conv2d(1, 1, (1, 5), padding=(0, 2)), (1, 8, 8), ((1, 5), (1, 1), (0, -2))),
        (nn.Conv2d(1, 1, 3, dilation=(1, 4)), (1, 16, 16), ((3, 9), (1, 1), (0, 0))),
        (nn.ConvTranspose2d(1, 1, 2, stride=2), (1, 4, 4), ((1, 1), (0.5, 0.5), (0, 0))),
        (nn.ConvTranspose1d(1, 1, 4, stride=2, padding=1), (1, 8), ((2,), (0.5,), (-1,))),
        (nn.Upsample(scale_factor=3), (1, 4, 4), ((1, 1), (Fraction(1, 3),) * 2, (0, 0))),
        (nn.PixelShuffle(2), (4, 4, 4), ((1, 1), (0.5, 0.5), (0, 0))),
        (nn.PixelUnshuffle(2), (1, 8, 8), ((1, 1), (2, 2), (0, 0))),
        (nn.CircularPad2d(2), (1, 8, 8), ((1, 1), (1, 1), (-2, -2))),
        (nn.ReflectionPad2d((1, 2, 3, 0)), (1, 8, 8), ((1, 1), (1, 1), (-3, -1))),
        (nn.ReplicationPad1d(1), (1, 8), ((1,), (1,), (-1,))),
        (nn.ZeroPad2d(-1), (1, 8, 8), ((1, 1), (1, 1), (1, 1))),
        (nn.AvgPool2d(3, 2, ceil_mode=True), (1, 8, 8), ((3, 3), (2, 2), (0, 0))),
        (nn.AdaptiveAvgPool2d(4), (1, 8, 8), ((2, 2), (2, 2), (0, 0))),
        (nn.BatchNorm2d(3), (3, 8, 8), ((1, 1), (1, 1), (0, 0))),
    ],
)
def test_size_jump_and_start(module: nn.Module, size: tuple, expected: tuple) -> None:
    f = only(module, size)
    assert (f.receptive_field, f.jump, f.start) == expected


@pytest.mark.parametrize(
    "module",
    [
        nn.AdaptiveAvgPool2d(1),
        nn.AdaptiveMaxPool2d(1),
        nn.InstanceNorm2d(2),
        nn.GroupNorm(1, 2),
        nn.LayerNorm([2, 8, 6]),
        nn.Sequential(nn.Flatten(), nn.Linear(96, 3)),
        nn.Sequential(nn.Flatten(2), nn.Softmax(2)),
    ],
)
def test_what_is_summed_up_sees_the_whole_picture(module: nn.Module) -> None:
    f = only(module, (2, 8, 6))
    assert (f.receptive_field, f.whole, f.start) == ((8, 6), (True, True), (0, 0))
    assert f.jump == (None, None)


def test_one_axis_may_be_summed_up_alone() -> None:
    class Rows(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean(3)

    f = only(Rows(), (1, 8, 6))
    assert (f.receptive_field, f.whole, f.jump) == ((1, 6), (False, True), (1, None))


def test_a_pool_that_misses_the_last_row_does_not_see_the_whole_picture() -> None:
    f = only(nn.Sequential(nn.Conv2d(1, 1, 2, 2), nn.AdaptiveAvgPool2d(1)), (1, 7, 8))
    assert (f.receptive_field, f.whole) == ((6, 8), (False, True))


def test_attention_sees_everything_and_patches_do_not() -> None:
    f = receptive_field(Vit(), (3, 16, 16))
    assert f.of("patches").receptive_field == (4, 4)
    assert f.of("blocks.0.norm1").receptive_field == (4, 4)
    assert f.of("blocks.0.norm1").jump == (None, None)  # a row of tokens has no two directions
    assert f.of("blocks.0").whole == (True, True)


def test_a_branch_joins_by_the_smallest_interval_that_holds_both() -> None:
    class Branches(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.pad(x, (4, 0))[:, :, :-4] + F.pad(x, (0, 2))[:, :, 2:]

    f = only(Branches(), (1, 9))
    assert (f.receptive_field, f.jump, f.start) == ((7,), (1,), (-4,))


def test_a_single_element_keeps_its_jump_through_added_and_dropped_axes() -> None:
    net = nn.Sequential(nn.Conv1d(1, 1, 3, 3), nn.MaxPool1d(2), nn.Conv1d(1, 1, 3, padding=1))
    f = only(net, (1, 6))
    assert (f.receptive_field, f.jump, f.start) == ((18,), (6,), (-6,))


def test_what_is_transformed_sees_all_along_these_axes() -> None:
    class Spectrum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.fft.fft(x, dim=3).real

    f = only(Spectrum(), (1, 8, 6))
    assert (f.receptive_field, f.whole, f.jump) == ((1, 6), (False, True), (1, None))


def test_in_place_views() -> None:
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, (1, 3))

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x).transpose_(2, 3)
            return torch.cat(torch.ops.aten.unsafe_split(y, 3, 2), 2)

    f = only(Turned(), (1, 8, 8))
    assert (f.receptive_field, f.jump, f.output) == ((1, 3), (1, 1), (2, 6, 8))


def test_numbers_that_do_not_depend_on_the_input_see_nothing() -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.ones(1, 2, 3, 3) * 2

    f = only(Constant(), (1, 8, 8))
    assert (f.receptive_field, f.middle, f.known) == ((0, 0), (None, None), True)


def test_what_is_written_through_a_view_is_seen_through_all_views() -> None:
    class Writes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blur = nn.Conv1d(1, 1, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            y = torch.zeros(1, 2, 8)
            first = y[:, 0]
            y.view(1, 2, 2, 4)[:, :1] = self.blur(x).view(1, 1, 2, 4)
            y[:, 1:].add_(x)
            self.seen = first
            return y

    fields = receptive_field(Writes(), (1, 8))
    f = fields.of("")
    assert (f.receptive_field, f.jump, f.start) == ((3,), (1,), (-1,))
    assert f.middle == ((4, 4),)  # element 4 of channel 1, which saw no blur


def test_an_unused_old_value_is_forgotten() -> None:
    class Over(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = F.avg_pool1d(x, 5, 1, 2)
            y[...] = x
            return y.relu_()

    assert only(Over(), (1, 8)).receptive_field == (1,)


# What is not understood


class Picks(nn.Module):
    """Samples at an index that is found in the data."""

    def __init__(self, geometry: tuple | None = None) -> None:
        super().__init__()
        self.after = nn.ReLU()
        self.pick = Picking()
        if geometry is not None:
            self.pick.geometry = geometry

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.pick(x))


class Picking(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        best = x.view(1, 1, -1, 2).square().sum((1, 2)).argmax(1)
        return x.view(1, 1, -1, 2).gather(
            3, best.view(1, 1, 1, 1).expand(1, 1, x.shape[2] // 2, 1)
        )[..., 0]


def test_an_index_from_the_data_is_unknown_and_so_is_what_follows() -> None:
    f = receptive_field(Picks(), (1, 8))
    assert (f.status, f.unknown) == ("partial", ("aten.gather",))
    assert not f.of("after").known
    assert f.of("after").receptive_field == ()
    assert "unknown" in str(f.table().rows)
    assert "aten.gather" in f.section().text


def test_a_module_may_declare_what_it_looks_at() -> None:
    f = receptive_field(Picks((Window(kernel=2, stride=2),)), (1, 8))
    assert (f.status, f.unknown) == ("complete", ())
    assert (f.of("").receptive_field, f.of("").jump, f.of("").start) == ((2,), (2,), (0,))
    f = receptive_field(Picks((None,)), (1, 8))
    assert f.of("").whole == (True,)


def test_samples_put_back_at_their_phase() -> None:
    class DownUp(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.choose, self.take, self.put = ChoosePhase(2), TakePhase(2), PolyphaseUp(2)

        def forward(self, x: Tensor) -> Tensor:
            phase = self.choose(x)
            return self.put(self.take(x, phase), phase, x.shape[2:])

    f = receptive_field(DownUp(), (1, 8, 6))
    assert (f.of("take").receptive_field, f.of("take").jump) == ((2, 2), (2, 2))
    assert (f.of("").receptive_field, f.of("").jump, f.of("").start) == ((2, 2), (1, 1), (0, 0))
    assert f.status == "complete"


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_every_sampling_is_understood(sampling: str) -> None:
    options = {"sampling": sampling, "padding": "circular"}
    net = build("resnet20", classes=3, channels=1, size=(24, 24), options=options)
    f = receptive_field(net, (1, 24, 24))
    assert (f.status, f.unknown) == ("complete", ())
    if sampling == "ideal":
        assert f.of("layer3").whole == (True, True)
    else:
        assert figures(f.of("layer3"))[1] == 4
        assert (
            f.of("layer3").receptive_field[0]
            >= fields_of("resnet20", (1, 24, 24)).of("layer3").receptive_field[0]
        )


def test_an_operation_without_a_rule_is_named() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.svdvals(x)

    f = receptive_field(nn.Sequential(nn.Conv2d(1, 1, 3), Odd(), nn.ReLU()), (1, 8, 8))
    assert f.unknown == ("aten._linalg_svd",)
    assert [layer.known for layer in f.layers] == [True, False, False, False]


def test_a_weight_made_from_the_picture_reaches_everything_where_no_rule_says_how() -> None:
    class Styled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.layer_norm(x, (8,), weight=x.mean((0, 1)))

    assert receptive_field(Styled(), (1, 8)).status == "partial"


# The frame


def test_the_module_is_left_as_found() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1)).train()
    net[1].weight.requires_grad_(False)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    receptive_field(net, (1, 8, 8))
    assert net.training
    assert not net[1].weight.requires_grad
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_a_size_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ModelError, match=r"fails on one of 3×8×8 \(RuntimeError: .*Give the size"):
        receptive_field(nn.Conv2d(1, 2, 3), (3, 8, 8))


def test_a_layer_that_did_not_run_is_refused() -> None:
    f = receptive_field(nn.Sequential(nn.ReLU()), (1, 8, 8))
    with pytest.raises(UsageError, match="`1` is no layer that ran"):
        f.of("1")


def test_json_is_plain() -> None:
    f = receptive_field(nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(1, 1, 3)), (1, 8, 8))
    layers = {row["name"]: row for row in f.to_json()["layers"]}
    assert layers["1"]["jump"] == [0.5, 0.5]
    assert isinstance(layers[""]["receptive_field"], tuple | list)
    import json

    assert json.loads(json.dumps(f.to_json()))["status"] == "complete"


def test_every_operation_has_its_tensor() -> None:
    f = receptive_field(nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU()), (1, 8, 8))
    assert [(t.name, t.kind) for t in f.tensors] == [("0", "convolution"), ("1", "relu")]
