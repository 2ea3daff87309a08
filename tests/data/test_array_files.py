"""Float arrays, .npy and HDF5: values as they are, names of published sets, no link followed."""

from __future__ import annotations

import numpy as np
import pytest

from neocog.data.array_files import named_arrays
from neocog.data.batches import pixels, statistics
from neocog.data.image_decode import fit_all
from neocog.data.open import open_data
from neocog.data.series import series_at
from neocog.errors import DataError

RNG = np.random.default_rng(5)


def raw_set(n: int = 40, channels: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Values of any range, each channel in its own."""
    scale = 10.0 ** np.arange(channels)
    x = RNG.normal(size=(n, 26, 24, channels)) * scale - 3 * scale
    return x.astype(np.float32), np.arange(n) % 2


def test_raw_values_are_neither_scaled_nor_clipped(tmp_path):
    x, y = raw_set()
    np.savez(tmp_path / "set.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    source = open_data(tmp_path / "set.npz")
    assert source.values == "raw"
    np.testing.assert_array_equal(source.splits["test"].x, x[30:])
    batch = pixels(source.splits["test"], np.arange(10))
    np.testing.assert_array_equal(batch.numpy(), np.moveaxis(x[30:], 3, 1))
    again = open_data(tmp_path / "set.npz")  # from the cache
    np.testing.assert_array_equal(again.splits["test"].x, x[30:])
    assert "raw values, taken as float32 as they are" in " ".join(source.sheet.remarks)
    assert "4 channels, raw values as float32" in source.sheet.exhibits()[0].text


def test_statistics_of_raw_values_are_those_of_every_value(tmp_path):
    x, y = raw_set(200)
    np.savez(tmp_path / "set.npz", x_train=x, y_train=y, x_val=x, y_val=y)
    mean, std = statistics(open_data(tmp_path / "set.npz").splits["train"])
    flat = x.reshape(-1, 4).astype(np.float64)
    np.testing.assert_allclose(mean, flat.mean(0), rtol=1e-12)
    np.testing.assert_allclose(std, flat.std(0), rtol=1e-9)  # sums in another order


@pytest.mark.parametrize(
    ("shape", "served"),
    [((40, 12, 10, 5), (12, 10, 5)), ((40, 2, 30, 28), (30, 28, 2)), ((40, 9, 8), (9, 8, 1))],
)
def test_channels_of_any_number_are_found_by_their_axis(shape, served, tmp_path):
    np.savez(tmp_path / "set.npz", x=RNG.integers(0, 256, shape, np.uint8), y=np.arange(40) % 2)
    sheet = open_data(tmp_path / "set.npz", size=served[:2]).sheet
    assert (*sheet.size, sheet.channels) == served
    assert sheet.bits == 8


def test_an_order_of_axes_that_sizes_do_not_show_is_refused(tmp_path):
    np.savez(tmp_path / "set.npz", x=np.zeros((40, 9, 9, 9), np.uint8), y=np.arange(40) % 2)
    with pytest.raises(DataError, match="with fewer channels C than rows and columns"):
        open_data(tmp_path / "set.npz")


def test_raw_values_are_resized_in_their_own_range():
    x = np.full((1, 8, 8, 4), -1e4, np.float32)
    np.testing.assert_allclose(
        fit_all(x, size=(5, 5), channels=4, resize_mode="crop"), -1e4, rtol=1e-6
    )


def test_npy_files_beside_each_other_are_one_set(tmp_path):
    x, y = raw_set()
    for name, array in (("x_train", x), ("y_train", y), ("x_test", x[:10]), ("y_test", y[:10])):
        np.save(tmp_path / f"{name}.npy", array)
    folder = open_data(tmp_path)
    assert folder.kind == "npy"
    assert len(folder.splits["test"]) == 10
    one = open_data(tmp_path / "x_test.npy")  # with the labels beside it
    assert one.classes == ("0", "1")
    assert len(one.whole) == 10
    np.save(tmp_path / "alone.npy", x)
    assert open_data(tmp_path / "alone.npy").classes == ()
    (tmp_path / "alone.npy").write_bytes((tmp_path / "alone.npy").read_bytes()[:-4])
    with pytest.raises(DataError, match=r"cannot be read as an \.npy of a plain array"):
        open_data(tmp_path / "alone.npy")


def _h5(path, **arrays):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name.replace("__", "/"), data=array)


@pytest.mark.parametrize("start", ["", "scans_level_2_split_", "2024."])
def test_images_and_labels_in_files_of_their_own_are_one_set(start, tmp_path):
    x, y = raw_set()
    for role, rows in (("train", slice(30)), ("valid", slice(30, 35)), ("test", slice(35, 40))):
        _h5(tmp_path / f"{start}{role}_x.h5", x=x[rows])
        _h5(tmp_path / f"{start}{role}_y.h5", y=y[rows, None, None, None])
    source = open_data(tmp_path)
    assert (source.kind, source.classes) == ("hdf5", ("0", "1"))
    assert [len(source.splits[s]) for s in ("train", "val", "test")] == [30, 5, 5]
    np.testing.assert_array_equal(source.splits["test"].x, x[35:])
    one = open_data(tmp_path / f"{start}test_x.h5")  # with the labels beside it
    assert (one.classes, len(one.whole)) == (("0", "1"), 5)


@pytest.mark.parametrize("ending", ["h5", "npz"])
def test_a_file_for_each_split_is_one_set(ending, tmp_path):
    x, y = raw_set()
    for role, rows in (("train", slice(30)), ("test", slice(30, 40))):
        arrays = {"images": x[rows], "labels": y[rows]}
        if ending == "npz":
            np.savez(tmp_path / f"{role}.npz", **arrays)
        else:
            _h5(tmp_path / f"{role}.h5", **arrays)
    source = open_data(tmp_path)
    assert len(source.splits["test"]) == 10
    np.testing.assert_array_equal(source.splits["test"].y, y[30:])
    assert len(open_data(tmp_path / f"test.{ending}").whole) == 10


def test_a_damaged_file_of_a_set_is_named(tmp_path):
    x, y = raw_set()
    _h5(tmp_path / "train_x.h5", x=x)
    _h5(tmp_path / "train_y.h5", y=y)
    (tmp_path / "train_y.h5").write_bytes((tmp_path / "train_y.h5").read_bytes()[:-64])
    with pytest.raises(DataError, match=r"train_y\.h5 cannot be read as HDF5"):
        open_data(tmp_path)


@pytest.mark.parametrize("beside", ["features.npy", "features.h5"])
def test_arrays_beside_images_are_not_the_data(beside, tmp_path):
    from PIL import Image

    for i in range(3):
        Image.fromarray(RNG.integers(0, 256, (30, 30), np.uint8)).save(tmp_path / f"{i}.png")
    np.save(tmp_path / "x.npy", np.zeros((3, 4)))
    (tmp_path / "x.npy").rename(tmp_path / beside)
    source = open_data(tmp_path)
    assert (source.kind, len(source.whole)) == ("folder", 3)


@pytest.mark.parametrize(
    ("names", "pick", "expected"),
    [
        (["train/images", "train/labels", "test/images", "test/labels"], "",
         [("train/images", "train/labels", "train"), ("test/images", "test/labels", "test")]),
        (["train_set_x", "train_set_y", "list_classes"], "",
         [("train_set_x", "train_set_y", "train")]),
        (["X_train", "Y_train", "X_valid", "Y_valid"], "",
         [("X_train", "Y_train", "train"), ("X_valid", "Y_valid", "val")]),
        (["ans", "images", "ra"], "", [("images", "ans", "")]),
        (["train/data", "train/target"], "", [("train/data", "train/target", "train")]),
        (["arr_0"], "", [("arr_0", "", "")]),
        (["a/cubes", "a/labels", "b/cubes"], "a/cubes", [("a/cubes", "a/labels", "")]),
        (["cubes", "kind", "labels"], "cubes,kind", [("cubes", "kind", "")]),
        (["imgs", "latents_classes", "latents_values"], "imgs", [("imgs", "", "")]),
    ],
)  # fmt: skip
def test_arrays_are_found_by_the_names_of_published_sets(names, pick, expected):
    found = named_arrays(names, pick, "set")
    assert [(n.images, n.labels, n.role) for n in found] == expected


@pytest.mark.parametrize(
    ("names", "pick", "message"),
    [
        (["x_train", "x_test", "y_train"], "", "`x_test` has none"),
        (["spectra", "kind"], "", "or name its images and labels, as set:kind,LABELS"),
        (["images"], "image", r"must hold an array `image`, .* Did you mean `images`"),
    ],
)
def test_names_that_fit_nothing_are_one_sentence(names, pick, message):
    with pytest.raises(DataError, match=message):
        named_arrays(names, pick, "set")


def test_series_come_from_npy_files_too(tmp_path):
    x = RNG.normal(size=(6, 2, 16)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", np.arange(6))
    samples = series_at([tmp_path / "x.npy"], (2, 16))
    assert samples.y is not None
    np.testing.assert_array_equal(samples.take(slice(0, 6)).numpy(), x)


def test_a_training_on_arrays_without_labels_says_how_to_save_them(tmp_path):
    import neocog

    np.save(tmp_path / "new.npy", raw_set()[0])
    with pytest.raises(DataError, match=r"have no array of labels. Save one beside them"):
        neocog.train(tmp_path / "new.npy", out=tmp_path / "run", progress=False)
