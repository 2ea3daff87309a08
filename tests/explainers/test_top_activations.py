from __future__ import annotations

import gc
import json

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neocog.data.samples import Samples
from neocog.data.split import Split
from neocog.errors import ModelError, UsageError
from neocog.explainers.top_activations import PatchGeometry, cut, gallery, top_patches
from neocog.graph.receptive_field import receptive_field
from neocog.networks.catalog import build
from neocog.render.page import page


def made(n: int = 12, size: int = 10, channels: int = 1) -> Tensor:
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(1))


def seen_by(net: nn.Module, size: tuple[int, ...], layer: str) -> PatchGeometry:
    found = receptive_field(net, size).of(layer)
    return PatchGeometry(found.receptive_field, found.jump, found.start)


def test_G3_the_strongest_places_are_those_of_a_plain_search() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(3, 4, 3))
    x = made(30)
    found = top_patches(net, Samples.of(x), "2", k=5, batch=7, seen=seen_by(net, (1, 10, 10), "2"))
    with torch.no_grad():
        out = net(x)
    for u in range(4):
        best = out[:, u].flatten(1).max(1).values.sort(descending=True)
        assert found.index[u].tolist() == best.indices[:5].tolist()
        # Batches of another size: rounding of single precision.
        np.testing.assert_allclose(found.scores[u], best.values[:5].numpy(), rtol=1e-5, atol=1e-6)
        for j in range(5):
            row, column = found.position[u, j]
            assert float(out[found.index[u, j], u, row, column]) == pytest.approx(
                float(found.scores[u, j]), abs=1e-5
            )
        assert len(set(found.index[u].tolist())) == 5  # one per sample


def test_G3_what_is_cut_is_what_the_unit_sees_and_nothing_else() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.MaxPool2d(2), nn.Conv2d(3, 2, 2)
    )
    x = made(8, size=16)
    samples = Samples.of(x)
    found = top_patches(net, samples, "2", k=2, seen=seen_by(net, (1, 16, 16), "2"))
    for u in range(2):
        i = int(found.index[u, 0])
        (top, bottom), (left, right) = found.clipped[u, 0].tolist()
        outside = torch.rand(1, 1, 16, 16)
        outside[0, :, top:bottom, left:right] = x[i, :, top:bottom, left:right]
        row, column = found.position[u, 0]
        with torch.no_grad():
            again = net(outside)[0, u, row, column]
        assert float(again) == pytest.approx(float(found.scores[u, 0]), abs=1e-5)
        patch = cut(found, samples, u)[0]
        full = found.window[u, 0]
        assert patch.shape[1:] == tuple(full[:, 1] - full[:, 0])
        at = (top - full[0, 0], left - full[1, 0])
        inside = patch[0, at[0] : at[0] + bottom - top, at[1] : at[1] + right - left]
        np.testing.assert_array_equal(inside, x[i, 0, top:bottom, left:right].numpy())


def test_what_is_beyond_the_border_is_gray() -> None:
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 0, 0] = 1.0
    net = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    nn.init.zeros_(net.weight)
    with torch.no_grad():
        net.weight[0, 0, 1, 1] = 1.0
    samples = Samples.of(x)
    found = top_patches(net, samples, "", k=9, seen=PatchGeometry((3, 3), (1, 1), (-1, -1)))
    assert found.scores.tolist() == [[1.0]]  # as many patches as samples
    assert found.window[0, 0].tolist() == [[-1, 2], [-1, 2]]
    assert found.clipped[0, 0].tolist() == [[0, 2], [0, 2]]
    assert cut(found, samples, 0)[0][0].tolist() == [[0.5] * 3, [0.5, 1, 0], [0.5, 0, 0]]


