"""Circular padding in memory that is used again."""

import threading

import pytest
import torch
from torch import Tensor, nn

from neocog.layers._cpu import wrapped as module
from neocog.layers._cpu.wrapped import is_reusable, wrapped
from neocog.layers.blocks import CircularConv2d, extend


def channels_last(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    x = torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(sum(shape)))
    return x.to(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sides", [[(1, 1), (2, 0)], [(0, 3), (4, 4)], [(0, 0), (0, 0)]])
def test_it_is_the_circular_padding(sides: list[tuple[int, int]], dtype: torch.dtype) -> None:
    for size in ((9, 7), (4, 5), (12, 4)):  # larger, smaller, larger: the block grows and is kept
        x = channels_last(2, 3, *size, dtype=dtype)
        assert torch.equal(wrapped(x, sides), extend(x, sides, padding="circular"))


def test_layers_one_after_the_other_and_in_threads_do_not_disturb_each_other() -> None:
    torch.manual_seed(0)
    layers = [
        CircularConv2d(8, 8, 3, padding=1, padding_mode="circular", stride=s) for s in (1, 1, 2)
    ]
    ours = nn.Sequential(*layers).eval().to(memory_format=torch.channels_last)
    plain = nn.Sequential(
        *(nn.Conv2d(8, 8, 3, padding=1, padding_mode="circular", stride=s) for s in (1, 1, 2))
    ).eval()
    plain.load_state_dict(ours.state_dict())
    inputs = [channels_last(4, 8, 20 + 2 * i, 24) for i in range(4)]
    outputs: dict[int, list[Tensor]] = {i: [] for i in range(4)}

    def answer(i: int) -> None:
        for _ in range(5):
            with torch.inference_mode(), torch.no_grad():
                outputs[i].append(ours(inputs[i]))

    threads = [threading.Thread(target=answer, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answer(0)
    with torch.no_grad():  # outside of inference mode the same block is written to
        outputs[0].append(ours(inputs[0]))
        for i, values in outputs.items():
            for value in values:
                # The same sums in float32, in another order.
                torch.testing.assert_close(value, plain(inputs[i]), rtol=1e-5, atol=1e-5)


def test_it_serves_only_what_nobody_differentiates_and_what_fits() -> None:
    x, sides = channels_last(2, 3, 8, 8), [(1, 1), (1, 1)]
    weight = nn.Parameter(torch.zeros(3, 3, 3, 3))
    assert is_reusable(x, sides)
    assert not is_reusable(x, sides, weight)
    with torch.no_grad():
        assert is_reusable(x, sides, weight)
    assert not is_reusable(x, [(9, 0), (0, 0)])  # wraps more than once
    assert not is_reusable(x.contiguous(), sides)
    assert not is_reusable(x.bfloat16(), sides)
    assert not is_reusable(x[:0], sides)
    assert not is_reusable(
        torch.empty(1, 1).expand(2, 2**12, 2**11, 2**10).permute(0, 3, 1, 2), sides
    )


def test_memory_that_is_kept_is_bounded() -> None:
    x = channels_last(2, 3, 8, 8)
    wrapped(x, [(1, 1), (1, 1)])
    assert all(b.numel() <= module._LARGEST for b in module._MEMORY.blocks.values())
    assert module._MEMORY.blocks[torch.float32].is_inference() is False
