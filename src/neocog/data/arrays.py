"""Data sets that are arrays: idx files (MNIST), .npz, .npy, HDF5, and the binary form of CIFAR.

    idx    train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-… or test-…; .gz or not;
           or a single pair of images and labels
    npz    x_train, y_train, x_test, y_test (also x_val, y_val); or images and labels; or x and y;
           names of the classes in `classes`, where there are any; images alone are unlabeled
    npy    the same, each array a file
    hdf5   the same, in groups or not: train/images and train/labels; in one file or several
    cifar  data_batch_1.bin … and test_batch.bin, or train.bin and test.bin (CIFAR-100)

Nothing here unpickles.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from neocog.data.array_files import (
    KINDS,
    ArrayFile,
    array_file,
    beside,
    class_names,
    named_arrays,
    open_array_file,
)
from neocog.data.duplicates import LEAST_SIDE, Traits, digest, traits
from neocog.data.packed import check_room, read_unpacked
from neocog.data.ranges import as_pixels
from neocog.data.split_names import ENDINGS
from neocog.errors import DataError, printable
from neocog.files import opened, read_bytes

__all__ = ["Arrays", "Part", "files_of", "picked_of", "read_arrays"]

_IDX = re.compile(r"^(?P<stem>.*?)(?P<what>images|labels)[-._]idx[1-4]-ubyte(\.gz)?$", re.I)
_ROLE = re.compile(r"(^|[-_.])(?P<role>train|t10k|test|val|valid|validation)[-_.]*$", re.I)
_ROLES = {"train": "train", "t10k": "test", "test": "test", "val": "val", "valid": "val"}
_TEXT = 1 << 24
"""Bytes of a list of class names, at most."""
_CIFAR = ("data_batch_1.bin", "train.bin")
_BLOCK = 64
"""Samples whose traits are computed at a time."""
_BESIDE = 64
"""Files of arrays in a folder that are one set, at most."""


@dataclass(frozen=True)
class Part:
    """The samples of one file: pixels (B, H, W, C), labels (B,), and the split named, or ""."""

    x: np.ndarray
    y: np.ndarray
    role: str


@dataclass(frozen=True)
class Arrays:
    """What the files hold: the parts, class names, and sentences for the sheet."""

    parts: tuple[Part, ...]
    classes: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def raw(self) -> bool:
        """Whether they are raw values, which have no white."""
        return self.parts[0].x.dtype == np.float32

    def sizes(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of each sample."""
        return (
            np.concatenate([np.full(len(p.y), p.x.shape[1]) for p in self.parts]),
            np.concatenate([np.full(len(p.y), p.x.shape[2]) for p in self.parts]),
        )

    def positions(self) -> list[tuple[int, int]]:
        """Part and row of each sample."""
        return [(k, i) for k, p in enumerate(self.parts) for i in range(len(p.y))]

    def traits(self) -> Traits:
        """What samples are compared by, of the arrays as they are in the files.

        Small images, and raw values, are compared exactly, and only so.
        """
        blocks = [p.x[i : i + _BLOCK] for p in self.parts for i in range(0, len(p.y), _BLOCK)]
        if not self.raw and any(min(b.shape[1:3]) >= LEAST_SIDE for b in blocks):
            return Traits(*(np.concatenate(c) for c in zip(*map(traits, blocks), strict=True)))
        none = np.zeros(0, np.uint64)
        return Traits(np.concatenate([digest(b) for b in blocks]), none, none)


def files_of(path: Path) -> tuple[str, list[Path]] | None:
    """The kind of arrays at a path (idx, npz, npy, hdf5, cifar) and their files; None for none.

    Args:
        path: a file or a folder; of a file of arrays also FILE:IMAGES or FILE:IMAGES,LABELS.

    Raises:
        DataError: several sets lie in one folder, or a pair is incomplete.
    """
    if (named := array_file(os.fspath(path))) is not None:
        file, pick = named
        kind = KINDS[file.suffix.lower()]
        return kind, _with_labels(file, kind) if not pick else [file]
    if path.is_file():
        if match := _IDX.match(path.name):
            return "idx", _pair(path, match)
        return None
    if not path.is_dir():
        return None
    names = sorted(p.name for p in path.iterdir() if not p.name.startswith("."))
    if idx := [n for n in names if _IDX.match(n)]:
        return "idx", _idx_files(path, idx)
    if any(n in names for n in _CIFAR):
        wanted = re.compile(r"^(data_batch_\d+|train|test_batch|test)\.bin$")
        text = [n for n in names if n in ("batches.meta.txt", "fine_label_names.txt")]
        return "cifar", [path / n for n in [*filter(wanted.match, names), *text]]
    if "data_batch_1" in names:
        raise DataError(
            f"{printable(path)} holds CIFAR as pickle files, which would execute code when they "
            "are loaded. Take the binary version (data_batch_1.bin) or an .npz."
        )
    return _of_folder(path, names)


