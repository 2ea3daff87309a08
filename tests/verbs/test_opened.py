"""Every verb takes a tensor, an array, images, a dataset, a loader, a path alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import neocog
from neocog.data.samples import Samples
from neocog.errors import DataError, UsageError
from neocog.models.model import Model
from neocog.runs.load import load
from neocog.web.opening import opened

N = 24
QUICK = neocog.AuditConfig(
    shift=("circular",), max_shift=2, map_max_shift=0, rotation=False, scale=False, elastic=False,
    layers=False,
)  # fmt: skip
NAMES = ("cat", "dog", "owl")


class Small(nn.Module):
    """A network that changes its mind when an image moves."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 8, 3, stride=4)
        self.linear = nn.Linear(8 * 16, 3)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.linear(self.conv(x).relu().flatten(1))
        return found


BYTES = np.random.default_rng(1).integers(0, 256, (N, 16, 16, 3), np.uint8)
FLOATS = torch.from_numpy(BYTES.astype(np.float32) / np.float32(255)).permute(0, 3, 1, 2)
LABELS = torch.arange(N) % 3


class Pairs(Dataset):
    def __len__(self) -> int:
        return N

    def __getitem__(self, i: int) -> tuple[Image.Image, int]:
        return Image.fromarray(BYTES[i]), int(LABELS[i])


