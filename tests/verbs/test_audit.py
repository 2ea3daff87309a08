"""An audit of images without labels: all but accuracy; with group norm, and beside another."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from neocog.audits.config import AuditConfig
from neocog.audits.lie import lie_errors
from neocog.data.samples import Samples
from neocog.errors import DataError
from neocog.models.exact import ExactModel
from neocog.models.model import Model
from neocog.runs.load import load
from neocog.verbs.audit import audit

ASKED = AuditConfig(
    lie=True,
    n=8, shift=("circular", "crop"), max_shift=2, map_max_shift=0, rotation=False, scale=False,
    elastic=False,
)  # fmt: skip


def small() -> nn.Module:
    """A factory."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.GroupNorm(2, 8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip


def opened(tmp_path: Path) -> Model:
    weights = tmp_path / "w.pt"
    torch.save(small().state_dict(), weights)
    return load(
        f"{__name__}:small", weights=weights, size=(3, 16, 16), mean=(0,), std=(1,),
        classes=("a", "b", "c"),
    )  # fmt: skip


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    place = tmp_path / "flat"
    place.mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)).save(place / f"{i}.png")
    (place / "notes.txt").write_text("no image")
    return place


def test_all_but_accuracy(flat: Path, tmp_path: Path) -> None:
    model = opened(tmp_path)
    found = audit(model, flat, ASKED, baseline=model)
    plain = found.to_json()
    assert (plain["n"], plain["accuracy"]) == (8, None)
    assert 0 <= plain["shift"]["crop"]["consistency"] <= 1
    assert plain["compared"][0]["difference"] == 0
    assert plain["compared"][0]["accuracy_difference"] is None
    said = " ".join(found.audit.notes)
    assert "has no labels, so there is no accuracy" in said
    assert "Of these 12 samples 8 were audited" in said
    assert found.audit.lie  # of group norm, however the pixels lie in memory
    assert "accuracy" not in found.headline
    table = found.brief()[1].exhibits[0]
    assert [row[5] for row in table.rows] == [None, None]  # nobody knows what both get right


def test_strict(flat: Path, tmp_path: Path) -> None:
    (flat / "broken.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(
        DataError, match=r"every file to be readable; broken.png is not an image.*, and 1 more"
    ):
        audit(opened(tmp_path), flat, ASKED, strict=True)
    for file in flat.glob("[0-9]*.png"):
        file.unlink()
    with pytest.raises(DataError, match=r"must contain readable images; none in .* can be used"):
        audit(opened(tmp_path), flat, ASKED)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_derivatives_do_not_depend_on_how_pixels_lie(layout: torch.memory_format) -> None:
    x = torch.rand(4, 3, 16, 16)
    rows = lie_errors(ExactModel(small()), Samples.of(x.contiguous(memory_format=layout)))
    plain = lie_errors(ExactModel(small()), Samples.of(x))
    assert [r.name for r in rows] == [r.name for r in plain] == ["0", "1", "2", "3", "4", "5"]
    assert [r.shift for r in rows] == pytest.approx([r.shift for r in plain], rel=1e-4)


def test_a_network_that_lays_its_maps_out_otherwise_has_no_derivative_and_no_traceback() -> None:
    class Otherwise(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.GroupNorm(1, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x.contiguous(memory_format=torch.channels_last)
            return self.norm(x).mean((2, 3))

    assert isinstance(
        lie_errors(ExactModel(Otherwise()), Samples.of(torch.rand(2, 3, 8, 8))), tuple
    )
