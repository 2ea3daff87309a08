"""What every kind of source promises, run over all of them."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from neocog.data.batches import batches, statistics
from neocog.data.open import Source, open_data
from neocog.data.quality import Sheet


def _images(n: int, shape: tuple[int, ...] = (28, 28), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8)


def _classes(root: Path, n: int, *, seed: int = 0, shape: tuple[int, ...] = (28, 28, 3)) -> None:
    for k, name in enumerate(("a", "b")):
        (root / name).mkdir(parents=True)
        for i, x in enumerate(_images(n, shape, seed + k)):
            Image.fromarray(x).save(root / name / f"{i}.png")


def _folder(root: Path) -> Path:
    _classes(root, 20)
    return root


def _folder_with_splits(root: Path) -> Path:
    for number, part in enumerate(("train", "val", "test")):
        _classes(root / part, 12, seed=10 * number)
    return root


def _deep_folder(root: Path) -> Path:
    root.mkdir()
    for k, name in enumerate(("a", "b")):
        (root / name).mkdir()
        for i, x in enumerate(_images(12, seed=k)):
            Image.fromarray(x.astype(np.uint16) * 251).save(root / name / f"{i}.png")
    return root


def _idx(root: Path) -> Path:
    root.mkdir()
    for part, n in (("train", 60), ("t10k", 20)):
        x, y = _images(n, seed=n), (np.arange(n) % 3).astype(np.uint8)
        head = struct.pack(">BBBBIII", 0, 0, 8, 3, *x.shape)
        (root / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + x.tobytes()))
        head = struct.pack(">BBBBI", 0, 0, 8, 1, n)
        (root / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(head + y.tobytes()))
    return root


def _npz(root: Path) -> Path:
    root.mkdir()
    np.savez(root / "set.npz", x=_images(60, (32, 32, 3)), y=np.arange(60) % 3)
    return root / "set.npz"


def _cifar(root: Path) -> Path:
    root.mkdir()
    for part, n in (("data_batch_1", 40), ("test_batch", 20)):
        rows = np.concatenate([np.arange(n)[:, None] % 3, _images(n, (3072,), n)], axis=1)
        (root / f"{part}.bin").write_bytes(rows.astype(np.uint8).tobytes())
    return root


SOURCES = {
    "digits": lambda root: "digits",
    "folder": _folder,
    "folder with splits": _folder_with_splits,
    "folder of 16 bits": _deep_folder,
    "idx": _idx,
    "npz": _npz,
    "cifar": _cifar,
}


@pytest.fixture(params=SOURCES, ids=[s.replace(" ", "_") for s in SOURCES])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    return SOURCES[request.param](tmp_path / "set")


def _bytes(source: Source) -> list[tuple[bytes, bytes, list[str]]]:
    return [(s.x.tobytes(), s.y.tobytes(), list(s.names)) for s in source.splits.values()]


def test_opens_as_three_splits(place):
    source = open_data(place)
    assert list(source.splits) == ["train", "val", "test"]
    for name, split in source.splits.items():
        assert len(split) > 0
        assert split.x.shape == (len(split), *source.sheet.size, source.sheet.channels)
        assert split.x.dtype == (np.uint8 if source.sheet.bits == 8 else np.uint16)
        assert split.x.flags.c_contiguous
        assert split.y.dtype == np.int64
        assert len(split.names) == len(split)
        counts = np.bincount(split.y, minlength=len(source.classes))
        assert tuple(counts.tolist()) == source.sheet.counts[name]


def test_opened_again_it_is_equal_bit_for_bit(place):
    first, second = open_data(place), open_data(place)
    assert first.fingerprint == second.fingerprint
    assert _bytes(first) == _bytes(second)
    assert first.sheet == second.sheet
    assert (first.classes, first.kind) == (second.classes, second.kind)


def test_opened_without_the_cache_it_is_equal_bit_for_bit(place, tmp_path, monkeypatch):
    first = open_data(place)
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "another"))
    second = open_data(place)
    assert first.fingerprint == second.fingerprint
    assert _bytes(first) == _bytes(second)


def test_every_sample_has_a_name_of_its_own(place):
    names = [n for split in open_data(place).splits.values() for n in split.names]
    assert len(set(names)) == len(names)


def test_another_wish_is_another_fingerprint(place):
    usual = open_data(place)
    other = open_data(place, size=(24, 30), channels=1, resize_mode="stretch")
    assert other.fingerprint != usual.fingerprint
    assert other.splits["train"].x.shape[1:] == (24, 30, 1)
    assert other.resize_mode == "stretch"


def test_batches_and_statistics_work(place):
    source = open_data(place)
    split = source.splits["train"]
    mean, std = statistics(split)
    assert len(mean) == len(std) == source.sheet.channels
    batch = next(batches(split, size=5, shuffle=True, seed=0, epoch=0))
    assert batch.x.dtype == torch.float32
    assert 0 <= float(batch.x.min()) <= float(batch.x.max()) <= 1


def test_the_sheet_survives_json(place):
    sheet = open_data(place).sheet
    assert Sheet.from_json(sheet.to_json()) == sheet
    assert sheet.exhibits()
