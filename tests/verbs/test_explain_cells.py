"""Maps lie where their layers look."""

from __future__ import annotations

import torch
from tests.explainers.nets import Series, Vit, convnet, drawn
from tests.explainers.trust.test_motion import smooth
from torch import Tensor, nn

import neocog
from neocog.exhibits import Gallery
from neocog.explainers.layout import SpatialLayout
from neocog.explainers.maps.cells import Cells
from neocog.verbs.explain_cells import cells_of, seen_by

MAP = SpatialLayout("channels first", (2, 2))


def test_the_cells_of_lenet5() -> None:
    """Fields of 16 pixels, 4 apart; an image of 28 pixels begins 2 behind the padding."""
    torch.manual_seed(0)
    net = neocog.build("lenet5", num_classes=10, in_channels=1, size=(28, 28))
    found = neocog.explain(net, drawn(1, 1, 28, 28), sanity_checks=False)
    assert found.figures["layer"] == "s4"
    assert found.figures["grid"] == [5, 5]
    # (0 + 15) / 2 - 2: the five cells lie evenly about the middle, 13.5.
    assert found.figures["cells"] == {"first": [5.5, 5.5], "step": [4.0, 4.0]}
    assert "the first at pixel 5.5, the next ones 4 apart" in found.sections()[0].text
    large = neocog.explain(net, drawn(1, 1, 32, 32), sanity_checks=False, layer="s4")
    assert large.figures["cells"]["first"] == [7.5, 7.5]


def test_the_cells_of_steps_that_begin_at_the_border() -> None:
    torch.manual_seed(0)
    net = neocog.build("resnet20", num_classes=3, in_channels=3, size=(32, 32))
    found = neocog.explain(net, drawn(1, 3, 32, 32), sanity_checks=False)
    assert found.figures["grid"] == [8, 8]
    assert found.figures["cells"] == {"first": [0.0, 0.0], "step": [4.0, 4.0]}


def test_an_object_is_found_where_it_is() -> None:
    """All that is built on a map: what is drawn, what is deleted, what moves."""
    x = torch.zeros(1, 1, 32, 32)
    x[0, 0, 14:16, 16:19] = 1
    found = neocog.explain(smooth(9, 0), x, target=0)
    cam = found.result.cam
    assert cam.cells == Cells((4.0, 4.0), (1.0, 1.0))
    fine = cam.enlarged()[0].double()
    assert float((fine.sum(1) * torch.arange(32)).sum() / fine.sum()) == 14.5
    assert float((fine.sum(0) * torch.arange(32)).sum() / fine.sum()) == 17
    assert found.figures["motion"]["pace"] == [1, 1]
    assert found.figures["motion"]["error"][0] < 1e-6  # float32
    shown = found.sections()[0].exhibits[0]
    assert isinstance(shown, Gallery)
    overlay = shown.images[1][:384].astype(int)
    colored = (overlay[..., 0] > overlay[..., 2]).nonzero()
    middles = [(c.min() + c.max() + 1) / 2 / 12 - 0.5 for c in colored]  # 12 times as large
    assert [round(float(m), 3) for m in middles] == [14.5, 17]


def test_patches_and_what_sums_up_the_whole_image_are_stretched() -> None:
    class Squeezed(nn.Module):
        """Channels weighted by their means."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.out = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)
            self.gate = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            y = self.gate(y * y.mean((2, 3), keepdim=True).sigmoid())
            out: Tensor = self.out(y.mean((2, 3)))
            return out

    for net in (Vit(), Squeezed()):
        found = neocog.explain(net, drawn(1, 3, 16, 16), sanity_checks=False)
        assert found.figures["cells"] is None
        assert "is unknown: the map is stretched" in found.sections()[0].text
    assert cells_of(Squeezed(), (3, 16, 16), "gate", MAP) is None
    assert cells_of(Squeezed(), (3, 16, 16), "conv", MAP) == Cells((1.0, 1.0), (1.0, 1.0))


def test_what_cannot_be_told_is_none() -> None:
    assert cells_of(convnet(), (5, 16, 16), "0", MAP) is None  # fails on five channels
    assert cells_of(convnet(), (3, 16, 16), "nothing", MAP) is None
    assert cells_of(convnet(), (3, 16, 16), "0", SpatialLayout("tokens", (4, 4))) is None
    assert seen_by(convnet(), (3, 16, 16), "4").size == (8, 8)
    assert cells_of(Series(), (2, 32), "body", SpatialLayout("channels first", (16,))) == Cells(
        (0.5,), (2.0,)
    )