def _with_labels(file: Path, kind: str) -> list[Path]:
    """A file of arrays, and where it holds images alone the file of their labels beside it."""
    if kind == "npz":
        return [file]
    files = beside(file)
    if kind == "hdf5" and len(files) > 1:
        with open_array_file(files[:1]) as held:
            if len(held.names) > 1:
                return [file]
    return files


def picked_of(path: Path) -> str:
    """What a path says of the names in its file: IMAGES or IMAGES,LABELS; "" for nothing."""
    named = array_file(os.fspath(path))
    if named is None:
        return ""
    file, pick = named
    kind = KINDS[file.suffix.lower()]
    if pick or kind == "npy":
        return pick or file.stem
    files = _with_labels(file, kind)
    if len(files) == 1:
        return ""
    with open_array_file(files) as held:
        return held.names[0]


def _of_folder(path: Path, names: list[str]) -> tuple[str, list[Path]] | None:
    """The one file of arrays in a folder, or the files of one set."""
    packed = [n for n in names if KINDS.get(Path(n).suffix.lower()) in ("npz", "hdf5")]
    single = [n for n in names if n.lower().endswith(".npy")]
    if (not packed and not single) or any((path / n).is_dir() for n in names):
        return None
    npz = [n for n in packed if n.lower().endswith(".npz")]
    images = any(Path(n).suffix.lower() in ENDINGS for n in names)
    if images and not npz:
        return None  # arrays beside images are something else
    if len(packed) == 1 and not single:
        return KINDS[Path(packed[0]).suffix.lower()], [path / packed[0]]
    files = [path / n for n in (*packed, *single)]
    if len(files) > _BESIDE:
        return None
    try:
        with open_array_file(files) as held:
            arrays = held.names
    except DataError:
        if images:
            return None
        raise
    with contextlib.suppress(DataError):  # arrays of something else
        named_arrays(arrays, "", printable(path))
        return KINDS[files[0].suffix.lower()], files
    return None


def read_arrays(kind: str, files: list[Path], *, pick: str = "", values: str = "") -> Arrays:
    """The arrays in some files.

    Args:
        kind: of the files, and
        files: themselves, as `files_of` gives them.
        pick: of a file of arrays, the names of its images and labels; "" to go by the names.
        values: `pixels`, `raw`, or "" to go by the numbers, see `neocog.data.ranges`.

    Raises:
        DataError: a file is damaged, or its arrays do not fit together.
    """
    reader: dict[str, Callable[[list[Path]], Arrays]] = {
        "idx": _read_idx_files,
        "cifar": _read_cifar,
    }
    if values == "raw" and kind in reader:
        raise DataError(
            f"The model takes raw values of float arrays; {printable(files[0])} holds pixels. Give "
            "an .npy, .npz or HDF5 file."
        )
    arrays = reader[kind](files) if kind in reader else _read_file(files, pick, values)
    for part in arrays.parts:
        if len(part.x) != len(part.y):
            raise DataError(
                f"Each image has one label; {printable(files[0])} has {len(part.x)} images "
                f"and {len(part.y)} labels{' for ' + part.role if part.role else ''}. "
                "Take the labels that belong to these images."
            )
    if not sum(len(p.y) for p in arrays.parts):
        raise DataError(f"{printable(files[0])} holds no samples. Take a file that has some.")
    return arrays


# ---- idx


def _pair(path: Path, match: re.Match[str]) -> list[Path]:
    stem = match["stem"]
    files = [
        p for p in sorted(path.parent.iterdir()) if (m := _IDX.match(p.name)) and m["stem"] == stem
    ]
    return _idx_files(path.parent, [p.name for p in files])


def _idx_files(folder: Path, names: list[str]) -> list[Path]:
    pairs: dict[str, dict[str, str]] = {}
    for name in names:
        match = _IDX.match(name)
        assert match
        pairs.setdefault(match["stem"], {}).setdefault(match["what"].lower(), name)
    families: dict[str, list[str]] = {}
    for stem, pair in pairs.items():
        if len(pair) < 2:
            has = next(iter(pair.values()))
            raise DataError(
                f"idx files come in pairs of images and labels; {printable(folder)} has "
                f"{printable(has)} alone. Put the other file beside it."
            )
        families.setdefault(_ROLE.sub("", stem), []).append(stem)
    if len(families) > 1:
        one = pairs[next(iter(families.values()))[0]]["images"]
        raise DataError(
            f"A folder holds one data set; {printable(folder)} has {len(families)} of idx files. "
            f"Name the images of one, such as {printable(folder / one)}."
        )
    return [folder / pairs[s][w] for s in sorted(pairs) for w in ("images", "labels")] + [
        p for p in [folder / "classes.txt"] if p.is_file()
    ]


