from __future__ import annotations

import pytest
import torch
from tests.layers.turning import layer_error, maps
from torch import nn

from neocog.errors import UsageError
from neocog.layers.aligned import ALIGNED, aligned_down, aligned_pool, aligned_window
from neocog.layers.blocks import output_size
from neocog.symmetry.fields import declared, irrep_field, regular_field
from neocog.symmetry.groups import Group


def test_A6_every_size_and_stride_has_an_aligned_window() -> None:
    for size in range(1, 40):
        for stride in range(1, 6):
            for wanted in range(1, 8):
                taps, pad = aligned_window(size, wanted, stride)
                assert wanted <= taps <= max(wanted, stride + 1) + 1
                assert (size + 2 * pad - taps) % stride == 0
                count = output_size(size, taps, stride=stride, padding=pad)
                assert count == -(-size // stride)


@pytest.mark.parametrize("padding", ["zeros", "circular", "reflect"])
@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("downsampling", ALIGNED)
@pytest.mark.parametrize("kind", ["max", "average"])
def test_E6_pools_turn_at_every_size(kind: str, downsampling: str, size: int, padding: str) -> None:
    field = regular_field(Group(4, mirror=True), 2)
    how = {"size": (size, size), "padding": padding}
    if size % 2 and "polyphase" in downsampling:
        with pytest.raises(
            UsageError, match=r"even height and width; got 7×7\. Take square images of 8"
        ):
            aligned_pool(kind, downsampling, field, **how)
        return
    pool = aligned_pool(kind, downsampling, field, **how)
    x = maps(field, size)
    assert layer_error(declared(nn.Sequential(pool), field), x) < 1e-12
    assert pool(x).shape[2:] == (4, 4)


def test_a_blur_of_arrows_turns() -> None:
    field = irrep_field(Group(0), {0: 1, 1: 2})
    for size in (7, 8):
        layer = aligned_down("blur", field, size=(size, size), padding="zeros")
        assert layer_error(layer, maps(field, size)) < 1e-12
        assert torch.equal(layer(maps(field, size)).isfinite().all(), torch.tensor(True))


def test_what_cannot_turn_is_refused() -> None:
    arrows, field = irrep_field(Group(0), {1: 1}), regular_field(Group(4), 1)
    how = {"size": (8, 8), "padding": "zeros"}
    with pytest.raises(UsageError, match=r"those of irreps are mixed\. Take pool=average"):
        aligned_pool("max", "stride", arrows, **how)
    with pytest.raises(UsageError, match="is max or average; got `conv`"):
        aligned_pool("conv", "stride", field, **how)
    with pytest.raises(UsageError, match="`ideal` is no downsampling that keeps quarter turns"):
        aligned_down("ideal", field, **how)
    with pytest.raises(UsageError, match=r"a map here has 8×7 samples\. Take square .* 8,8"):
        aligned_pool("max", "blur", field, size=(8, 7), padding="zeros")
