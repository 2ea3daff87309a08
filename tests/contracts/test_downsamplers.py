"""What every kind of downsampling promises; a new line in `DOWNSAMPLINGS` is found by these."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from neocog.layers.blocks import PADDINGS
from neocog.layers.downsample import (
    DOWNSAMPLINGS,
    POOLS,
    max_pool,
    operator_stride,
    pool,
    reduce,
    reduce_pair,
)

each = pytest.mark.parametrize("kind", DOWNSAMPLINGS)
STRIDES = [(2, 2), (3, 3), (4, 4), (2, 3), (1, 2), (2,), (3,)]
LAYOUTS = (torch.contiguous_format, torch.channels_last)


def down(kind: str, stride: tuple[int, ...], *, padding: str = "circular") -> nn.Module:
    torch.manual_seed(0)
    return DOWNSAMPLINGS[kind].reduce(3, stride, padding).eval()


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@each
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("padding", PADDINGS)
def test_one_sample_of_every_s_is_left(kind: str, stride: tuple[int, ...], padding: str) -> None:
    torch.manual_seed(0)
    one = DOWNSAMPLINGS[kind].reduce(3, stride, padding)
    two = DOWNSAMPLINGS[kind].reduce_pair((3, 5), stride, padding)
    for size in ((12, 12), (13, 7), (2, 1), (1, 24)):
        space = size[: len(stride)]
        want = tuple(math.ceil(n / s) for n, s in zip(space, stride, strict=True))
        for mode in (True, False):
            assert one.train(mode)(drawn(2, 3, *space)).shape == (2, 3, *want)
            main, short = two.train(mode)(drawn(2, 3, *space), drawn(2, 5, *space))
            assert (main.shape, short.shape) == ((2, 3, *want), (2, 5, *want))


@each
@pytest.mark.parametrize("stride", STRIDES)
def test_a_pair_keeps_the_same_samples_of_both(kind: str, stride: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    pair = DOWNSAMPLINGS[kind].reduce_pair((3, 3), stride, "circular").eval()
    x = drawn(4, 3, 12, 12)[(..., *[slice(None)] * (len(stride) - 1))]
    x = x if len(stride) == 2 else x[..., 0]
    main, short = pair(x, -2 * x)
    torch.testing.assert_close(short, -2 * main)


@each
@pytest.mark.parametrize("stride", [(2, 2), (3,)])
def test_the_parts_of_a_choice_are_the_whole(kind: str, stride: tuple[int, ...]) -> None:
    downsampling = DOWNSAMPLINGS[kind]
    if downsampling.choose is None:
        assert downsampling.take is None
        assert downsampling.prepare is None
        return
    assert downsampling.take is not None
    x = drawn(4, 3, 12, 12) if len(stride) == 2 else drawn(4, 3, 12)
    torch.manual_seed(0)
    choose = downsampling.choose(3, stride, "circular").eval()
    ready = x if downsampling.prepare is None else downsampling.prepare(stride, "circular")(x)
    assert torch.equal(downsampling.take(stride)(ready, choose(x)), down(kind, stride)(x))


@each
@pytest.mark.parametrize("padding", PADDINGS)
def test_a_constant_map_stays_constant(kind: str, padding: str) -> None:
    layer = down(kind, (2, 3), padding=padding)
    for mode in (True, False):
        y = layer.train(mode)(torch.full((2, 3, 12, 12), 3.0))
        torch.testing.assert_close(y, torch.full_like(y, 3.0))


@each
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_type_of_the_numbers_is_kept(kind: str, dtype: torch.dtype) -> None:
    x = drawn(2, 3, 8, 8).to(dtype)
    assert down(kind, (2, 2)).to(dtype)(x).dtype == dtype
    assert down(kind, (2,)).to(dtype)(x[..., 0]).dtype == dtype
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = down(kind, (2, 2))(drawn(2, 3, 8, 8))
    assert y.dtype in (torch.float32, torch.bfloat16)
    # bfloat16 has 8 bits; a choice may fall on another phase only where norms agree to them.
    torch.testing.assert_close(y.float(), down(kind, (2, 2))(drawn(2, 3, 8, 8)), rtol=0.1, atol=0.1)


@each
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("training", [True, False])
def test_the_layout_of_map_and_gradient_is_kept(
    kind: str, layout: torch.memory_format, training: bool
) -> None:
    plain = drawn(2, 3, 8, 6)
    x = plain.to(memory_format=layout).requires_grad_()
    layer = down(kind, (2, 2)).train(training)
    torch.manual_seed(1)
    y = layer(x)
    assert y.is_contiguous(memory_format=layout) or kind == "stride"  # which is a view
    (g,) = torch.autograd.grad(y, x, torch.ones_like(y))
    assert g.is_contiguous(memory_format=layout) or kind == "stride"
    torch.manual_seed(1)
    # Other sums by other kernels: float32 rounding.
    torch.testing.assert_close(y, layer(plain))


@each
@pytest.mark.parametrize("stride", [(2, 2), (2, 3), (3,)])
def test_gradients(kind: str, stride: tuple[int, ...]) -> None:
    layer = down(kind, stride).double()
    x = drawn(2, 3, 6, 6).double()
    x = (x if len(stride) == 2 else x[..., 0]).requires_grad_()
    for mode in (True, False):

        def sampled(x: Tensor, mode: bool = mode) -> Tensor:
            torch.manual_seed(0)
            return layer.train(mode)(x)

        assert torch.autograd.gradcheck(sampled, x)


@each
def test_one_sample_does_not_change_the_answer_for_another(kind: str) -> None:
    layer, x = down(kind, (2, 2)), drawn(5, 3, 8, 8)
    order = torch.tensor([3, 1, 4, 0, 2])
    # Other batch shapes take other kernels: float32 rounding.
    torch.testing.assert_close(layer(x[order]), layer(x)[order])
    torch.testing.assert_close(layer(x[:1]), layer(x)[:1])
    assert layer(x[:0]).shape == (0, 3, 4, 4)


@each
def test_same_seed_same_answer(kind: str) -> None:
    x = drawn(4, 3, 8, 8)
    for mode in (True, False):
        answers = []
        for _ in range(2):
            layer = down(kind, (2, 2)).train(mode)
            torch.manual_seed(7)
            answers.append(layer(x))
        assert torch.equal(*answers)
    state = torch.get_rng_state()
    down_again = down(kind, (2, 2))
    torch.set_rng_state(state)
    assert torch.equal(down_again(x), down_again(x))
    assert torch.equal(torch.get_rng_state(), state), "evaluation draws no numbers"


@each
@pytest.mark.parametrize("stride", [(2, 3), (2,)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_exports_with_a_batch_of_any_size(kind: str, stride: tuple[int, ...]) -> None:
    layer = down(kind, stride)
    space = (12, 9)[: len(stride)]
    program = torch.export.export(
        layer, (drawn(3, 3, *space),), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    x = drawn(5, 3, *space, seed=1)
    torch.testing.assert_close(program.module()(x), layer(x))


@each
@pytest.mark.parametrize("operator", POOLS)
def test_parameters_have_the_names_that_they_have_with_strides(kind: str, operator: str) -> None:
    frame = {"kernel_size": 2, "stride": 2, "padding": "circular"}
    plain = pool(operator, "stride", 3, **frame).state_dict()
    other = pool(operator, kind, 3, **frame).state_dict()
    assert list(plain) == [k for k in other if "choose" not in k]
    assert {k: v.shape for k, v in plain.items()}.items() <= {
        k: v.shape for k, v in other.items()
    }.items()
    assert len(other) == len(plain) or kind == "learned_polyphase"


@each
@pytest.mark.parametrize("operator", POOLS)
@pytest.mark.parametrize("padding", PADDINGS)
def test_a_pool_leaves_the_samples_that_it_leaves_with_strides(
    kind: str, operator: str, padding: str
) -> None:
    windows = [(2, 0), (3, 0), (3, 1), (4, 1)]
    for (kernel, pad), stride in itertools.product(windows, (2, 3)):
        frame = {"kernel_size": kernel, "stride": stride, "padding": padding, "pad": pad}
        layer = pool(operator, kind, 3, **frame)
        for size in ((12, 12), (11, 7), (6, 5)):
            x = drawn(2, 3, *size)
            want = pool(operator, "stride", 3, **frame)(x).shape
            assert layer(x).shape == want, (frame, size)
            assert layer(x).isfinite().all()


@each
@pytest.mark.parametrize("operator", POOLS)
@pytest.mark.parametrize("stride", [2, 3, 4])
def test_A6_a_pool_moves_with_the_map_by_whole_strides(
    kind: str, operator: str, stride: int
) -> None:
    torch.manual_seed(0)
    frame = {"kernel_size": stride, "stride": stride, "padding": "circular"}
    layer = pool(operator, kind, 3, **frame).double().eval()
    x = drawn(2, 3, 12, 12).double()
    moved = layer(x.roll((stride, -stride), (2, 3)))
    # float64 rounding of values around 1.
    torch.testing.assert_close(moved, layer(x).roll((1, -1), (2, 3)), rtol=0, atol=1e-12)


@each
def test_nothing_is_left_to_do_without_a_stride(kind: str) -> None:
    assert isinstance(reduce(kind, 3, stride=1, padding="zeros"), nn.Identity)
    main, short = reduce_pair(kind, (3, 3), stride=1, padding="zeros")(1, 2)
    assert (main, short) == (1, 2)
    assert operator_stride(kind, 1) == (1, 1)
    x = drawn(1, 3, 5, 5)
    alone = max_pool(kind, 3, kernel_size=2, stride=1, padding="zeros")(x)
    assert torch.equal(alone, nn.MaxPool2d(2, 1)(x))
