"""Files that hold arrays by name, and which of the arrays are images, labels and class names.

    .npz          arrays by name
    .npy          one array; the other arrays of a set lie beside it: x_train.npy, y_train.npy
    .h5, .hdf5    arrays by name, in groups or not: train/images

Several files of one folder are one set: train.h5 and test.h5, or train_x.h5 and train_y.h5. An
array is then called by its file, train/images, or by the file alone, if that holds nothing else.

Names are those of published sets: x and y, images and labels, data and target, alone or with a
split: x_train, train_x, train_images, train/images, train_set_x. `FILE:NAME` names the images, and
`FILE:NAME,LABELS` the labels too.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from neocog.data.hdf5 import open_hdf5
from neocog.data.packed import open_npz, read_npy
from neocog.errors import DataError, did_you_mean, printable

__all__ = [
    "KINDS",
    "ArrayFile",
    "ArrayPair",
    "array_file",
    "beside",
    "class_names",
    "named_arrays",
    "open_array_file",
]

KINDS = {".npz": "npz", ".npy": "npy", ".h5": "hdf5", ".hdf5": "hdf5", ".he5": "hdf5"}
"""Ending of a file of arrays, and what it is."""

_IMAGES = ("x", "images", "image", "imgs", "img", "data", "inputs", "input")
_LABELS = ("y", "labels", "label", "targets", "target", "ans", "class_labels")
_SPLITS = (("train", "train"), ("val", "val"), ("valid", "val"), ("test", "test"))
_PATTERNS = ("{0}_{1}", "{1}_{0}", "{0}{1}", "{1}{0}", "{1}_set_{0}")
_CLASSES = ("classes", "class_names", "label_names", "list_classes")


class ArrayFile(Protocol):
    """An open file of arrays."""

    @property
    def names(self) -> list[str]:
        """Of the arrays, as the file spells them."""

    def read(self, name: str) -> np.ndarray:
        """An array, bounded before it is read."""


class ArrayPair:
    """Names of images and of their labels, "" where they have none, and the split."""

    def __init__(self, images: str, labels: str, role: str) -> None:
        self.images, self.labels, self.role = images, labels, role


class _Npy:
    """The .npy files of a folder that belong together, by their names."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = {f.stem: f for f in files}

    @property
    def names(self) -> list[str]:
        return list(self._files)

    def read(self, name: str) -> np.ndarray:
        return read_npy(self._files[name])


class _Several:
    """Open files of one folder, as one: each array with the name of its file before its own.

    What the names of all files begin with does not tell arrays apart: it is left out, unless the
    arrays are found with it.
    """

    def __init__(self, files: dict[str, ArrayFile]) -> None:
        start = _common(list(files))
        for cut in (0, len(start)):
            self._held = {
                name: (file, inner)
                for stem, file in files.items()
                for name, inner in _called(stem[cut:], file.names)
            }
            with contextlib.suppress(DataError):
                named_arrays(self.names, "", "")
                return

    @property
    def names(self) -> list[str]:
        return list(self._held)

    def read(self, name: str) -> np.ndarray:
        file, inner = self._held[name]
        return file.read(inner)


def _common(stems: Sequence[str]) -> str:
    """What all names begin with, up to the last separator.

    Example:
        >>> _common(["scans_split_train_x", "scans_split_test_x"])
        'scans_split_'
    """
    least, most = min(stems), max(stems)
    same = next((i for i, (a, b) in enumerate(zip(least, most, strict=False)) if a != b), 0)
    return least[: max(least[:same].rfind(c) for c in "_-. ") + 1]


