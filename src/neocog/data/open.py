"""The one door: a place on disk, or the name of a built-in set, becomes three splits."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from neocog.data.arrays import files_of
from neocog.data.build import Built, build_arrays, build_digits, build_folder
from neocog.data.load_options import LoadOptions
from neocog.data.quality import Sheet
from neocog.data.split import ROLES, Split
from neocog.errors import DataError, UsageError, did_you_mean, printable
from neocog.files import regular

__all__ = ["Source", "open_data", "parse_place"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set, opened.

    Args:
        place: as it was asked for.
        kind: digits, folder, idx, npz or cifar.
        classes: names, in the order of the numbers in `Split.y`.
        splits: train, val and test; any may be empty where the place has no such images.
        sheet: what was found.
        fingerprint: of content, split and decoding: equal fingerprints, equal arrays.
        resize_mode: how images were brought to their size.
    """

    place: str
    kind: str
    classes: tuple[str, ...]
    splits: dict[str, Split]
    sheet: Sheet
    fingerprint: str
    resize_mode: str

    def scored(self, name: str | None = None) -> str:
        """The split that figures are of: the one asked for, else test, else (where none is) val."""
        if name:
            return name
        held = [n for n in ("test", "val") if n in self.splits and len(self.splits[n])]
        return held[0] if held else "test"

    def split(self, name: str) -> Split:
        """The split of that name.

        Raises:
            DataError: there is none, or nothing in it.
        """
        found = self.splits.get(name)
        if found is None or not len(found):
            raise DataError(
                f"`{printable(self.place)}` must have a split `{name}` with samples, and has "
                f"{', '.join(f'`{n}`' for n, s in self.splits.items() if len(s)) or 'none'}. "
                "Name another as DATA:SPLIT."
            )
        return found


def parse_place(place: str | os.PathLike[str]) -> tuple[str, str | None]:
    """Takes a split off a place: `DATA:test`.

    Example:
        >>> parse_place("digits:test")
        ('digits', 'test')
        >>> parse_place("photos")
        ('photos', None)
    """
    text = os.fspath(place)
    head, colon, tail = text.rpartition(":")
    if colon and tail in ROLES and not Path(text).exists():
        return head, tail
    return text, None


def open_data(
    place: str | Path,
    *,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    seed: int = 0,
    strict: bool = False,
    resize_mode: str = "crop",
    cut_test: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Source:
    """Opens a data set; decodes it the first time, and maps it from a cache from then on.

    Args:
        place: `digits`, a folder of class folders, a folder of idx or CIFAR binary files, an
            images file of an idx pair, or an .npz. Write `./digits` for a folder of that name.
        size: (H, W) to serve; None takes the common size of the images up to 160 pixels, else
            128 × 128 or the size of the median image, whichever is smaller, never below 24.
        channels: 1 or 3; None takes 1 where every image is gray.
        seed: of the split, where the place brings none.
        strict: stop at the first file that cannot be taken in, instead of leaving it out.
        resize_mode: `crop`, `stretch` or `pad`, see `neocog.types.RESIZE_MODES`.
        cut_test: cut a test split out of train where the place brings train and val only.
        progress: called with (steps done, steps in all) as files are read and decoded.

    Raises:
        DataError: there is nothing at the place that can be used.
        UsageError: an option has a value that does not exist.

    Example:
        >>> source = open_data("digits")
        >>> source.splits["train"].x.shape, source.sheet.classes[:3]
        ((3500, 28, 28, 1), ('0', '1', '2'))
    """
    text = os.fspath(place)
    wish = LoadOptions.checked(
        size=size,
        channels=channels,
        seed=seed,
        strict=strict,
        resize_mode=resize_mode,
        cut_test=cut_test,
    )
    built = build_digits(wish) if text == "digits" else _build(text, wish, progress)
    sheet = built.sheet
    name = json.dumps([built.key, sheet.classes]).encode()
    return Source(
        place=text,
        kind=sheet.kind,
        classes=sheet.classes,
        splits=built.splits,
        sheet=sheet,
        fingerprint=blake2b(name, digest_size=16).hexdigest(),
        resize_mode=resize_mode,
    )


def _build(text: str, wish: LoadOptions, progress: Callable[[int, int], None] | None) -> Built:
    path = Path(text)
    _check(path, text)
    if (arrays := files_of(path)) is not None:
        kind, files = arrays
        return build_arrays(path, files, kind=kind, wish=wish, progress=progress)
    if path.is_dir():
        return build_folder(path, wish=wish, progress=progress)
    regular(path, what="DATA that is no folder")
    raise DataError(
        f"DATA is `digits`, a folder, an .npz or the images of an idx pair; "
        f"{printable(path)} is another file. Give the folder that holds the data."
    )


def _check(path: Path, text: str) -> None:
    if not text.strip():  # `Path("")` is the current folder, as an unset variable of a shell is
        raise UsageError("DATA names a folder or a file, and an empty name came. Name one.")
    try:
        if path.exists():
            return
        there = path.is_symlink()
    except OSError:  # the name is too long, or a folder above may not be entered
        there = True
    if there:
        regular(path, what="DATA that is no folder")
    if text.startswith(("hf:", "http:", "https:")):
        raise UsageError(
            f"Data is read from this machine; {printable(text)} is elsewhere. Fetch it first."
        )
    hint = " Or do you mean `digits`, the set built in?" if text.lower().startswith("dig") else ""
    parent = path.parent if path.parent.is_dir() else None
    near = [p.name for p in parent.iterdir()] if parent else []
    mean = did_you_mean(path.name, near) if near else ""
    mean = mean if mean.startswith("Did") else "Check the path."
    raise DataError(f"There is nothing at {printable(text)}. {mean}{hint}")
