"""Arrays whose numbers have no white, whose headers promise too much, that unpack without end."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from neocog.cli.main import main
from neocog.data import packed
from neocog.data.arrays import files_of, read_arrays
from neocog.data.open import open_data
from neocog.data.ranges import as_pixels
from neocog.data.series import series_of
from neocog.errors import DataError

RNG = np.random.default_rng(3)


def bytes_of(n: int = 40) -> np.ndarray:
    x = RNG.integers(0, 256, (n, 24, 24))
    x[0, 0, :2] = 0, 255
    return x


def saved(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


# ---- what numbers mean


@pytest.mark.parametrize(
    ("make", "dtype", "expected", "said"),
    [
        (lambda x: x.astype(np.uint8), np.uint8, 1, None),
        (lambda x: x.astype(np.uint16) * 257, np.uint16, 257, None),
        (lambda x: x.astype(">u2") * 257, np.uint16, 257, None),
        (lambda x: x.astype(np.int16), np.uint8, 1, "int16 from 0 to 255, taken as 8 bits"),
        (lambda x: x * 257, np.uint16, 257, "int64 from 0 to 65535, taken as 16 bits"),
        (lambda x: x.astype(np.float64), np.uint8, 1, "float64 from 0 to 255, taken as 8 bits"),
        (lambda x: x / 255, np.uint8, 1, "float64 from 0 to 1, taken as 8 bits: 1 is white"),
        (lambda x: (x / 255).astype(np.float32), np.uint8, 1, "float32 from 0 to 1, taken as 8"),
        (lambda x: (x / 255).astype(np.float16), np.uint8, 1, "float16 from 0 to 1, taken as 8"),
    ],
)
def test_the_same_pixels_in_every_type_are_the_same_pixels(make, dtype, expected, said, tmp_path):
    x, y = bytes_of(), np.arange(40) % 2
    source = open_data(saved(tmp_path / "set.npz", x_train=make(x), y_train=y,
                             x_test=make(x[:20]), y_test=y[:20]))  # fmt: skip
    found = source.splits["test"].x
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[..., 0], x[:20] * expected)
    text = " ".join(source.sheet.remarks)
    assert (said in text) if said else ("taken as" not in text)


def test_fractions_that_are_no_bytes_keep_their_bits():
    x = RNG.random((4, 8, 8))
    (found,), said, _ = as_pixels([x], where="set")
    np.testing.assert_array_equal(found, np.rint(x * 65535).astype(np.uint16))
    assert "taken as 16 bits: 1 is white" in said[0]


def test_truth_values_are_black_and_white():
    (found,), said, _ = as_pixels([np.array([[True, False]])], where="set")
    assert found.tolist() == [[255, 0]]
    assert said


def test_the_parts_of_a_set_share_one_white():
    """A test part that happens to be darker is not made brighter."""
    train, test = np.array([[0, 4000]]), np.array([[0, 200]])
    (a, b), _, _ = as_pixels([train, test], where="set")
    assert a.dtype == b.dtype == np.uint16
    assert b.tolist() == [[0, 200]]


@pytest.mark.parametrize(
    "bad",
    [
        np.array([-1, 5]), np.array([-128, 127], np.int8), np.array([0, 70_000]),
        np.array([0.5, 1.5]), np.array([0.0, 254.5]), np.array([0, 1]),
        np.array([0, 2**63], np.uint64),
    ],
)  # fmt: skip
def test_numbers_without_a_white_are_raw_and_refused_where_a_model_takes_pixels(bad):
    good = np.zeros(2, bad.dtype)
    for parts in ([bad], [good, bad], [bad, good]):
        made = as_pixels(parts, where="set")
        assert "as they are, neither scaled nor clipped" in made.remarks[0]
        for before, after in zip(parts, made.pixels, strict=True):
            assert after.dtype == np.float32
            np.testing.assert_array_equal(after, before.astype(np.float32))
        with pytest.raises(DataError, match=r"Pixels are .*set"):
            as_pixels(parts, where="set", values="pixels")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            np.array([[0.5], [np.nan], [np.nan]]),
            r"`x_test` of set has NaN in sample 1, .* 2 such",
        ),
        (np.array([[np.inf], [0.5]], np.float16), "has infinity in sample 0"),
        (np.array([1e300, -1.0]), "larger ones"),
        (np.array([1j, 0]), "Pixels are numbers; .* complex128"),
    ],
)
def test_what_is_no_finite_number_is_named(bad, message):
    with pytest.raises(DataError, match=message):
        as_pixels([np.zeros((2, 1)), bad], where="set", names=["x_train", "x_test"])


@pytest.mark.parametrize(
    "x",
    [bytes_of() // 16, bytes_of().astype(np.uint16), bytes_of().astype(np.uint16) * 16],
    ids=["0 to 16 in 8 bits", "8 bits in 16", "12 bits in 16"],
)
def test_what_is_far_below_white_is_said(x, tmp_path):
    x = x.astype(np.uint8) if x.max() < 17 else x
    source = open_data(saved(tmp_path / "set.npz", x=x, y=np.arange(40) % 2))
    assert any("which is dark" in r for r in source.sheet.warnings)


def test_parts_that_are_scaled_otherwise_are_said():
    x = bytes_of().astype(np.uint8)
    said = as_pixels([x, x // 255], where="set").cautions
    assert any("one of them may be scaled differently" in s for s in said)
    assert as_pixels([x, x // 2], where="set").cautions == ()


# ---- .npz


def test_a_header_that_promises_too_much_is_refused(tmp_path):
    good = io.BytesIO()
    np.save(good, np.zeros((4, 8, 8), np.uint8))
    raw = good.getvalue()
    for shape in (b"(10**12, 8, 8)", b"(999999999999, 8)", b"(4, 8, 7), ", b"(-4, 8, 8)",
                  b"(4.0, 8,)", b"(True, 8, 8)", b"[" * 60):  # fmt: skip
        changed = raw.replace(b"(4, 8, 8)", shape, 1)
        length = int.from_bytes(raw[8:10], "little") + len(changed) - len(raw)
        changed = raw[:8] + length.to_bytes(2, "little") + changed[10:]
        with zipfile.ZipFile(tmp_path / "set.npz", "w") as file:
            file.writestr("x.npy", changed)
            file.writestr("y.npy", raw)
        with pytest.raises(DataError, match=r"cannot be read as an .npz of plain arrays"):
            open_data(tmp_path / "set.npz")


def damaged(data: bytes, k: int) -> bytes:
    """Some bytes changed, most of them where headers are; every fifth time cut off."""
    out = bytearray(data)
    for _ in range(1 + k % 4):
        near = int(RNG.integers(128)) - 40 * (k % 3 == 2)
        at = near if k % 2 else int(RNG.integers(len(out)))
        out[at % len(out)] = RNG.integers(256)
    return bytes(out if k % 5 else out[: RNG.integers(len(out))])


def test_damaged_npz_files_are_one_sentence(tmp_path):
    """Changed from without, which the sums notice, and from within, which they do not."""
    place = saved(tmp_path / "set.npz", x=bytes_of(6).astype(np.uint8), y=np.arange(6))
    good = place.read_bytes()
    with zipfile.ZipFile(io.BytesIO(good)) as held:
        parts = {name: held.read(name) for name in held.namelist()}
    outcomes = []
    for k in range(400):
        if k % 4:
            with zipfile.ZipFile(place, "w") as file:
                for name, data in parts.items():
                    file.writestr(
                        name, damaged(data, k) if (k % 8 < 4) == (name[0] == "x") else data
                    )
        else:
            place.write_bytes(damaged(good, k // 4))
        for read in (lambda: read_arrays("npz", [place]), lambda: series_of(place)):
            try:
                read()
                outcomes.append("taken")
            except DataError as e:
                outcomes.append(str(e))
    assert not any("\n" in o for o in outcomes)
    assert 20 < outcomes.count("taken") < 780


def test_an_npz_that_unpacks_without_end_is_refused(tmp_path):
    place = tmp_path / "set.npz"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as file:
        with file.open("x.npy", "w", force_zip64=True) as out:
            np.lib.format.write_array_header_1_0(
                out, {"shape": (2000, 256, 256), "fortran_order": False, "descr": "|u1"}
            )
            for _ in range(125):
                out.write(bytes(1 << 20))
        file.writestr("y.npy", b"")
    start = time.process_time()
    with pytest.raises(DataError, match=r"unpacks from .* more than 200 times as much"):
        open_data(place)
    assert time.process_time() - start < 2


def test_more_than_the_machine_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "_memory", lambda: 4000)
    place = saved(tmp_path / "set.npz", x=bytes_of().astype(np.uint8), y=np.arange(40))
    with pytest.raises(DataError, match=r"half of that is taken at most"):
        open_data(place)


def test_lists_of_contents_are_bounded(tmp_path):
    place = tmp_path / "set.npz"
    with zipfile.ZipFile(place, "w") as file:
        for k in range(5000):
            file.writestr(f"{k}.npy", b"")
    with pytest.raises(DataError, match="5,000 arrays, at most 4,096"):
        open_data(place)
    with zipfile.ZipFile(place, "w") as file:
        for k in range(130):
            file.writestr(f"{k}".ljust(40_000, "x"), b"")
    with pytest.raises(DataError, match=r"its list of contents has .* bytes"):
        open_data(place)


def test_encrypted_and_oddly_packed_arrays_are_refused(tmp_path):
    place = tmp_path / "set.npz"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_LZMA) as file:
        file.writestr("x.npy", bytes(1000))
    with pytest.raises(DataError, match="a compression that NumPy does not write"):
        open_data(place)


def test_arrays_in_either_order_are_the_same(tmp_path):
    x = bytes_of().astype(np.uint8)
    turned = saved(tmp_path / "set.npz", x=np.asfortranarray(x), y=np.arange(40))
    with packed.open_npz(turned) as file:
        np.testing.assert_array_equal(file.read("x"), x)
        assert file.names == ["x", "y"]


# ---- idx and .gz


def idx(x: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{x.ndim}I", 0, 0, 8, x.ndim, *x.shape) + x.astype(np.uint8).tobytes()


def pair(folder: Path, images: bytes, ending: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"train-images-idx3-ubyte{ending}").write_bytes(images)
    labels = idx(np.arange(40) % 2)
    (folder / f"train-labels-idx1-ubyte{ending}").write_bytes(
        gzip.compress(labels) if ending else labels
    )
    return folder


def test_parts_and_padding_of_a_gz_are_read(tmp_path):
    x = bytes_of()
    data = idx(x)
    parts = gzip.compress(data[:100]) + gzip.compress(b"") + gzip.compress(data[100:]) + bytes(9)
    (part,) = read_arrays(*files_of(pair(tmp_path / "a", parts, ".gz"))).parts
    np.testing.assert_array_equal(part.x[..., 0], x)


def test_a_gz_that_unpacks_without_end_is_refused(tmp_path):
    """600 MB of zeros in 600 kB; the header tells the truth, or promises less."""
    packer, out = zlib.compressobj(9, wbits=31), []
    out.append(packer.compress(struct.pack(">BBBB3I", 0, 0, 8, 3, 600, 1000, 1000)))
    out += [packer.compress(bytes(1 << 20)) for _ in range(100)]
    bomb = b"".join((*out, packer.flush()))
    start = time.process_time()
    with pytest.raises(DataError, match="more than 200 times as much"):
        open_data(pair(tmp_path / "a", bomb, ".gz"))
    small = gzip.compress(idx(bytes_of()) + bytes(100 << 20), 1)
    with pytest.raises(DataError, match=r"it has more. Take an undamaged copy"):
        open_data(pair(tmp_path / "b", small, ".gz"))
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x1f\x8b", gzip.compress(idx(bytes_of()))[:-9], gzip.compress(b""),
        gzip.compress(idx(bytes_of())[:-1]), idx(bytes_of()), gzip.compress(b"") * 2000,
        b"\x1f\x8b\x08\x08" + bytes(6) + b"name" * 100_000,
        gzip.compress(struct.pack(">BBBB", 0, 0, 8, 255) + b"\xff" * 1020),
    ],
    # Not by what they hold: the time is in it, and every process would know them by another name.
    ids=["empty", "mark", "cut", "nothing", "short", "plain", "many", "name", "many axes"],
)  # fmt: skip
def test_damaged_gz_files_are_one_sentence(data, tmp_path):
    start = time.process_time()
    with pytest.raises(DataError, match=r"Take an undamaged copy|first of"):
        open_data(pair(tmp_path / "a", data, ".gz"))
    assert time.process_time() - start < 5


def test_pipes_in_place_of_arrays_are_refused_at_once(tmp_path):
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="is a named pipe"):
        open_data(tmp_path)
    os.mkfifo(tmp_path / "set.npz")
    for read in (open_data, series_of):
        with pytest.raises(DataError):
            read(tmp_path / "set.npz")


def test_the_data_verb_says_what_was_done(tmp_path, capsys):
    place = saved(tmp_path / "set.npz", x=bytes_of() / 255, y=np.arange(40) % 2)
    with pytest.raises(SystemExit) as left:
        main(["data", str(place), "--json"])
    out, err = capsys.readouterr()
    assert left.value.code == 0, err
    assert any("1 is white" in r for r in json.loads(out)["remarks"])
