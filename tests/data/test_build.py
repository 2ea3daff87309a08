"""Of a large folder only the images that are looked at are decoded, and they are the same ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

import neocog
from neocog.data import build
from neocog.data.open import ALL, open_data
from neocog.data.samples import drawn_rows
from neocog.errors import DataError, UsageError
from neocog.models.normalized import LOOKED_AT
from neocog.runs.held_out import Common

N = 150


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for i in range(N):
        place = tmp_path / "images" / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        x = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(x).save(place / f"{i:03}.png")
    return tmp_path / "images"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each call decodes."""
    counts: list[int] = []
    plain = build.decode_into

    def counted(out, listing, *, rows, **how):
        counts.append(len(rows))
        return plain(out, listing, rows=rows, **how)

    monkeypatch.setattr(build, "decode_into", counted)
    return counts


def test_chosen_rows_are_those_of_a_folder_that_is_decoded_whole(folder, decoded):
    later = open_data(folder, size=(32, 32), later=10)
    assert decoded == []
    rows = drawn_rows(len(later.split(ALL)), 7, seed=3)
    later = later.decoded(ALL, rows)
    assert decoded == [7]
    again = open_data(folder, size=(32, 32), later=10).decoded(ALL, rows)
    assert decoded == [7]  # kept
    whole = open_data(folder, size=(32, 32))
    assert decoded == [7, N]
    assert later.fingerprint == whole.fingerprint
    assert later.sheet == whole.sheet
    assert later.whole.names[:] == whole.whole.names[:]
    assert np.array_equal(later.whole.y, whole.whole.y)
    for source in (later, again):
        assert np.array_equal(source.whole.x[rows], whole.whole.x[rows])
    assert open_data(folder, size=(32, 32), later=10).decode is None  # it is decoded by now


def test_a_caution_on_pixels_says_of_which_images_it_speaks(folder):
    for file in folder.rglob("*.png"):
        Image.fromarray(np.full((40, 40, 3), 9, np.uint8)).save(file)
    few = open_data(folder, size=(32, 32), later=10).decoded(ALL, np.arange(7))
    assert any(
        c.startswith(f"Of the 7 decoded images of {N}: The brightest") for c in few.sheet.cautions
    )
    every = open_data(folder, size=(32, 32), later=10).decoded(ALL, np.arange(N))
    whole = open_data(folder, size=(32, 32))
    assert any(c.startswith("The brightest pixel of all") for c in whole.sheet.cautions)
    assert every.sheet.cautions == whole.sheet.cautions
    assert few.fingerprint == every.fingerprint == whole.fingerprint


def test_reading_ends_where_nothing_is_decoded_and_keeps_no_file(folder, monkeypatch):
    listings, steps = [], []
    plain = build.scan
    monkeypatch.setattr(build, "scan", lambda path: listings.append(plain(path)) or listings[-1])
    later = open_data(folder, size=(32, 32), later=10, progress=lambda *done: steps.append(done))
    assert steps[-1] == (2 * N, 2 * N)
    assert later.decode is not None
    assert [len(listing.kept) for listing in listings] == [0]


@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_rows_of_a_split_lie_behind_those_of_the_others(folder, name):
    later, whole = (open_data(folder, size=(32, 32), later=n) for n in (10, None))
    some = np.array([1, 0])
    split = later.decoded(name, some).split(name)
    assert np.array_equal(split.x[:2], whole.split(name).x[:2])
    assert not split.x[2:].any()


def test_an_audit_decodes_no_more_than_it_looks_at(folder, decoded):
    net = neocog.build("convnet", num_classes=2, in_channels=3, size=(32, 32))
    model = neocog.load(net, size=(3, 32, 32), mean=(0.5,), std=(0.25,), classes=("a", "b"))
    how = {"n": 12, "seed": 5, "layer_samples": 4, "maps": (), "progress": False}
    one = neocog.audit(model, f"{folder}:all", **how).to_json()
    assert max(decoded) <= 12 + LOOKED_AT < N
    open_data(folder, size=(32, 32), channels=3)
    two = neocog.audit(model, f"{folder}:all", **how).to_json()
    assert one["shift"] == two["shift"]
    assert one["notes"] == two["notes"]
    shares = [{k: v for k, v in row.items() if k != "seconds"} for row in one["layers"]]
    assert shares == two["layers"]