def _called(stem: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """Each array of a file as it is called in its folder, and in the file."""
    words = set(_key(stem).split("_"))
    if len(names) == 1 and words & {*_IMAGES, *_LABELS}:
        return [(stem, names[0])]
    return [(f"{stem}/{name}" if stem else name, name) for name in names]


def array_file(text: str) -> tuple[Path, str] | None:
    """A file of arrays and what is named in it; None where the text is no such file.

    Args:
        text: `FILE`, `FILE:IMAGES` or `FILE:IMAGES,LABELS`.

    Example:
        >>> array_file("photo.png") is None
        True
    """
    if _is_file(text):
        return (Path(text), "") if Path(text).suffix.lower() in KINDS else None
    head, colon, tail = text.rpartition(":")
    if colon and tail and Path(head).suffix.lower() in KINDS and _is_file(head):
        return Path(head), tail
    return None


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def beside(path: Path) -> list[Path]:
    """The files of single arrays that belong to one: of the same set and folder, that one first.

    `x_train.npy` has labels in `y_train.npy`; a name that says nothing stands alone.
    """
    ending = path.suffix.lower()
    files = [f for f in sorted(path.parent.iterdir()) if f.suffix.lower() == ending]
    stems = {_key(f.stem): f for f in files}
    wanted = [f for k in (*_label_keys(_key(path.stem)), *_CLASSES) if (f := stems.get(k))]
    return [path, *(f for f in wanted if f != path)]


@contextlib.contextmanager
def open_array_file(files: Sequence[str | os.PathLike[str]]) -> Iterator[ArrayFile]:
    """The arrays of a file, or of several files of one set.

    Raises:
        DataError: it cannot be read.
        UsageError: an HDF5 file without h5py.
    """
    paths = [Path(f) for f in files]
    kinds = {KINDS.get(p.suffix.lower(), "npz") for p in paths}
    kind = kinds.pop()
    if kind == "npy" and not kinds:
        yield _Npy(paths)
    elif len(paths) > 1:
        with contextlib.ExitStack() as stack:
            yield _Several({p.stem: stack.enter_context(open_array_file([p])) for p in paths})
    elif kind == "hdf5":
        with open_hdf5(paths[0]) as hdf5:
            yield hdf5
    else:
        with open_npz(paths[0]) as npz:
            yield npz


def named_arrays(names: Sequence[str], pick: str, where: str) -> list[ArrayPair]:
    """Which arrays are images and which are their labels.

    Args:
        names: of all arrays.
        pick: `IMAGES` or `IMAGES,LABELS`; "" to go by the names.
        where: the file, for messages.

    Raises:
        DataError: none has a name of images, or the named one does not exist.

    Example:
        >>> [(n.images, n.labels) for n in named_arrays(["train/labels", "train/images"], "", "f")]
        [('train/images', 'train/labels')]
    """
    have = {_key(n): n for n in names}
    if pick:
        return [_picked(have, names, pick, where)]
    for x in _IMAGES:
        for pattern in _PATTERNS:
            split = [
                ArrayPair(have[key], _first(have, [pattern.format(y, s) for y in _LABELS]), role)
                for s, role in _SPLITS
                if (key := pattern.format(x, s)) in have
            ]
            if split:
                return _one_role(split, where)
    for labeled in (True, False):
        for x in _IMAGES:
            labels = _first(have, _label_keys(x)) if x in have else ""
            if x in have and bool(labels) is labeled:
                return [ArrayPair(have[x], labels, "")]
    if len(names) == 1:
        return [ArrayPair(names[0], "", "")]
    some = next(iter(sorted(names)), "NAME")
    raise DataError(
        f"A file of arrays holds x_train, y_train, x_test, y_test, or images and labels, or x and "
        f"y; {where} holds {', '.join(map(printable, sorted(names)[:40])) or 'nothing'}. Save it "
        f"under these names, or name its images and labels, as {where}:{printable(some)},LABELS."
    )


def class_names(held: ArrayFile) -> list[str]:
    """Names of the classes that a file lists; none where it has none."""
    have = {_key(n): n for n in held.names}
    name = _first(have, _CLASSES)
    if not name:
        return []
    listed = held.read(name).reshape(-1).tolist()
    return [n.decode("utf-8", "replace") if isinstance(n, bytes) else str(n) for n in listed]


def _key(name: str) -> str:
    return re.sub(r"[/\-. ]+", "_", name.strip("/").lower())


def _first(have: dict[str, str], keys: Sequence[str]) -> str:
    return next((have[k] for k in keys if k in have), "")


def _label_keys(key: str) -> list[str]:
    """How the labels of some images may be called, the likeliest first.

    Example:
        >>> _label_keys("train_images")[:2]
        ['train_labels', 'train_y']
    """
    own = {"x": "y", "images": "labels", "imgs": "labels", "image": "label", "img": "label"}
    out: list[str] = []
    for x in _IMAGES:
        pattern = rf"(?:(?<=_)|^){x}(?=_|$)|^{x}(?=train|val|test)|(?<=train){x}$|(?<=test){x}$"
        if not re.search(pattern, key):
            continue
        first = own.get(x, "labels")
        out += [re.sub(pattern, y, key, count=1) for y in (first, *_LABELS)]
    return list(dict.fromkeys(out))


def _picked(have: dict[str, str], names: Sequence[str], pick: str, where: str) -> ArrayPair:
    """The named arrays, and labels that stand beside them."""
    images, comma, labels = pick.partition(",")
    chosen = []
    for name in (images, labels) if comma else (images,):
        exact = name if name in names else have.get(_key(name))
        if exact is None:
            raise DataError(
                f"`{where}` must hold an array `{printable(name)}`, and holds "
                f"{', '.join(map(printable, sorted(names)[:40])) or 'nothing'}. "
                f"{did_you_mean(name, names)}"
            )
        chosen.append(exact)
    if comma:
        return ArrayPair(chosen[0], chosen[1], "")
    beside_them = _first(have, _label_keys(_key(chosen[0])))
    if not beside_them:  # the one array of labels in the same group
        group = chosen[0].rpartition("/")[0]
        prefix = f"{_key(group)}_" if group else ""
        known = [have[prefix + y] for y in _LABELS if prefix + y in have]
        beside_them = known[0] if len(known) == 1 and known[0] != chosen[0] else ""
    return ArrayPair(chosen[0], beside_them, "")


def _one_role(split: list[ArrayPair], where: str) -> list[ArrayPair]:
    """The splits; all have labels, or none.

    Raises:
        DataError: some have.
    """
    bare = [n for n in split if not n.labels]
    if bare and len(bare) < len(split):
        raise DataError(
            f"All splits of a set have labels, or none; in {where} `{printable(bare[0].images)}` "
            "has none. Add them, or name the images of one split, as "
            f"{where}:{printable(next(n for n in split if n.labels).images)}."
        )
    return split