def _read_idx_files(files: list[Path]) -> Arrays:
    names = _lines(files[-1]) if files[-1].name == "classes.txt" else []
    files = [f for f in files if f.name != "classes.txt"]
    raw = []
    for images, labels in zip(files[::2], files[1::2], strict=True):
        match = _IDX.match(images.name)
        role = _ROLE.search(match["stem"]) if match else None
        word = role["role"].lower() if role else ""
        x = _read_idx(images)
        y = _read_idx(labels)
        if x.ndim not in (3, 4) or y.ndim != 1:
            raise DataError(
                f"idx images have three axes and labels one; {printable(images)} has {x.ndim} and "
                f"{printable(labels)} {y.ndim}. Check that the files are not exchanged."
            )
        raw.append(
            (
                _shaped(x, images)[0],
                y.astype(np.int64),
                "val" if word == "validation" else _ROLES.get(word, ""),
            )
        )
    if len(raw) == 1:
        raw = [(raw[0][0], raw[0][1], "")]
    return _classes(raw, names)


def _read_idx(path: Path) -> np.ndarray:
    with opened(path, what="A file of arrays") as file:
        try:
            return _idx_array(file, path.suffix == ".gz", printable(path))
        except DataError:
            raise
        except (OSError, MemoryError) as e:
            raise DataError(
                f"{printable(path)} cannot be read ({e}). Take an undamaged copy."
            ) from e


def _idx_array(file: BinaryIO, packed: bool, name: str) -> np.ndarray:
    """Integers of one byte, with a header for their shape."""
    total = os.fstat(file.fileno()).st_size
    head, shape, start, have = bytearray(), (), 0, 0
    raw, need = np.empty(0, np.uint8), 4
    try:
        for block in read_unpacked(file, packed=packed):
            have += len(block)
            if not start:
                head += block
                if len(head) < 4 or len(head) < 4 + 4 * head[3]:
                    continue
                if head[:2] != b"\0\0" or head[2] != 8:
                    break
                start = 4 + 4 * head[3]
                shape = tuple(np.frombuffer(bytes(head[4:start]), ">u4").tolist())
                need = start + math.prod(shape)
                if not packed and need != total:
                    have = total
                    break
                check_room(need, total)
                raw, block, have = np.empty(need - start, np.uint8), bytes(head[start:]), start
                have += len(block)
            if have > need:
                break
            raw[have - len(block) - start : have - start] = np.frombuffer(block, np.uint8)
    except DataError as e:
        raise DataError(f"{name} cannot be read ({e}). Take an undamaged copy.") from e
    if not start:
        raise DataError(
            f"An idx file of bytes starts with 00 00 08; {name} begins with "
            f"{bytes(head[:4]).hex(' ') or 'nothing'}. Take an undamaged copy."
        )
    if have != need:
        raise DataError(
            f"{name} declares the shape {shape}, {need:,} bytes; it has "
            f"{'more' if have > need and packed else f'{have:,}'}. Take an undamaged copy."
        )
    return raw.reshape(shape)


# ---- files of arrays by name


def _read_file(files: list[Path], pick: str, values: str) -> Arrays:
    path = files[0]
    where = printable(path) if len(files) == 1 else printable(path.parent)
    with open_array_file(files) as file:
        chosen = named_arrays(file.names, pick, where)
        raw = [_part(file, n.images, n.labels, n.role, path) for n in chosen]
        names = class_names(file)
    notes = [f"`{printable(n.images)}`: {p[3]}" for n, p in zip(chosen, raw, strict=True) if p[3]]
    converted = as_pixels(
        [p[0] for p in raw], where=where, names=[n.images for n in chosen], values=values
    )
    notes = [*notes, *converted.remarks]
    parts = [(x, p[1], p[2]) for x, p in zip(converted.pixels, raw, strict=True)]
    arrays = _classes(parts, names, notes) if chosen[0].labels else _unlabeled(parts, notes)
    return replace(arrays, cautions=converted.cautions)


def _part(
    file: ArrayFile, images: str, labels: str, role: str, path: Path
) -> tuple[np.ndarray, np.ndarray, str, str]:
    """Images, labels, split, and how the axes were understood."""
    x, order = _shaped(file.read(images), path)
    y = _labels(file.read(labels), path) if labels else np.zeros(len(x), np.int64)
    return x, y, role, order


def _unlabeled(raw: list[tuple[np.ndarray, np.ndarray, str]], notes: Sequence[str]) -> Arrays:
    _same_channels(raw)
    return Arrays(tuple(Part(x, y, r) for x, y, r in raw), (), tuple(notes))


