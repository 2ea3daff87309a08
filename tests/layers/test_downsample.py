import pytest
import torch
from torch import nn

from neocog.errors import UsageError
from neocog.layers.downsample import (
    DOWNSAMPLINGS,
    POOLS,
    Downsampling,
    activation_then_reduce,
    average_pool,
    downsampling_of,
    max_pool,
    operator_stride,
    pool,
    reduce,
    reduce_pair,
)
from neocog.layers.subsample import (
    AsTheyAre,
    FarBorder,
    Subsample,
    SubsamplePair,
    far_border,
    subsample,
)

GRID = torch.tensor([[6.0, 1, 2, 4], [1, 6, 7, 8], [3, 5, 2, 0], [1, 2, 3, 4]]).reshape(1, 1, 4, 4)


@pytest.fixture
def unfolded(monkeypatch: pytest.MonkeyPatch) -> str:
    kind = Downsampling(
        folded=False,
        reduce=lambda channels, stride, padding: Subsample(stride),
        reduce_pair=lambda channels, stride, padding: SubsamplePair(stride),
    )
    monkeypatch.setitem(DOWNSAMPLINGS, "unfolded", kind)
    return "unfolded"


def test_C2_pools_of_the_lectures() -> None:
    largest = max_pool("stride", 1, kernel_size=2, stride=2, padding="zeros")(GRID)
    mean = average_pool("stride", 1, kernel_size=2, stride=2, padding="zeros")(GRID)
    assert largest[0, 0].tolist() == [[6, 8], [5, 4]]
    assert mean[0, 0].tolist() == [[3.5, 5.25], [2.75, 2.25]]
    nine = torch.arange(9.0).reshape(1, 1, 3, 3)
    overlap = max_pool("stride", 1, kernel_size=2, stride=1, padding="zeros")(nine)
    assert overlap[0, 0].tolist() == [[4, 5], [7, 8]]


def test_stride_leaves_plain_modules() -> None:
    assert operator_stride("stride", 3) == (3, 3)
    assert type(max_pool("stride", 1, kernel_size=2, stride=2, padding="circular")) is nn.MaxPool2d
    assert type(average_pool("stride", 1, kernel_size=2, stride=2, padding="zeros")) is nn.AvgPool2d
    assert isinstance(reduce("stride", 1, stride=2, padding="zeros"), nn.Identity)
    assert isinstance(reduce_pair("stride", (1, 1), stride=2, padding="zeros"), AsTheyAre)
    act = nn.ReLU()
    assert activation_then_reduce(act, "stride", 1, stride=2, padding="zeros") is act


def test_another_kind_follows_the_operator(unfolded: str) -> None:
    assert operator_stride(unfolded, 3) == (1, 1)
    both = activation_then_reduce(nn.ReLU(), unfolded, 1, stride=2, padding="zeros")
    assert both(-GRID).shape == (1, 1, 2, 2)
    assert isinstance(reduce(unfolded, 1, stride=1, padding="zeros"), nn.Identity)
    main, short = reduce_pair(unfolded, (1, 1), stride=2, padding="zeros")(GRID, 2 * GRID)
    assert torch.equal(2 * main, short)
    assert main[0, 0].tolist() == [[6, 2], [3, 2]]


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("size", [(6, 6), (7, 9)])
def test_a_pool_at_stride_is_a_pool_and_then_every_sth_sample(
    kind: str, size: tuple[int, int], unfolded: str
) -> None:
    x = torch.randn(2, 3, *size)
    one = pool(kind, "stride", 3, kernel_size=3, stride=2, padding="zeros")
    two = pool(kind, unfolded, 3, kernel_size=3, stride=2, padding="zeros")
    two.load_state_dict(one.state_dict())
    # The same sums by other kernels: float32 rounding.
    torch.testing.assert_close(one(x), two(x))


def test_C3_learned_pool_has_the_kernel_and_stride_of_the_pool() -> None:
    learned = pool("conv", "stride", 3, kernel_size=3, stride=2, padding="zeros")
    plain = nn.Sequential(nn.Conv2d(3, 3, 3, stride=2), nn.ReLU())
    plain.load_state_dict(learned.state_dict())
    x = torch.randn(2, 3, 9, 9)
    assert torch.equal(learned(x), plain(x))