@pytest.mark.slow
def test_two_models_decode_the_samples_that_they_are_compared_on(folder, decoded, monkeypatch):
    nets = [neocog.build("convnet", num_classes=2, in_channels=3, size=(32, 32)) for _ in range(2)]
    one, two = (
        neocog.load(n, size=(3, 32, 32), mean=(0.5,), std=(0.25,), classes=("a", "b")) for n in nets
    )
    ids = np.sort(open_data(folder, size=(32, 32), later=10).whole.ids)[: N // 2]
    half = Common(ids, ())
    monkeypatch.setattr("neocog.verbs.audit.held_out_by_both", lambda *given: half)
    how = {"n": 12, "layers": False, "maps": (), "progress": False, "baseline": two}
    few = neocog.audit(one, f"{folder}:all", **how).to_json()
    assert max(decoded) <= 12 + LOOKED_AT < N
    open_data(folder, size=(32, 32), channels=3)
    whole = neocog.audit(one, f"{folder}:all", **how).to_json()
    for key in ("shift", "accuracy", "compared", "notes"):
        assert few[key] == whole[key]
    assert few["baseline"]["shift"] == whole["baseline"]["shift"]


@pytest.mark.parametrize("method", ["grad_cam", "features"])
def test_an_explanation_decodes_the_images_that_it_shows(folder, decoded, method, monkeypatch):
    net = neocog.build("convnet", num_classes=2, in_channels=3, size=(32, 32))
    model = neocog.load(net, size=(3, 32, 32), mean=(0.5,), std=(0.25,), classes=("a", "b"))
    how = {"n": 3, "seed": 4, "sanity_checks": False, "progress": False, "method": method}
    whole = neocog.explain(model, folder, **how)
    assert decoded == [N]  # it is not large
    monkeypatch.setenv("NEOCOG_CACHE", f"{folder}-other")
    monkeypatch.setattr("neocog.verbs.explain_input.LARGE", 10)
    some = neocog.explain(model, folder, **how)
    assert decoded == [N, 3]
    assert some.to_json() == whole.to_json()
    neocog.explain(model, f"{folder}:all[7]", **how)
    assert decoded == [N, 3, 1]
    with pytest.raises(UsageError, match=f"has {N} samples, counted from 0; got number {N}"):
        neocog.explain(model, f"{folder}:all[{N}]", **how)


def test_a_file_that_breaks_off_is_left_out_as_ever(folder, monkeypatch):
    plain = build.decode_into

    def broken(out, listing, *, rows, **how):
        failed = [i for i in rows if listing.names[i].endswith("007.png")]
        return {**plain(out, listing, rows=rows, **how), **dict.fromkeys(failed, "cut off")}

    monkeypatch.setattr(build, "decode_into", broken)
    later = open_data(folder, size=(32, 32), later=10)
    at = [*later.whole.names].index("b/007.png")
    with pytest.raises(DataError, match=r"changed while being read \(cut off\)"):
        later.decoded(ALL, np.array([at]))
    net = neocog.build("convnet", num_classes=2, in_channels=3, size=(32, 32))
    model = neocog.load(net, size=(3, 32, 32), mean=(0.5,), std=(0.25,), classes=("a", "b"))
    samples = model.samples(f"{folder}:all", n=149, seed=0)
    assert len(samples.split) == N - 1


class Standardized(nn.Module):
    """A model that cannot take an image of one color."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        mean, std = x.mean((1, 2, 3), keepdim=True), x.std((1, 2, 3), keepdim=True)
        return self.head(((x - mean) / std)[:, :, 3:9].mean((2, 3)))


def test_no_image_that_was_not_decoded_reaches_the_model(folder, decoded):
    model = neocog.load(Standardized(), size=(3, 32, 32), mean=(0.5,), std=(0.5,))
    how = {"n": 4, "layer_samples": 4, "maps": (), "progress": False}
    result = neocog.audit(model, f"{folder}:all", **how)
    assert result.audit.n == 4
    assert max(decoded) <= 4 + LOOKED_AT < N