def _labels(y: np.ndarray, path: Path) -> np.ndarray:
    if y.ndim > 1 and set(y.shape[1:]) == {1}:
        y = y.reshape(-1)
    if y.dtype.kind == "f" and not bool(np.isfinite(y).all()):
        raise DataError(
            f"Labels are finite numbers; {int((~np.isfinite(y)).sum()):,} of those of "
            f"{printable(path)} are not. Correct them, or leave out these images."
        )
    if y.dtype.kind == "f" and y.ndim == 1 and bool(np.all(y == np.rint(y))):
        y = y.astype(np.int64)
    if y.ndim != 1 or y.dtype.kind not in "iuUSb":
        raise DataError(
            f"Labels are integers or strings, one per image; those of {printable(path)} are "
            f"{y.dtype} of shape {y.shape}. Turn one-hot rows into numbers with argmax(1)."
        )
    return y


def _shaped(x: np.ndarray, path: Path) -> tuple[np.ndarray, str]:
    """As (B, H, W, C), with a sentence where the axis of channels was chosen by its size."""
    if x.ndim == 2:
        raise DataError(
            f"Images are (B, H, W), gray, or have channels too; that of {printable(path)} is "
            f"{x.shape}. Save a single image as a batch of one, x[None]."
        )
    if x.ndim == 3:
        x = x[..., None]
    order = ""
    if x.ndim == 4 and x.shape[3] not in (1, 3):
        first, high, wide = x.shape[1:]
        if first in (1, 3) or first < min(high, wide):
            x = np.moveaxis(x, 1, 3)
            order = f"{first} channels in front, (B, C, H, W)." if first not in (1, 3) else ""
        elif wide < min(first, high):
            order = f"{wide} channels behind, (B, H, W, C)."
    if x.ndim != 4 or 0 in x.shape[1:] or (x.shape[3] not in (1, 3) and not order):
        raise DataError(
            f"Images are (B, H, W), (B, H, W, C) or (B, C, H, W), with fewer channels C than rows "
            f"and columns; those of {printable(path)} are {x.shape}. Reorder or drop axes."
        )
    return x, order


# ---- CIFAR, binary


def _read_cifar(files: list[Path]) -> Arrays:
    fine = (files[0].parent / "train.bin").exists()
    head = 2 if fine else 1
    raw = []
    text = [f for f in files if f.suffix == ".txt"]
    for path in files:
        if path.suffix == ".txt":
            continue
        with opened(path, what="A file of arrays") as file:
            data = np.fromfile(file, np.uint8)
        if not len(data) or len(data) % (head + 3072):
            raise DataError(
                f"Records of CIFAR have {head + 3072} bytes; {printable(path)} has {len(data):,}, "
                "no multiple of that. Take an undamaged copy."
            )
        rows = data.reshape(-1, head + 3072)
        x = np.ascontiguousarray(np.moveaxis(rows[:, head:].reshape(-1, 3, 32, 32), 1, 3))
        raw.append(
            (x, rows[:, head - 1].astype(np.int64), "test" if "test" in path.name else "train")
        )
    joined = []
    for role in ("train", "test"):
        if some := [r for r in raw if r[2] == role]:
            joined.append(
                (np.concatenate([r[0] for r in some]), np.concatenate([r[1] for r in some]), role)
            )
    return _classes(joined, _lines(text[0]) if text else [])


# ---- all


def _lines(path: Path) -> list[str]:
    text = read_bytes(path, limit=_TEXT, what="A list of class names").decode("utf-8", "replace")
    return [n.strip() for n in text.splitlines() if n.strip()]


def _classes(
    raw: list[tuple[np.ndarray, np.ndarray, str]], names: list[str], notes: Sequence[str] = ()
) -> Arrays:
    """Numbers the labels 0, 1, … in their order and gives them their names."""
    values = np.unique(np.concatenate([y for _, y, _ in raw])) if raw else np.zeros(0)
    words = [
        str(v.decode("utf-8", "replace") if isinstance(v, bytes) else v) for v in values.tolist()
    ]
    numbers = values.dtype.kind in "iub"
    remarks = tuple(notes)
    if (
        names
        and numbers
        and len(values)
        and int(values.min()) >= 0
        and int(values.max()) < len(names)
    ):
        parts = tuple(Part(x, y.astype(np.int64), r) for x, y, r in raw)
        return Arrays(parts, tuple(names), remarks)
    if names:
        remarks += (f"The {len(names)} class names given do not match the labels and are ignored.",)
    _same_channels(raw)
    parts = tuple(Part(x, np.searchsorted(values, y).astype(np.int64), r) for x, y, r in raw)
    return Arrays(parts, tuple(words), remarks)


def _same_channels(raw: Sequence[tuple[np.ndarray, np.ndarray, str]]) -> None:
    shapes = {x.shape[3] for x, _, _ in raw}
    if len(shapes) > 1:
        raise DataError(
            "All splits of a data set must have the same number of channels; these have "
            f"{sorted(shapes)}. Convert them to one."
        )
