"""Fields of operators in all their modes, on maps of one column too, against gradients.

Some kernels are not themselves on a single row or column: who probes them there gets fields that
are wrong and look complete.
"""

from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.graph.cost import cost
from neocog.graph.gradient_field import _Passing, _positive
from neocog.graph.operations import watching
from neocog.graph.reach.intervals import Reach
from neocog.graph.reach.trace import Tracer
from neocog.graph.receptive_field import receptive_field

Size = tuple[int, ...]
SIZES: tuple[Size, ...] = ((1, 8, 6), (1, 5, 1), (1, 1, 1), (1, 2, 3))


class Of(nn.Module):
    """A function as a module."""

    def __init__(self, f: Callable[..., Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.f, self.parts = f, nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        return self.f(x, *self.parts)


def followed(module: nn.Module, size: Size) -> tuple[Tensor, tuple[Reach, ...]]:
    x = torch.zeros(1, *size)
    tracer = Tracer(x)
    with torch.no_grad(), watching(module, tracer.operation):
        y = module.eval()(x)
    known = tracer.tracked.get(y)
    assert isinstance(known, tuple), tracer.unknown
    return y, known


def true_fields(module: nn.Module, size: Size) -> list[tuple[Tensor, Tensor]]:
    """First and last sample that each element depends on, along each axis; -1 last for none."""
    twin = _positive(module, 0)
    x = torch.rand(1, *size, dtype=torch.float64) + 0.5
    with _Passing():
        there = torch.autograd.functional.jacobian(twin, x).abs() > 1e-13  # float64 has 1e-16
    axes, found = len(size) - 1, []
    for a in range(axes):
        keep = there.dim() - axes + a
        some = [d for d in range(there.dim() - axes - 2, there.dim()) if d != keep]
        line = there.amax(some)
        index = torch.arange(size[1 + a])
        found.append((torch.where(line, index, 99).amin(-1), torch.where(line, index, -1).amax(-1)))
    return found


def wrong(module: nn.Module, size: Size, *, exactly: bool = True) -> str:
    """Where fields and gradients differ; empty where they do not."""
    torch.manual_seed(0)
    _, known = followed(module, size)
    for r, (lo, hi), n in zip(known, true_fields(module, size), size[1:], strict=True):
        said_lo, said_hi = (v.clamp(0, n - 1) for v in r.full)
        some = hi >= 0
        differ = (said_lo != lo) | (said_hi != hi) if exactly else (said_lo > lo) | (said_hi < hi)
        if bool((differ & some).any()):
            at = (differ & some).nonzero()[0].tolist()
            return f"{module} of {size} at {at}"
    return ""


def runs(module: nn.Module, size: Size) -> bool:
    try:
        return module.eval()(torch.rand(1, *size)).numel() > 0
    except RuntimeError:
        return False


MODES = [
    (mode, align, antialias)
    for mode in ("nearest", "nearest-exact", "bilinear", "bicubic", "area")
    for align in ((None, True) if mode.startswith("bi") else (None,))
    for antialias in ((False, True) if mode.startswith("bi") else (False,))
]


RESIZES: tuple[dict[str, object], ...] = (
    {"scale_factor": 2},
    {"scale_factor": 1.5},
    {"scale_factor": 3},
    {"scale_factor": 0.5},
    {"size": (7, 9)},
    {"size": (4, 3)},
    {"size": (1, 5)},
)


@pytest.mark.parametrize(("mode", "align", "antialias"), MODES)
def test_interpolation(mode: str, align: bool | None, antialias: bool) -> None:
    for given, size in product(RESIZES, SIZES):
        resize = Of(
            lambda x, given=given: F.interpolate(
                x, mode=mode, align_corners=align, antialias=antialias, **given
            )
        )
        if runs(resize, size):
            assert wrong(resize, size) == ""


def test_antialiased_steps_are_those_of_the_kernel() -> None:
    up = nn.Sequential(
        Of(lambda x: F.interpolate(x, scale_factor=2, mode="bicubic", antialias=True))
    )
    f = receptive_field(up, (1, 9, 1)).of("0")
    assert (f.jump[0], f.receptive_field[0]) == (0.5, 4)


def test_pools_with_their_borders() -> None:
    for k, s, p, ceil in product((2, 3), (None, 1, 3), (0, 1), (False, True)):
        pools: list[nn.Module] = []
        if s is None and not p and ceil:
            pools += [nn.AdaptiveAvgPool2d(k + 3), nn.AdaptiveMaxPool2d((k, k + 4))]
        if p <= k // 2:
            pools.append(nn.MaxPool2d(k, s, p, ceil_mode=ceil))
            pools += [nn.AvgPool2d(k, s, p, ceil, counts) for counts in (True, False)]
        if p == 0 and k > 1:
            pools.append(nn.LPPool2d(3, k, s, ceil))
        for pool, size in product(pools, ((1, 8, 5), (1, 4, 1))):
            if runs(pool, size):
                assert wrong(pool, size) == ""


@pytest.mark.parametrize("transposed", [False, True])
def test_convolutions(transposed: bool) -> None:
    for k, s, p, d in product((1, 2, 3), (1, 2), (0, 1), (1, 2)):
        if transposed and p < k:
            convs: list[nn.Module] = [
                nn.ConvTranspose2d(1, 1, k, s, p, op, dilation=d) for op in range(min(2, max(s, d)))
            ]
        else:
            convs = [nn.Conv2d(1, 1, k, s, p, d)]
        for conv, size in product(convs, ((1, 6, 5), (1, 5, 1))):
            if runs(conv, size):  # a gap of a dilated window at the border may see nothing
                assert wrong(conv, size, exactly=p == 0 and d == 1) == ""


def test_windows_as_columns_and_back() -> None:
    for k, s, p, d in product((2, 3), (1, 2), (0, 1), (1, 2)):
        fold = Of(
            lambda x, a=(k, d, p, s): F.fold(F.unfold(x, *a), (5, 6), *a),
        )
        assert wrong(fold, (2, 5, 6)) == ""
        assert wrong(nn.Unfold(k, d, p, s), (2, 5, 6)) == ""


MOVES: dict[str, tuple[Callable[[], nn.Module], Size]] = {
    "shuffle": (lambda: nn.PixelShuffle(2), (4, 4, 3)),
    "unshuffle": (lambda: nn.PixelUnshuffle(2), (1, 6, 4)),
    "uneven border": (
        lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 0, 2)), nn.Conv2d(1, 1, 3, 2)),
        (1, 6, 7),
    ),
    "views in place": (
        lambda: Of(lambda x: x.clone().transpose_(2, 3).squeeze_(0).unsqueeze_(0).swapaxes_(2, 3)),
        (1, 5, 4),
    ),
    "as_strided_": (
        lambda: Of(lambda x: x.clone().as_strided_((1, 1, 2, 4), (20, 20, 8, 1), 4)),
        (1, 5, 4),
    ),
    "as_strided_, then written": (
        lambda: Of(lambda x: x.clone().as_strided_((1, 1, 3, 3), (20, 20, 4, 1)).add_(1) * 2),
        (1, 5, 4),
    ),
    "rot90": (lambda: Of(lambda x: x.rot90(1, (2, 3))), (1, 6, 4)),
    "t_": (lambda: Of(lambda x: x.clone()[0, 0].t_().view(1, 1, 4, 5)), (1, 5, 4)),
    "windows by a view": (lambda: Of(lambda x: x.unfold(2, 3, 2)), (1, 7, 6)),
    "running sum": (lambda: Of(lambda x: x.cumsum(2)), (1, 5, 4)),
    "a volume": (lambda: nn.Conv3d(1, 1, 3, 2), (1, 5, 4, 4)),
    "lstm": (
        lambda: Of(
            lambda x, m: m(x.transpose(1, 2))[0].transpose(1, 2), nn.LSTM(2, 3, batch_first=True)
        ),
        (2, 5),
    ),
    "gru": (
        lambda: Of(
            lambda x, m: m(x.transpose(1, 2))[0].transpose(1, 2), nn.GRU(2, 3, batch_first=True)
        ),
        (2, 5),
    ),
}