def test_max_pool_with_a_border() -> None:
    zero = max_pool("stride", 1, kernel_size=3, stride=2, padding="zeros", pad=1)
    assert zero(-GRID)[0, 0, 0, 0] == -1  # what lies outside has no part in the maximum
    circular = max_pool("stride", 1, kernel_size=3, stride=2, padding="circular", pad=1)
    assert circular(GRID)[0, 0].tolist() == [[8, 8], [8, 8]]
    replicate = max_pool("stride", 1, kernel_size=3, stride=2, padding="replicate", pad=1)
    assert replicate(GRID)[0, 0].tolist() == [[6, 8], [6, 8]]


def test_average_pool_with_a_border_counts_it() -> None:
    pooled = average_pool("stride", 1, kernel_size=2, stride=2, padding="zeros", pad=1)(GRID)
    assert pooled[0, 0, 0, 0] == 6 / 4


def test_subsample_is_a_view() -> None:
    assert subsample(GRID, (2, 1)).shape == (1, 1, 2, 4)
    assert subsample(GRID, (2, 2)).data_ptr() == GRID.data_ptr()
    assert "stride=(2, 2)" in repr(Subsample((2, 2)))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(
        UsageError, match=r"`strid` is not a downsampling operator\. Did you mean `stride`\?"
    ):
        downsampling_of("strid")
    with pytest.raises(UsageError, match=r"`mean` is not a pool\. Known: `average`, `conv`, `max`"):
        pool("mean", "stride", 1, kernel_size=2, stride=2, padding="zeros")


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("pad", [0, 1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_a_far_border_leaves_whole_strides_behind(kernel: int, pad: int, stride: int) -> None:
    for n in range(kernel, 14):
        x = torch.ones(1, 1, n)
        more = far_border(x, (kernel,), stride=(stride,), pad=(pad,), padding="zeros").shape[2] - n
        windows = n + 2 * pad - kernel + 1
        left = (windows - 1) // stride + 1
        assert -(-(windows + more) // stride) == left, "as many samples as with the stride"
        assert more < max(1, kernel - 2 * pad), "no window sees nothing but the border"
        if more < max(0, kernel - 1 - 2 * pad):
            assert (windows + more) % stride == 0


def test_a_far_border_wraps_a_window_of_two() -> None:
    pooled = max_pool("polyphase", 1, kernel_size=2, stride=2, padding="circular")
    # Maxima of all windows on the circle, rows and columns; its largest phase is (0, 0).
    x = torch.tensor([[0.0, 9], [8, 1]])[None, None]
    assert pooled(x).tolist() == [[[[9]]]]
    edge = FarBorder((2, 2), stride=(2, 2), pad=(0, 0), padding="-inf")
    assert edge(x)[0, 0].tolist() == [[0, 9, -torch.inf], [8, 1, -torch.inf], [-torch.inf] * 3]
    assert "(2, 2), stride=(2, 2), pad=(0, 0), padding=-inf" in repr(edge)
    mean = average_pool("polyphase", 1, kernel_size=2, stride=2, padding="zeros")
    # The edge is repeated, not darkened: the phase (0, 1) has the mean of 9, 1 and their copies.
    assert mean(torch.tensor([[0.0, 9], [0, 9]])[None, None]).tolist() == [[[[9]]]]


def test_parameters_of_a_learned_pool_keep_their_numbers_behind_a_far_border() -> None:
    layer = pool("conv", "polyphase", 3, kernel_size=2, stride=2, padding="reflect")
    assert list(layer.state_dict()) == ["0.weight", "0.bias"]
    assert [name for name, _ in layer.named_children()] == ["far", "0", "1", "2"]
    circular = pool("conv", "polyphase", 3, kernel_size=2, stride=2, padding="circular")
    assert list(circular.state_dict()) == ["0.weight", "0.bias"]
    assert [name for name, _ in circular.named_children()] == ["windows", "0", "1"]
