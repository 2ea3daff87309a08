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
    Subsample,
    SubsamplePair,
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


def test_unknown_names_are_refused() -> None:
    with pytest.raises(
        UsageError, match=r"`strid` is not a downsampling operator\. Did you mean `stride`\?"
    ):
        downsampling_of("strid")
    with pytest.raises(UsageError, match=r"`mean` is not a pool\. Known: `average`, `conv`, `max`"):
        pool("mean", "stride", 1, kernel_size=2, stride=2, padding="zeros")


def test_parameters_of_a_learned_pool_keep_their_numbers_behind_a_far_border() -> None:
    layer = pool("conv", "polyphase", 3, kernel_size=2, stride=2, padding="reflect")
    assert list(layer.state_dict()) == ["0.weight", "0.bias"]
    assert [name for name, _ in layer.named_children()] == ["far", "0", "1", "2"]
    circular = pool("conv", "polyphase", 3, kernel_size=2, stride=2, padding="circular")
    assert list(circular.state_dict()) == ["0.weight", "0.bias"]
    assert [name for name, _ in circular.named_children()] == ["windows", "0", "1"]