@pytest.mark.parametrize("name", MOVES)
def test_what_moves_elements_about(name: str) -> None:
    make, size = MOVES[name]
    assert wrong(make(), size) == ""


POINTWISE = [
    "relu",
    "relu6",
    "elu",
    "selu",
    "celu",
    "leaky_relu",
    "rrelu",
    "gelu",
    "silu",
    "mish",
    "sigmoid",
    "tanh",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "softplus",
    "softsign",
    "softshrink",
    "hardshrink",
    "tanhshrink",
    "logsigmoid",
]


@pytest.mark.parametrize("name", [*POINTWISE, "threshold"])
def test_pointwise_functions_see_themselves_and_cost_something(name: str) -> None:
    more = (0.1, 20.0) if name == "threshold" else ()
    inplace = name in ("hardswish", "mish", "rrelu", "threshold", "celu", "relu6", "silu", "elu")
    for way in ({}, {"inplace": True}) if inplace else ({},):
        f = Of(lambda x, way=way: getattr(F, name)(x.clone(), *more, **way))
        found = receptive_field(nn.Sequential(f), (1, 4, 3)).of("0")
        assert (found.known, found.receptive_field, found.jump) == (True, (1, 1), (1, 1))
        spent = cost(f, (1, 4, 3))
        assert (spent.status, spent.macs) == ("complete", 0)
        assert spent.flops >= 12