@pytest.fixture(scope="module")
def model() -> Model:
    return load(Small(), size=(3, 16, 16), mean=(0.5,), std=(0.25,), classes=NAMES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder per class."""
    place = tmp_path_factory.mktemp("data") / "animals"
    for i, (x, y) in enumerate(zip(BYTES, LABELS.tolist(), strict=True)):
        (place / NAMES[y]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(x).save(place / NAMES[y] / f"{i:02}.png")
    return place


KINDS: dict[str, Callable[[Path], Any]] = {
    "a folder": lambda folder: folder,
    "all of a folder": lambda folder: f"{folder}:all",
    "an opened folder": lambda folder: neocog.open_data(folder),
    "a tensor and labels": lambda _: (FLOATS, LABELS),
    "an array and labels": lambda _: (BYTES, LABELS.numpy()),
    "labels by name": lambda _: (list(BYTES), [NAMES[i] for i in LABELS]),
    "a dataset": lambda _: Pairs(),
    "a loader that mixes": lambda _: DataLoader(
        TensorDataset(FLOATS, LABELS), batch_size=5, shuffle=True
    ),
    "a generator of batches": lambda _: (
        (FLOATS[i : i + 5], LABELS[i : i + 5]) for i in range(0, N, 5)
    ),
    "samples": lambda _: Samples.of((FLOATS, LABELS)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_evaluation_has_the_same_figures(model, folder: Path, kind: str) -> None:
    plain = neocog.evaluate(model, (FLOATS, LABELS))
    found = neocog.evaluate(model, KINDS[kind](folder))
    assert (found.n, found.accuracy) == (N, plain.accuracy)
    assert found.loss == pytest.approx(plain.loss, rel=1e-12)  # the order of a sum


@pytest.mark.parametrize("kind", KINDS)
def test_an_audit_of_all_has_the_same_accuracy(model, folder: Path, kind: str) -> None:
    plain = neocog.evaluate(model, (FLOATS, LABELS))
    found = neocog.audit(model, KINDS[kind](folder), QUICK).audit
    assert (found.n, found.accuracy) == (N, plain.accuracy)
    assert 0 <= found.shift["circular"].consistency <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_in_the_order_of_the_data(model, folder: Path, kind: str) -> None:
    want = [NAMES[i] for i in model.module(FLOATS).argmax(1).tolist()]
    found = neocog.predict(model, KINDS[kind](folder))
    if "folder" in kind:
        rows = {f"{i:02}.png": want[i] for i in range(N)}
        assert {Path(p.path).name: p.label for p in found} == rows
        assert all(Path(p.path).is_file() for p in found)
    else:
        assert [p.label for p in found] == want


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["features", "top-activations"])
def test_what_is_explained(model, folder: Path, kind: str, method: str) -> None:
    more = {"layer": "conv", "units": [0]} if method == "top-activations" else {}
    found = neocog.explain(model, KINDS[kind](folder), method=method, n=2, **more)
    assert found.sections()


def test_a_map_of_each_image_that_is_given(model, folder: Path) -> None:
    path = folder / "cat" / "00.png"
    for data in (FLOATS[:1], Image.fromarray(BYTES[0]), path, [path], BYTES[0], f"{folder}:all[0]"):
        found = neocog.explain(model, data, sanity_checks=False, n=1)
        assert len(found.figures["images"]) == 1
    more = neocog.explain(model, folder, n=3, sanity_checks=False).figures["images"]
    assert len({row["path"] for row in more}) == 3
    shown = neocog.explain(
        model, folder, images=path, method="top-activations", layer="conv", units=[0]
    )
    assert shown.sections()
    with pytest.raises(UsageError, match="Only one data set can be searched"):
        neocog.explain(model, [folder, "digits"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_explorer_shows_them(model, folder: Path, kind: str) -> None:
    session = opened(model, KINDS[kind](folder))
    ((name, count),) = session.album.counts().items()
    assert (name, count) == ("all" if "folder" in kind else "data", N)
    truths = [session.album.label(f"{name}:{i}", 0) for i in range(N)]
    assert sorted(t for t in truths if t is not None) == sorted(LABELS.tolist())


@pytest.mark.parametrize("data", ["a tensor and labels", "a dataset", "a loader that mixes"])
def test_a_fix_cuts_what_it_is_given_into_three(model, folder: Path, data: str) -> None:
    from neocog.runs.fix_data import fix_data

    parts = fix_data(model, KINDS[data](folder), learns=True)
    rows = [{x.tobytes() for x in s.x} for s in (parts.train, parts.val, parts.test)]
    assert all(rows)
    assert len(set.union(*rows)) == sum(map(len, rows)) == N
    assert parts.labeled
    bare = fix_data(model, FLOATS, learns=True)
    assert not bare.labeled
    want = model.module(FLOATS).argmax(1)
    got = {x.tobytes(): int(y) for s in (bare.train, bare.val, bare.test)
           for x, y in zip(s.x, s.y, strict=True)}  # fmt: skip
    assert got == {x.tobytes(): int(y) for x, y in zip(BYTES, want, strict=True)}


def test_a_fix_of_tensors_comes_out_as_a_run(model, tmp_path: Path) -> None:
    done = neocog.fix(
        model, FLOATS, finetune=0, n=16, shift=("circular",), out=tmp_path / "run", keep="fixed"
    )
    assert not done.labeled
    with pytest.raises(DataError, match="needs at least 4 images; `the data` has 3"):
        neocog.fix(model, FLOATS[:3], finetune=0, out=tmp_path / "other")


def test_a_module_of_which_nothing_is_known_takes_them_too(folder: Path) -> None:
    net = Small()
    want = float((net(FLOATS).argmax(1) == LABELS).float().mean())
    for kind in ("a tensor and labels", "a dataset", "a loader that mixes", "an array and labels"):
        found = neocog.audit(net, KINDS[kind](folder), QUICK).audit
        assert (found.n, found.accuracy) == (N, pytest.approx(want))
    normalized = neocog.audit(net, ((FLOATS - 0.5) / 0.2, LABELS), QUICK).audit
    assert any("normalized already" in note for note in normalized.notes)
    with pytest.raises(DataError, match="Divide"):
        neocog.audit(net, FLOATS * 255, QUICK)


def test_labels_beyond_the_outputs_are_left_out_and_said(model) -> None:
    labels = LABELS.clone()
    labels[:6] = 7
    found = neocog.audit(model, (FLOATS, labels), QUICK).audit
    want = float((model.module(FLOATS).argmax(1) == LABELS)[6:].float().mean())
    assert (found.n, found.accuracy) == (N, pytest.approx(want))
    said = " ".join(found.notes)
    assert "6 of 24 labels exceed the model's 3 outputs (the largest is 7)" in said
    assert "Accuracy covers the 18 of 24 samples" in said
    scored = neocog.evaluate(model, (FLOATS, labels))
    assert (scored.n, scored.accuracy) == (18, pytest.approx(want))
    with pytest.raises(DataError, match="indices of its 3 outputs; `the data` has none"):
        neocog.evaluate(model, (FLOATS, LABELS + 3))
    with pytest.raises(DataError, match=r"has none. Give them with the images, as \(x, y\)"):
        neocog.evaluate(model, FLOATS)
    with pytest.raises(DataError, match=r"argmax\(1\)"):
        neocog.evaluate(model, (FLOATS, torch.eye(3)[LABELS]))


def test_names_of_a_dataset_count_where_the_model_has_them(model) -> None:
    data = Pairs()
    data.classes = ["owl", "cat", "cow"]
    found = neocog.evaluate(model, data)
    y = torch.tensor([2, 0, -1])[LABELS]
    right = (model.module(FLOATS).argmax(1) == y)[y >= 0]
    assert (found.n, found.accuracy) == (16, float(right.double().mean()))
    assert any("1 of the 3 classes of `the data` are not classes of the model (`cow`)" in n
               for n in found.notes)  # fmt: skip
    data.classes = ["0 - a", "1 - b", "2 - c"]  # as torchvision names digits
    assert neocog.evaluate(model, data).accuracy == (
        neocog.evaluate(model, (FLOATS, LABELS)).accuracy
    )
