"""HDF5: what lies in the file, and nothing that it refers to."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from neocog.data.hdf5 import open_hdf5
from neocog.data.open import is_data, open_data
from neocog.errors import DataError

RNG = np.random.default_rng(5)


def raw_set(n: int = 40, channels: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Values of any range."""
    return RNG.normal(-300, 1000, (n, 26, 24, channels)).astype(np.float32), np.arange(n) % 2


def hdf5(path: Path, **arrays: np.ndarray) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name.replace("__", "/"), data=array)
    return path


@pytest.mark.parametrize(
    "options",
    [
        {}, {"chunks": (7, 5, 24, 3)}, {"compression": "gzip", "chunks": (7, 5, 24, 3)},
        {"compression": "gzip", "shuffle": True, "fletcher32": True}, {"compression": "lzf"},
    ],
)  # fmt: skip
def test_hdf5_holds_what_was_saved(options, tmp_path):
    h5py = pytest.importorskip("h5py")
    x, y = raw_set()
    with h5py.File(tmp_path / "set.h5", "w") as file:
        file.create_dataset("train/images", data=x.astype(">f8"), **options)
        file["train/labels"] = y[:, None]
        file["other/images"] = x[::-1]
    source = open_data(f"{tmp_path / 'set.h5'}:train/images")
    assert source.kind == "hdf5"
    found = np.concatenate([source.splits[s].x for s in source.splits])
    rows = [int(n[7:-1]) for s in source.splits.values() for n in s.names]
    np.testing.assert_array_equal(found, x[rows])
    assert source.classes == ("0", "1")
    assert is_data(f"{tmp_path / 'set.h5'}:train/images:test")


def test_what_hdf5_refers_to_is_never_opened(tmp_path):
    h5py = pytest.importorskip("h5py")
    x, _ = raw_set()
    secret = hdf5(tmp_path / "secret.h5", images=x)
    path = tmp_path / "set.h5"
    layout = h5py.VirtualLayout(x.shape, x.dtype)
    layout[:] = h5py.VirtualSource(secret, "images", x.shape)
    with h5py.File(path, "w") as file:
        file["link"] = h5py.ExternalLink("secret.h5", "images")
        file["soft"] = h5py.SoftLink("/link")
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("refs", data=[file.ref], dtype=h5py.ref_dtype)
        file.create_dataset("away", x.shape, "f4", external=[("raw.bin", 0, x.nbytes)])
        plain = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plain.set_chunk(x.shape)
        plain.set_filter(32008, h5py.h5z.FLAG_OPTIONAL, ())  # bitshuffle, which is a plugin
        space = h5py.h5s.create_simple(x.shape)
        h5py.h5d.create(file.id, b"plugin", h5py.h5t.NATIVE_FLOAT, space, dcpl=plain)
        file["self"] = file["/"]
    for name, message in (
        ("link", "is a link to another file, and no other file is opened"),
        ("soft", "is a symbolic link, which is not followed"),
        ("virtual", "has its values in other files"),
        ("refs", "references to other objects"),
        ("away", "has its values in other files"),
        ("plugin", r"filter 32008\), which is a library to be loaded"),
    ):
        with pytest.raises(DataError, match=message):
            open_data(f"{path}:{name}")


def test_hdf5_is_bounded_before_it_is_read(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "set.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", (10**6, 1000, 1000), "f4", chunks=(1, 1000, 1000))
        small = file.create_dataset("bomb", (4, 8, 8), "u1", chunks=(4, 8, 8), compression="gzip")
        small.id.write_direct_chunk((0, 0, 0), zlib.compress(bytes(1 << 24)))
    with pytest.raises(DataError, match="more than 200 times as much"):
        open_data(f"{path}:images")
    with pytest.raises(DataError, match="unpacks to more than its 256 bytes"):
        open_data(f"{path}:bomb")
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(DataError, match="cannot be read as HDF5 of plain arrays"):
        open_data(path)


def test_hdf5_without_h5py_says_how_to_install_it(tmp_path, monkeypatch):
    import sys

    from neocog.errors import UsageError

    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "set.h5").write_bytes(b"\x89HDF")
    with pytest.raises(UsageError, match=r"pip install 'neocog\[hdf5\]'"):
        open_data(tmp_path / "set.h5")


def test_class_names_of_hdf5_may_be_texts_of_any_length(tmp_path):
    h5py = pytest.importorskip("h5py")
    x, y = raw_set()
    with h5py.File(tmp_path / "set.h5", "w") as file:
        file["images"], file["labels"] = x, y
        file.create_dataset("class_names", data=["ant", "bee"], dtype=h5py.string_dtype())
    assert open_data(tmp_path / "set.h5").classes == ("ant", "bee")


@pytest.mark.parametrize("packing", [{"compression": "gzip"}, {}])
def test_a_damaged_checksum_is_refused(packing, tmp_path):
    h5py = pytest.importorskip("h5py")
    x = np.arange(60.0).reshape(3, 20)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("x", data=x, chunks=(3, 20), fletcher32=True, **packing)
        _, chunk = made.id.read_direct_chunk((0, 0))
    with open_hdf5(tmp_path / "a.h5") as held:
        np.testing.assert_array_equal(held.read("x"), x)
    raw = (tmp_path / "a.h5").read_bytes()
    assert raw.count(chunk) == 1
    wrong = chunk[:-1] + bytes([chunk[-1] ^ 1])
    (tmp_path / "b.h5").write_bytes(raw.replace(chunk, wrong))
    with open_hdf5(tmp_path / "b.h5") as held, pytest.raises(DataError, match="cannot be read"):
        held.read("x")
