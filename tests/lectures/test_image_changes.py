"""Changes of an image under which a piece of it is found."""

from __future__ import annotations

import pytest
import torch

from neocog.lectures.image_changes import CHANGES
from neocog.lectures.template_matching import search


@pytest.mark.parametrize("change", CHANGES)
def test_the_right_place_is_where_the_piece_has_gone(change: str) -> None:
    x = torch.zeros(1, 61, 61)
    x[0, 14:23, 38:47] = 1.0
    (first, *_) = search(x, (12, 25, 36, 49), changes=[change]).rows
    moved = CHANGES[change].apply(x[None], torch.Generator().manual_seed(0))[0, 0]
    bright = (moved - moved.median()).abs()
    weight = (bright > 0.5 * bright.max()).double()
    middle = [float((weight.sum(1 - a) * torch.arange(61)).sum() / weight.sum()) for a in (0, 1)]
    # A turned square is seen through its pixels: half a pixel and the rounding of the corner.
    assert first.expected[0] + 6 == pytest.approx(middle[0], abs=1)
    assert first.expected[1] + 6 == pytest.approx(middle[1], abs=1)