def test_a_field_larger_than_the_image_shows_the_image() -> None:
    samples = Samples.of(made(3, size=6))
    found = top_patches(
        nn.Conv2d(1, 1, 5, padding=2),
        samples,
        "",
        k=1,
        seen=PatchGeometry((9, 9), (1, 1), (-4, -4)),
    )
    assert cut(found, samples, 0)[0].shape == (1, 6, 6)


def test_vectors_and_series() -> None:
    samples = Samples.of(made(6))
    dense = nn.Sequential(nn.Flatten(), nn.Linear(100, 3))
    found = top_patches(dense, samples, "1", k=2, units=[2, 0])
    assert found.units.tolist() == [2, 0]
    assert found.position.shape == (2, 2, 0)
    assert found.window[0, 0].tolist() == [[0, 10], [0, 10]]
    series = Samples.of(torch.rand(5, 2, 40))
    net = nn.Sequential(nn.Conv1d(2, 3, 7, stride=2))
    found = top_patches(net, series, "0", k=3, seen=seen_by(net, (2, 40), "0"))
    assert [p.shape for p in cut(found, series, 1)] == [(2, 7)] * 3
    assert "Unit 1" in page("Patches", gallery(found, series))


def test_of_equal_ones_the_earlier_stay_whatever_the_batches_are() -> None:
    x = torch.ones(40, 1, 3, 3)
    x[7] = 2.0
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
    nn.init.ones_(net[0].weight)
    for batch in (1, 5, 40):
        found = top_patches(net, Samples.of(x), "0", k=6, batch=batch)
        assert found.index[0].tolist() == [7, 0, 1, 2, 3, 4]


class Watched(Samples):
    """Samples that are made when they are asked for, and look at what else is alive then."""

    def take(self, rows: slice) -> Tensor:
        alive = sum(t.numel() for t in gc.get_objects() if type(t) is Tensor)
        peaks.append(alive)
        count = len(range(*rows.indices(len(self))))
        return torch.rand(count, 1, 12, 12, generator=torch.Generator().manual_seed(rows.start))


peaks: list[int] = []


def test_memory_does_not_grow_with_the_number_of_samples() -> None:
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU())
    most = {}
    for n in (64, 256):
        peaks.clear()
        samples = Watched(torch.empty(1, 1, 12, 12).expand(n, 1, 12, 12), None)
        top_patches(net, samples, "1", k=4, batch=16)
        most[n] = max(peaks[2:]) - peaks[0]
    # Scores, places and numbers of 8 units × 4 patches, and views of what is taken; not a map.
    assert most[256] <= most[64] + 64, most
    assert most[256] < 16 * 8 * 10 * 10


def test_names_of_files_are_kept_and_all_is_plain() -> None:
    split = Split(
        np.random.default_rng(0).integers(0, 255, (6, 24, 24, 1), np.uint8),
        np.zeros(6, np.int64),
        [f"{i}.png" for i in range(6)],
    )
    net = build(
        "convnet",
        num_classes=2,
        in_channels=1,
        size=(24, 24),
        options={"widths": (2,), "depths": (1,)},
    )
    net.train()
    found = top_patches(net, Samples.of(split), "stem.conv", k=2)
    assert found.names[0][0] == f"{found.index[0, 0]}.png"
    assert net.training
    json.dumps(found.to_json(), allow_nan=False)
    page("Patches", gallery(found, Samples.of(split), whole=True))


def test_wrong_use() -> None:
    samples = Samples.of(made(2))
    net = nn.Sequential(nn.Conv2d(1, 2, 3))
    with pytest.raises(UsageError, match="at least one patch; got k=0"):
        top_patches(net, samples, "0", k=0)
    with pytest.raises(UsageError, match="has the units 0 to 1; got 5"):
        top_patches(net, samples, "0", units=[5])
    with pytest.raises(ModelError, match="is none"):
        top_patches(net, samples, "conv")
    nn.init.constant_(net[0].bias, float("nan"))
    with pytest.raises(ModelError, match="those of `0` are not"):
        top_patches(net, samples, "0")