RECURRENT = [
    (nn.LSTM, 4, {}),
    (nn.LSTM, 4, {"bidirectional": True}),
    (nn.LSTM, 4, {"num_layers": 2, "bias": False}),
    (nn.LSTM, 4, {"proj_size": 2}),
    (nn.GRU, 3, {"batch_first": True}),
    (nn.GRU, 3, {"bidirectional": True}),
    (nn.RNN, 1, {"num_layers": 2}),
]


@pytest.mark.parametrize(("kind", "gates", "given"), RECURRENT)
@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("where", ["cpu", "meta"])
def test_recurrent_layers_have_the_macs_counted_by_hand(
    kind: type[nn.RNNBase], gates: int, given: dict[str, int], where: str
) -> None:
    inputs, hidden, steps = 3, 5, 7
    layer = kind(inputs, hidden, **given).to(where)
    order = (0, 2, 1) if layer.batch_first else (2, 0, 1)
    spent = cost(Of(lambda x, m: m(x.permute(order))[0], layer), (inputs, steps))
    state = layer.proj_size or hidden
    ways = 2 if layer.bidirectional else 1
    by_hand = steps * ways * gates * hidden * (inputs + state)
    by_hand += steps * gates * hidden * (hidden + hidden) * (layer.num_layers - 1)
    by_hand += steps * hidden * layer.proj_size  # the state made smaller
    assert (spent.macs, spent.status) == (by_hand, "complete")


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTMCell, 4), (nn.GRUCell, 3), (nn.RNNCell, 1)])
def test_recurrent_cells(kind: type[nn.RNNCellBase], gates: int) -> None:
    spent = cost(Of(lambda x, m: m(x[:, :, 0]), kind(3, 5)), (3, 7))
    assert (spent.macs, spent.status) == (gates * 5 * (3 + 5), "complete")


def test_an_operator_of_the_same_name_by_somebody_else_is_not_taken_for_ours() -> None:
    library = torch.library.Library("neocog_tests", "DEF")
    library.define("relu(Tensor x) -> Tensor")
    library.impl("relu", lambda x: x.flip(-1).cumsum(-1), "CPU")
    f = Of(lambda x: torch.ops.neocog_tests.relu(x))
    found = receptive_field(f, (1, 4, 3))
    assert (found.status, found.unknown) == ("partial", ("neocog_tests.relu",))
    assert cost(f, (1, 4, 3)).status == "partial"
