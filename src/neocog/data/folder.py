"""Class folders: which files are there, what they are, and their pixels.

    ROOT/CLASS/**/picture
    ROOT/{train, val | valid | validation, test}/CLASS/**/picture

Hidden files and the droppings of desktops are passed over silently; whatever else is not taken in
is named. Names are bytes until they are shown: any name a file system allows will do.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np

from neocog.data.sheet import Fault
from neocog.errors import DataError, printable

__all__ = ["Listing", "scan"]

_ROLES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_SILENT = frozenset(["thumbs.db", "desktop.ini", "__macosx", "ehthumbs.db", "icon\r"])


_TWICE = "folder left out: another name (a symbolic link) of one that is read already"


@dataclass
class Listing:
    """The files of a data folder.

    Args:
        root: the folder.
        classes: names, sorted.
        names: path of each file below the root, sorted within its class.
        label: class number of each file.
        role: of each file; empty strings where the folder has no splits.
        stats: of each file, (size, mtime_ns, ctime_ns, inode), int64 (N, 4).
        faults: what is not taken in.
        kept: content of files that are read a second time soon.
    """

    root: str
    classes: tuple[str, ...] = ()
    names: list[str] = field(default_factory=list)
    label: list[int] = field(default_factory=list)
    role: list[str] = field(default_factory=list)
    stats: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.int64))
    faults: list[Fault] = field(default_factory=list)
    kept: dict[int, bytes] = field(default_factory=dict)

    def signature(self) -> bytes:
        """Of everything that listing the folder tells: equal as long as no file changes."""
        head = repr((self.root, self.classes, self.faults)) + "\0".join(self.names)
        seen = blake2b(head.encode("utf-8", "surrogateescape"))
        seen.update(self.stats.tobytes())
        seen.update(np.asarray(self.label, np.int64).tobytes())
        seen.update(",".join(self.role).encode())
        return seen.digest()

    def newest(self) -> int:
        """When a file was last changed, in nanoseconds."""
        return int(self.stats[:, 1:3].max(initial=0))


def scan(root: str | os.PathLike[str]) -> Listing:
    """Lists a data folder; symbolic links are followed, but no folder is entered twice.

    Raises:
        DataError: the folder cannot be read, or holds no class folders.
    """
    top = os.path.realpath(root)
    listing = Listing(top)
    folders = _folders(top, "", listing)
    roles = {f: _ROLES[f.lower()] for f in folders if f.lower() in _ROLES}
    parts = {f: _folders(top, f, listing) for f in roles}
    if any(parts[f] for f in roles if roles[f] == "train") or (
        len(roles) == len(folders) and any(parts.values())
    ):
        for f in folders:
            if not parts.get(f):
                reason = "holds no class folders" if f in roles else "not train, val or test"
                listing.faults.append(Fault(f, f"folder left out: {reason}"))
        places = [(role, f"{f}/{c}", c) for f, role in roles.items() for c in parts[f]]
    else:
        places = [("", f, f) for f in folders]
    _refuse_strangers(top, [c for _, _, c in places])
    listing.classes = tuple(sorted({c for _, _, c in places}))
    places = sorted(places)
    tops = _tops(listing, [path for _, path, _ in places])
    seen = {_identity(top), *(_identity(f"{top}/{f}") for f in roles), *tops.values()}
    tables = [np.zeros((0, 4), np.int64)]
    for role, path, c in places:
        if path not in tops:
            continue
        names, stats = _files(listing, path, seen, entered=True)
        listing.names += names
        tables.append(stats)
        listing.label += [listing.classes.index(c)] * len(names)
        listing.role += [role] * len(names)
        if not names:
            listing.faults.append(Fault(path, "empty: this class folder holds no files"))
    listing.stats = np.concatenate(tables)
    return listing


# ---- listing


def _hidden(name: str) -> bool:
    return name[0] in ".dDeEtTiI_" and (name[0] == "." or name.lower() in _SILENT)


def _folders(top: str, below: str, listing: Listing) -> list[str]:
    """Names of the visible folders in top/below."""
    try:
        with os.scandir(f"{top}/{below}") as entries:
            return sorted(e.name for e in entries if not _hidden(e.name) and e.is_dir())
    except OSError as e:
        if below:
            listing.faults.append(Fault(below, f"folder cannot be read ({e.strerror})"))
            return []
        raise DataError(
            f"A data folder has to be readable; {printable(top)} is not ({e.strerror}). "
            "Mind its rights."
        ) from e


def _refuse_strangers(top: str, classes: Sequence[str]) -> None:
    if not classes:
        raise DataError(
            "A data folder holds one folder a class, or train/ and test/ with one folder a class; "
            f"{printable(top)} holds no folders. Sort the pictures into class folders."
        )
    if sorted(classes) == ["images", "masks"]:
        raise DataError(
            f"{printable(top)} holds images/ and masks/, a set for segmentation; "
            "only classification is understood here. Give a folder of class folders."
        )


def _identity(path: str) -> tuple[int, int]:
    """What tells a folder, whatever the names that lead to it."""
    try:
        s = os.stat(path)  # noqa: PTH116 (a name may be no text)
    except OSError:
        return -1, -1
    return s.st_dev, s.st_ino


def _tops(listing: Listing, paths: Sequence[str]) -> dict[str, tuple[int, int]]:
    """The class folders, each once; of two names for one folder a link gives way."""
    own: dict[tuple[int, int], str] = {}
    for path in sorted(paths, key=lambda p: (Path(listing.root, p).is_symlink(), p)):
        first = own.setdefault(_identity(f"{listing.root}/{path}"), path)
        if first != path:
            listing.faults.append(Fault(path, _TWICE))
    return {path: identity for identity, path in own.items()}


def _files(
    listing: Listing, below: str, seen: set[tuple[int, int]], *, entered: bool = False
) -> tuple[list[str], np.ndarray]:
    """All visible regular files in this folder and deeper, but for folders seen before.

    Args:
        listing: where faults go.
        below: the folder, below the root.
        seen: the folders entered so far.
        entered: this folder is among `seen` already.

    Returns:
        names and stats, as in a `Listing`, sorted by name.
    """
    nothing: tuple[list[str], np.ndarray] = ([], np.zeros((0, 4), np.int64))
    try:
        handle = os.open(f"{listing.root}/{below}", os.O_RDONLY)
    except OSError as e:
        listing.faults.append(Fault(below, f"folder cannot be read ({e.strerror})"))
        return nothing
    try:
        own = os.fstat(handle)
        if not entered and (own.st_dev, own.st_ino) in seen:
            listing.faults.append(Fault(below, _TWICE))
            return nothing
        seen.add((own.st_dev, own.st_ino))
        visible = sorted(n for n in os.listdir(handle) if not _hidden(n))  # noqa: PTH208
        names, stats, deeper = _stat(listing, below, handle, visible)
    except OSError as e:
        listing.faults.append(Fault(below, f"folder cannot be read ({e.strerror})"))
        return nothing
    finally:
        os.close(handle)
    for path in deeper:
        more, theirs = _files(listing, path, seen)
        names, stats = names + more, np.concatenate([stats, theirs])
    if deeper:
        order = sorted(range(len(names)), key=names.__getitem__)
        names, stats = [names[i] for i in order], stats[order]
    return names, stats


def _stat(
    listing: Listing, below: str, handle: int, entries: Sequence[str]
) -> tuple[list[str], np.ndarray, list[str]]:
    """Names and stats of the regular files among entries, and the folders among them.

    A second start is spent here, in the system's answers: they are asked by the folder's handle,
    so that no path is walked for each file, and read column by column.
    """
    names, found = [], []
    for name in entries:
        try:
            found.append(os.stat(name, dir_fd=handle))
            names.append(f"{below}/{name}")
        except OSError as e:
            broken = _is_link(name, handle)
            reason = "broken symbolic link" if broken else "cannot be read"
            listing.faults.append(Fault(f"{below}/{name}", f"{reason} ({e.strerror})"))
    stats = np.array(
        (
            [s.st_size for s in found],
            [s.st_mtime_ns for s in found],
            [s.st_ctime_ns for s in found],
            [s.st_ino for s in found],
        ),
        np.int64,
    ).T
    kind = np.array([s.st_mode for s in found], np.int64) & 0o170000
    if (kind == stat.S_IFREG).all():
        return names, stats, []
    deeper = [names[i] for i in np.flatnonzero(kind == stat.S_IFDIR).tolist()]
    for i in np.flatnonzero((kind != stat.S_IFREG) & (kind != stat.S_IFDIR)).tolist():
        listing.faults.append(Fault(names[i], "no regular file (a device, pipe or socket)"))
    files = np.flatnonzero(kind == stat.S_IFREG)
    return [names[i] for i in files.tolist()], stats[files], deeper


def _is_link(name: str, handle: int) -> bool:
    try:
        mode = os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode
    except OSError:
        return False
    return stat.S_ISLNK(mode)
