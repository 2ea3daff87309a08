"""idx, npz and CIFAR files: what they hold, and every way they can be wrong."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from neocog.data.open import open_data
from neocog.errors import DataError


def _idx(path: Path, x: np.ndarray, *, packed: bool = False) -> None:
    data = struct.pack(f">BBBB{x.ndim}I", 0, 0, 8, x.ndim, *x.shape) + x.astype(np.uint8).tobytes()
    (path.parent).mkdir(parents=True, exist_ok=True)
    if packed:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(data))
    else:
        path.write_bytes(data)


def _some(
    n: int, seed: int = 0, shape: tuple[int, ...] = (28, 28)
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *shape), np.uint8), np.arange(n) % 5


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("test", ["t10k", "test"])
def test_mnist_naming(packed, test, tmp_path):
    (x, y), (u, v) = _some(100), _some(30, 1)
    _idx(tmp_path / "train-images-idx3-ubyte", x, packed=packed)
    _idx(tmp_path / "train-labels-idx1-ubyte", y, packed=packed)
    _idx(tmp_path / f"{test}-images-idx3-ubyte", u, packed=packed)
    _idx(tmp_path / f"{test}-labels-idx1-ubyte", v, packed=packed)
    source = open_data(tmp_path)
    assert source.kind == "idx"
    sizes = {s: len(p) for s, p in source.splits.items()}
    assert sizes["train"] + sizes["val"] == 100
    assert 4 <= sizes["val"] <= 18  # a tenth, as a hash of each image falls
    assert sizes["test"] == 30
    np.testing.assert_array_equal(source.splits["test"].x[..., 0], u)
    np.testing.assert_array_equal(source.splits["test"].y, v)
    for s in ("train", "val"):
        rows = [int(n[6:-1]) for n in source.splits[s].names]
        assert source.splits[s].names[0].startswith("train[")
        np.testing.assert_array_equal(source.splits[s].x[..., 0], x[rows])


def test_a_single_pair_is_split(tmp_path):
    x, y = _some(100)
    _idx(tmp_path / "train-images.idx3-ubyte", x)
    _idx(tmp_path / "train-labels.idx1-ubyte", y)
    _idx(tmp_path / "other-images.idx3-ubyte", x)
    _idx(tmp_path / "other-labels.idx1-ubyte", y)
    source = open_data(tmp_path / "train-images.idx3-ubyte")
    sizes = {s: len(p) for s, p in source.splits.items()}
    assert sum(sizes.values()) == 100
    assert 4 <= sizes["val"] <= 18
    assert 10 <= sizes["test"] <= 32
    with pytest.raises(DataError, match=r"A folder holds one data set; .* has 2 of idx files"):
        open_data(tmp_path)


def test_names_of_classes_beside_idx_files(tmp_path):
    x, y = _some(50)
    _idx(tmp_path / "train-images-idx3-ubyte", x)
    _idx(tmp_path / "train-labels-idx1-ubyte", y)
    (tmp_path / "classes.txt").write_text("a\nb\nc\nd\ne\nnever seen\n")
    assert open_data(tmp_path).classes == ("a", "b", "c", "d", "e", "never seen")
    (tmp_path / "classes.txt").write_text("a\nb\n")
    source = open_data(tmp_path)
    assert source.classes == ("0", "1", "2", "3", "4")
    assert any("do not match the labels" in r for r in source.sheet.remarks)


def _pair(folder: Path, n: int = 10) -> tuple[Path, Path]:
    x, y = _some(n)
    images, labels = folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte"
    _idx(images, x)
    _idx(labels, y)
    return images, labels


def test_damaged_idx_files_are_refused(tmp_path):
    images, labels = _pair(tmp_path / "a")
    images.write_bytes(images.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"declares the shape \(10, 28, 28\)"):
        open_data(images.parent)
    images, labels = _pair(tmp_path / "b")
    images.write_bytes(b"\x12\x34" + images.read_bytes())
    with pytest.raises(
        DataError, match=r"An idx file of bytes starts with 00 00 08; .* 12 34 00 00"
    ):
        open_data(images.parent)
    images, labels = _pair(tmp_path / "c")
    _idx(labels, np.zeros(9))
    with pytest.raises(DataError, match="has 10 images and 9 labels"):
        open_data(images.parent)
    images, labels = _pair(tmp_path / "d")
    labels.unlink()
    with pytest.raises(DataError, match="idx files come in pairs of images and labels"):
        open_data(images.parent)
    images, labels = _pair(tmp_path / "e")
    images.with_name(images.name + ".gz").write_bytes(gzip.compress(images.read_bytes())[:-9])
    images.unlink()
    with pytest.raises(DataError, match=r"cannot be read .*Take an undamaged copy"):
        open_data(images.parent)
    images, labels = _pair(tmp_path / "f", 0)
    with pytest.raises(DataError, match="holds no samples"):
        open_data(images.parent)
    images, labels = _pair(tmp_path / "g")
    _idx(labels, np.zeros((10, 1)))
    with pytest.raises(DataError, match="idx images have three axes and labels one"):
        open_data(images.parent)


@pytest.mark.parametrize(
    "keys",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("X_train", "Y_train", "X_test", "Y_test"),
    ],
)
def test_npz_with_train_and_test(keys, tmp_path):
    (x, y), (u, v) = _some(100, shape=(32, 32, 3)), _some(20, 1, (32, 32, 3))
    np.savez(tmp_path / "set.npz", **dict(zip(keys, (x, y[:, None], u, v[:, None]), strict=True)))
    for place in (tmp_path / "set.npz", tmp_path):
        source = open_data(place)
        assert source.kind == "npz"
        sizes = {s: len(p) for s, p in source.splits.items()}
        assert sizes["train"] + sizes["val"] == 100
        assert 4 <= sizes["val"] <= 18  # a tenth, as a hash of each image falls
        assert sizes["test"] == 20
        np.testing.assert_array_equal(source.splits["test"].x, u)


@pytest.mark.parametrize("keys", [("images", "labels"), ("x", "y"), ("data", "target")])
def test_npz_with_one_part_is_split(keys, tmp_path):
    x, y = _some(100)
    np.savez_compressed(tmp_path / "set.npz", **dict(zip(keys, (x, y), strict=True)))
    source = open_data(tmp_path / "set.npz")
    sizes = {s: len(p) for s, p in source.splits.items()}
    assert sum(sizes.values()) == 100
    assert 4 <= sizes["val"] <= 18
    assert 10 <= sizes["test"] <= 32
    assert source.splits["val"].names[0].startswith("images[")


def test_npz_labels_of_any_kind_become_numbers(tmp_path):
    x, y = _some(50)
    words = np.array(["ant", "bee", "cat", "dog", "elk"])
    np.savez(tmp_path / "w.npz", x=x, y=words[y])
    assert open_data(tmp_path / "w.npz").classes == ("ant", "bee", "cat", "dog", "elk")
    np.savez(tmp_path / "n.npz", x=x, y=10 * y + 3)
    source = open_data(tmp_path / "n.npz")
    assert source.classes == ("3", "13", "23", "33", "43")
    assert set(source.splits["train"].y.tolist()) == {0, 1, 2, 3, 4}
    np.savez(tmp_path / "c.npz", x=x, y=y, classes=words)
    assert open_data(tmp_path / "c.npz").classes == ("ant", "bee", "cat", "dog", "elk")


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_labels_that_are_not_finite_are_no_class(value, tmp_path):
    x, y = _some(50)
    np.savez(tmp_path / "n.npz", x=x, y=np.where(y == 2, value, y))
    with pytest.raises(DataError, match=r"finite numbers; 10 of those .* are not"):
        open_data(tmp_path / "n.npz")


@pytest.mark.parametrize(
    ("make", "dtype", "shape"),
    [
        (lambda x: x, np.uint8, (28, 28, 1)),
        (lambda x: x.astype(np.uint16) * 257, np.uint16, (28, 28, 1)),
        (lambda x: x.astype(np.int64), np.uint8, (28, 28, 1)),
        (lambda x: x.astype(np.int32) * 100, np.uint16, (28, 28, 1)),
        (lambda x: x.astype(np.float32), np.uint8, (28, 28, 1)),
        (lambda x: x > 127, np.uint8, (28, 28, 1)),
        (lambda x: np.stack([x] * 3, 1), np.uint8, (28, 28, 3)),
    ],
)
def test_npz_pixels_of_every_kind(make, dtype, shape, tmp_path):
    x, y = _some(50)
    np.savez(tmp_path / "set.npz", x=make(x), y=y)
    split = open_data(tmp_path / "set.npz").splits["train"]
    assert split.x.dtype == dtype
    assert split.x.shape[1:] == shape


def test_damaged_and_odd_npz_are_refused(tmp_path):
    x, y = _some(50)
    place = tmp_path / "set.npz"
    for arrays, message in (
        ({"x": np.where(x > 250, np.nan, x), "y": y}, r"`x` of .* has NaN in sample 0"),
        ({"x": x, "y": np.eye(5)[y]}, "Labels are integers or strings"),
        ({"x": x[:-1], "y": y}, "has 49 images and 50 labels"),
        ({"x": x[:, :, 0], "y": y}, r"Images are \(B, H, W\)"),
        ({"a": x, "b": y}, "holds a, b. Save it under these names"),
        ({"x": np.array([object()] * 50), "y": y}, "pickled objects, which would execute code"),
    ):
        np.savez(place, **arrays)
        with pytest.raises(DataError, match=message):
            open_data(place)
    place.write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(DataError, match=r"cannot be read as an .npz of plain arrays"):
        open_data(place)
    np.savez(place, x_train=x, y_train=y, x_test=np.stack([x] * 3, 3), y_test=y)
    with pytest.raises(DataError, match="same number of channels"):
        open_data(place)


def test_cifar_binary(tmp_path):
    rng = np.random.default_rng(0)
    planes = rng.integers(0, 256, (60, 3, 32, 32), np.uint8)
    y = np.arange(60) % 10
    rows = np.concatenate([y[:, None].astype(np.uint8), planes.reshape(60, -1)], axis=1)
    (tmp_path / "data_batch_1.bin").write_bytes(rows[:25].tobytes())
    (tmp_path / "data_batch_2.bin").write_bytes(rows[25:50].tobytes())
    (tmp_path / "test_batch.bin").write_bytes(rows[50:].tobytes())
    (tmp_path / "batches.meta.txt").write_text("\n".join("abcdefghij"))
    source = open_data(tmp_path)
    assert source.classes == tuple("abcdefghij")
    np.testing.assert_array_equal(source.splits["test"].x, np.moveaxis(planes[50:], 1, 3))
    assert len(source.splits["train"]) + len(source.splits["val"]) == 50
    (tmp_path / "test_batch.bin").write_bytes(b"short")
    with pytest.raises(DataError, match="Records of CIFAR have 3073 bytes"):
        open_data(tmp_path)
    for path in tmp_path.glob("*.bin"):
        path.rename(path.with_suffix(""))
    with pytest.raises(DataError, match="pickle files, which would execute code"):
        open_data(tmp_path)


def test_copies_across_splits_of_arrays_are_named(tmp_path):
    (x, y), (u, v) = _some(60), _some(20, 1)
    u[3] = x[7]
    np.savez(tmp_path / "set.npz", x_train=x, y_train=y, x_test=u, y_test=v)
    sheet = open_data(tmp_path / "set.npz").sheet
    (copies,) = sheet.duplicates
    assert copies.names == ("train[7]", "test[3]")
    assert copies.across
    assert copies.conflict == (y[7] != v[3])


def test_size_asked_for_or_not_is_one_set_if_it_is_the_same(tmp_path):
    x, y = _some(60)
    np.savez(tmp_path / "set.npz", x=x, y=y)
    a, b = open_data(tmp_path / "set.npz"), open_data(tmp_path / "set.npz", size=(28, 28))
    assert a.fingerprint == b.fingerprint
    c = open_data(tmp_path / "set.npz", size=(32, 32), channels=3)
    assert c.splits["train"].x.shape[1:] == (32, 32, 3)
    assert c.fingerprint != a.fingerprint
