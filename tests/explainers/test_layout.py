"""Where a layer's output has its space."""

import pytest
import torch

from neocog.explainers.layout import SpatialLayout, layout_of


@pytest.mark.parametrize(
    ("shape", "size", "want"),
    [
        ((2, 64, 7, 9), (224, 288), SpatialLayout("channels first", (7, 9))),
        ((2, 7, 9, 64), (224, 288), SpatialLayout("channels last", (7, 9))),
        ((2, 197, 768), (224, 224), SpatialLayout("tokens", (14, 14), 1)),
        ((2, 198, 768), (224, 224), SpatialLayout("tokens", (14, 14), 2)),
        ((64, 2, 768), (32, 32), SpatialLayout("tokens", (8, 8), 0, 1)),
        ((2, 128), (32, 32), None),
        ((2, 128, 1, 1), (32, 32), None),
        ((2, 16, 20), (40,), SpatialLayout("channels first", (20,))),
        ((2, 16, 1), (40,), None),
        ((3, 64, 7, 7), (224, 224), None),
    ],
)
def test_layouts(shape: tuple[int, ...], size: tuple[int, ...], want: SpatialLayout | None) -> None:
    assert layout_of(shape, size, batch=2) == want


def test_tokens_of_a_grid_that_was_seen() -> None:
    seen = [(96, (5, 8)), (192, (3, 4))]
    assert layout_of((1, 13, 192), (30, 40), batch=1, patches=seen) == SpatialLayout(
        "tokens", (3, 4), 1
    )
    assert layout_of((1, 40, 96), (30, 40), batch=1, patches=seen) == SpatialLayout(
        "tokens", (5, 8), 0
    )
    assert layout_of((1, 99, 96), (30, 40), batch=1, patches=seen) is None
    series = [(8, (10,))]
    assert layout_of((1, 11, 8), (40,), batch=1, patches=series) == SpatialLayout(
        "tokens", (10,), 1
    )
    assert layout_of((1, 8, 10), (40,), batch=1, patches=series) == SpatialLayout(
        "channels first", (10,)
    )


def test_maps_of_each_layout() -> None:
    x = torch.arange(2 * 3 * 4.0).view(2, 3, 2, 2)
    assert torch.equal(SpatialLayout("channels first", (2, 2)).maps(x), x)
    assert torch.equal(SpatialLayout("channels last", (2, 2)).maps(x.permute(0, 2, 3, 1)), x)
    tokens = torch.cat([torch.zeros(2, 1, 3), x.flatten(2).mT], 1)
    assert torch.equal(SpatialLayout("tokens", (2, 2), 1).maps(tokens), x)
    assert torch.equal(SpatialLayout("tokens", (2, 2), 1, 1).maps(tokens.transpose(0, 1)), x)
