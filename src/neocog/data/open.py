"""The one door: a path, or the name of a built-in set, becomes three splits."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Self

import numpy as np

from neocog.data.array_files import array_file
from neocog.data.arrays import files_of
from neocog.data.build import Built, build_arrays, build_digits, build_folder
from neocog.data.load_options import LoadOptions
from neocog.data.quality import Sheet
from neocog.data.split import ROLES, Split
from neocog.data.target_spec import TargetSpec
from neocog.errors import DataError, UsageError, did_you_mean, printable
from neocog.files import regular
from neocog.keywords import known_keywords

__all__ = ["ALL", "Source", "is_data", "open_data", "parse_source"]

ALL = "all"
"""Name of what is not a split: every sample."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set, opened.

    Args:
        path: as it was given.
        kind: digits, folder, idx, npz, npy, hdf5 or cifar.
        classes: names, in the order of the numbers in `Split.y`; none of images without labels.
        splits: train, val and test; any may be empty where the data has no such images.
        whole: all samples.
        sheet: what was found.
        fingerprint: of content, split and decoding: equal fingerprints, equal arrays.
        resize_mode: how images were brought to their size.
        decode: decodes some rows of `whole`, where no image is decoded yet; see `decoded`.
    """

    path: str
    kind: str
    classes: tuple[str, ...]
    splits: dict[str, Split]
    whole: Split
    sheet: Sheet
    fingerprint: str
    resize_mode: str
    decode: Callable[[np.ndarray], list[str]] | None = field(default=None, repr=False)

    def decoded(self, name: str, rows: np.ndarray) -> Self:
        """With the pixels of some rows of a split; nothing is done where all are there already.

        Args:
            name: of the split.
            rows: positions in it.

        Raises:
            DataError: a file cannot be decoded.
        """
        if self.decode is None:
            return self
        before = 0 if name == ALL else ROLES.index(name)
        start = sum(len(self.splits[role]) for role in ROLES[:before])
        remarks = self.decode(start + np.unique(rows))
        sheet = replace(self.sheet, cautions=(*self.sheet.cautions, *remarks))
        return replace(self, sheet=sheet)

    @property
    def values(self) -> str:
        """What the numbers are: `pixels`, or `raw`."""
        return "raw" if self.whole.x.dtype == np.float32 else "pixels"

    @property
    def target(self) -> TargetSpec:
        """What there is to predict of each sample."""
        return TargetSpec(kind="class" if self.classes else "none", classes=self.classes)

    def scored(self, name: str | None = None, *, trained_on: bool = False) -> str:
        """The split that figures are of; data without splits that no training used is whole.

        Args:
            name: the requested one.
            trained_on: the model learned from this data: what was held out of it is measured.

        Example:
            >>> open_data("digits").scored(), open_data("digits").scored("all")
            ('test', 'all')
        """
        if name:
            return name
        held = [n for n in ("test", "val") if len(self.splits.get(n, ()))]
        own = [n for n in held if trained_on or n in self.sheet.found_splits]
        return own[0] if own else ALL

    def split(self, name: str) -> Split:
        """The split of that name.

        Raises:
            DataError: there is none, or nothing in it.
        """
        chosen = self.whole if name == ALL else self.splits.get(name)
        if chosen is None or not len(chosen):
            raise DataError(
                f"`{printable(self.path)}` must have a split `{name}` with samples, and has "
                f"{', '.join(f'`{n}`' for n, s in self.splits.items() if len(s)) or 'none'}. "
                "Name another as DATA:SPLIT."
            )
        return chosen


def parse_source(source: str | os.PathLike[str]) -> tuple[str, str | None]:
    """Split `DATA:test` into path and split; `DATA:all` is everything.

    Example:
        >>> parse_source("digits:test")
        ('digits', 'test')
        >>> parse_source("photos")
        ('photos', None)
    """
    text = os.fspath(source)
    head, colon, tail = text.rpartition(":")
    if colon and tail in (*ROLES, ALL) and not _exists(text):
        return head, tail
    return text, None


def is_data(source: str | os.PathLike[str]) -> bool:
    """Whether it names a set of data, and not an image file or a folder to look for some in.

    Example:
        >>> is_data("digits"), is_data("digits:all"), is_data("photo.jpg")
        (True, True, False)
    """
    where, part = parse_source(source)
    if part is not None:
        return where == "digits" or _exists(where) or array_file(where) is not None
    if not _exists(where) and array_file(where) is None:
        return where == "digits"
    return not Path(where).is_dir() and bool(files_of(Path(where)))


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # names too long, or with zero bytes
        return False


@known_keywords
def open_data(
    source: str | Path,
    *,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    seed: int = 0,
    strict: bool = False,
    resize_mode: str = "crop",
    cut_test: bool = False,
    part: str | None = None,
    values: str | None = None,
    later: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Source:
    """Opens a data set; decodes it the first time, and maps it from a cache from then on.

    Args:
        source: `digits`, a folder of class folders or of images without labels, a folder of idx or
            CIFAR binary files, an images file of an idx pair, an .npz, .npy or HDF5 file, also
            as FILE:IMAGES or FILE:IMAGES,LABELS. Write `./digits` for a folder of that name.
        size: (H, W) to serve; None takes the common size of the images up to 160 pixels, else
            128 × 128 or the size of the median image, whichever is smaller, never below 24.
        channels: 1 or 3, of arrays any number; None takes 1 where every image is gray.
        seed: of the split, where the data brings none.
        strict: stop at the first file that cannot be taken in, instead of leaving it out.
        resize_mode: `crop`, `stretch` or `pad`, see `neocog.types.RESIZE_MODES`.
        cut_test: cut a test split out of train where the data brings train and val only.
        part: of all samples only those of this split; the sheet speaks of these alone.
        values: `pixels`, `raw`, or None to go by the numbers of an array: those that have no white
            are raw, and taken as they are, see `neocog.data.ranges`.
        later: of a folder of more images than these decode none now: `Source.decoded` decodes
            those that are chosen, and other rows are black.
        progress: called with (steps done, steps in all) as files are read and decoded.

    Raises:
        DataError: there is nothing at the path that can be used.
        UsageError: an option has a value that does not exist.

    Example:
        >>> source = open_data("digits")
        >>> source.splits["train"].x.shape, source.sheet.classes[:3]
        ((3500, 28, 28, 1), ('0', '1', '2'))
    """
    text = os.fspath(source)
    options = LoadOptions.checked(
        size=size,
        channels=channels,
        seed=seed,
        strict=strict,
        resize_mode=resize_mode,
        cut_test=cut_test,
        part="" if part in (None, ALL) else part,
        values=values or "",
    )
    built = (
        build_digits(options.of_images())
        if text == "digits"
        else _build(text, options, progress, later)
    )
    sheet = built.sheet
    name = json.dumps([built.key, sheet.classes]).encode()
    return Source(
        path=text,
        kind=sheet.kind,
        classes=sheet.classes,
        splits=built.splits,
        whole=built.whole,
        sheet=sheet,
        fingerprint=blake2b(name, digest_size=16).hexdigest(),
        resize_mode=resize_mode,
        decode=built.decode,
    )


def _build(
    text: str,
    options: LoadOptions,
    progress: Callable[[int, int], None] | None,
    later: int | None,
) -> Built:
    path = Path(text)
    if array_file(text) is None:
        _check(path, text)
    if (arrays := files_of(path)) is not None:
        kind, files = arrays
        return build_arrays(path, files, kind=kind, options=options, progress=progress)
    if path.is_dir():
        return build_folder(path, options=options.of_images(), progress=progress, later=later)
    regular(path, what="DATA that is no folder")
    raise DataError(
        f"DATA is `digits`, a folder, an .npz, .npy or HDF5 file, or the images of an idx pair; "
        f"{printable(path)} is another file. Give the folder that holds the data."
    )


def _check(path: Path, text: str) -> None:
    if not text.strip():  # `Path("")` is the current folder, as an unset variable of a shell is
        raise UsageError("DATA is a folder or a file; got an empty name. Name one.")
    try:
        if path.exists():
            return
        there = path.is_symlink()
    except OSError:  # the name is too long, or a folder above may not be entered
        there = True
    if there:
        regular(path, what="DATA that is not a folder")
    if text.startswith(("hf:", "http:", "https:")):
        raise UsageError(
            f"Data is read from this machine; {printable(text)} is remote. Download it first."
        )
    hint = (
        " Or do you mean `digits`, the built-in data set?" if text.lower().startswith("dig") else ""
    )
    parent = path.parent if path.parent.is_dir() else None
    near = [p.name for p in parent.iterdir()] if parent else []
    mean = did_you_mean(path.name, near) if near else ""
    mean = mean if mean.startswith("Did") else "Check the path."
    raise DataError(f"{printable(text)} does not exist. {mean}{hint}")
