"""Class folders: which files are there, what they are, and their pixels.

Where the classes are, `neocog.data.layout` finds out. Hidden files and what systems and storage
devices keep beside the data are passed over silently; whatever else is not taken in is named.
Names are bytes until they are shown: any name a file system allows will do.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np

from neocog.data.layout import find_layout
from neocog.data.quality import EMPTY, Fault
from neocog.data.split_names import hidden

__all__ = ["Listing", "scan", "walk"]

DEEPEST = 64
"""Folders in one another that are entered."""
_TWICE = "folder left out: a symbolic link to a folder that is already read"


@dataclass
class Listing:
    """The files of a data folder.

    Args:
        root: the folder.
        classes: names, sorted; none of images that are in no class folder.
        names: path of each file below the root, sorted within its class.
        label: class index of each file; -1 where there are no classes.
        role: of each file; empty strings where the folder has no splits.
        stats: of each file, (size, mtime_ns, ctime_ns, inode), int64 (N, 4).
        faults: what is not taken in.
        remarks: sentences on how the folders were understood.
        cautions: sentences on images that are left out or may have been understood wrongly.
        kept: content of files that are read a second time soon.
    """

    root: str
    classes: tuple[str, ...] = ()
    names: list[str] = field(default_factory=list)
    label: list[int] = field(default_factory=list)
    role: list[str] = field(default_factory=list)
    stats: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.int64))
    faults: list[Fault] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)
    kept: dict[int, bytes] = field(default_factory=dict)

    def signature(self) -> bytes:
        """Fingerprint of the listing: equal as long as no file changes."""
        sentences = [*self.remarks, *self.cautions]
        head = repr((self.root, self.classes, self.faults, sentences)) + "\0".join(self.names)
        seen = blake2b(head.encode("utf-8", "surrogateescape"))
        seen.update(self.stats.tobytes())
        seen.update(np.asarray(self.label, np.int64).tobytes())
        seen.update(",".join(self.role).encode())
        return seen.digest()

    def part(self, rows: Sequence[int], role: str) -> Listing:
        """Some of the files, as a split of that role; what is left out of the others is not."""
        inside = {self.names[i].rpartition("/")[0] for i in rows}
        return replace(
            self,
            names=[self.names[i] for i in rows],
            label=[self.label[i] for i in rows],
            role=[role] * len(rows),
            stats=self.stats[list(rows)],
            faults=[f for f in self.faults if f.path.rpartition("/")[0] in inside],
            kept={},
        )

    def changed(self, now: int) -> np.ndarray:
        """When each file was last changed, in nanoseconds, int64 (N,).

        A date in the future was set by hand and is ignored: the change time of the system counts.
        """
        written, noted = self.stats[:, 1], self.stats[:, 2]
        latest: np.ndarray = np.where(written > now, noted, np.maximum(written, noted))
        return latest


def scan(root: str | os.PathLike[str]) -> Listing:
    """Lists a data folder; symbolic links are followed, but no folder is entered twice.

    Raises:
        DataError: the folder cannot be read, or holds no images.
    """
    top = os.path.realpath(root)
    listing = Listing(top)
    layout = find_layout(top)
    listing.faults, listing.remarks = layout.faults, layout.remarks
    listing.cautions = layout.cautions
    listing.classes = tuple(sorted({c.name for c in layout.classes} - {""}))
    number = {name: k for k, name in enumerate(listing.classes)} | {"": -1}
    folders = sorted(layout.classes, key=lambda c: (c.role, c.path))
    tops = _tops(listing, [c.path for c in folders])
    above = {c.path[:end] for c in folders for end in _slashes(c.path)}
    seen = {*_ancestors(top), *(_identity(f"{top}/{f}") for f in above), *tops.values()}
    tables = [np.zeros((0, 4), np.int64)]
    for folder in folders:
        if folder.path not in tops:
            continue
        names, stats = _files(listing, folder.path, seen, entered=True)
        listing.names += names
        tables.append(stats)
        listing.label += [number[folder.name]] * len(names)
        listing.role += [folder.role] * len(names)
        if not names:
            listing.faults.append(Fault(folder.path, f"{EMPTY} holds no files"))
    listing.stats = np.concatenate(tables)
    return listing


def walk(root: str | os.PathLike[str]) -> Iterator[tuple[str, str]]:
    """All visible files in a folder and deeper, as `scan` lists those of a class.

    Yields:
        the path of each file, with ""; or of a folder that is left out, with the reason.
    """
    top = os.fspath(root)
    listing = Listing(top)
    parent = os.path.dirname(os.path.realpath(top))  # noqa: PTH120 (no text)
    names, _ = _files(listing, "", _ancestors(parent) - {_identity(top)})
    entries = [(n, "") for n in names] + [(f.path, f.reason) for f in listing.faults]
    for name, reason in sorted(entries):
        yield os.path.join(top, name) if name else top, reason  # noqa: PTH118 (no text)


# ---- listing


def _identity(path: str) -> tuple[int, int]:
    """Identity of a folder, whatever paths lead to it."""
    try:
        s = os.stat(path)  # noqa: PTH116 (a name may be no text)
    except OSError:
        return -1, -1
    return s.st_dev, s.st_ino


def _ancestors(path: str) -> set[tuple[int, int]]:
    """A folder and those above it: a link back to one of them leads in a circle."""
    return {_identity(path[:end] or "/") for end in (*_slashes(path), len(path))}


def _slashes(path: str) -> list[int]:
    return [m.start() for m in re.finditer("/", path)]


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
    if below.count("/") >= DEEPEST:
        listing.faults.append(Fault(below, f"folder left out: more than {DEEPEST} folders deep"))
        return nothing
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
        visible = sorted(n for n in os.listdir(handle) if not hidden(n))  # noqa: PTH208
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

    A second start spends its time here, in system calls: they go by the folder's handle,
    so that no path is walked for each file, and read column by column.
    """
    names, results = [], []
    prefix = f"{below}/" if below else ""
    for name in entries:
        try:
            results.append(os.stat(name, dir_fd=handle))
            names.append(f"{prefix}{name}")
        except OSError as e:
            broken = _is_link(name, handle)
            reason = "broken symbolic link" if broken else "cannot be read"
            listing.faults.append(Fault(f"{prefix}{name}", f"{reason} ({e.strerror})"))
    columns = (
        [s.st_size for s in results],
        [s.st_mtime_ns for s in results],
        [s.st_ctime_ns for s in results],
        [s.st_ino for s in results],
    )
    try:
        stats = np.array(columns, np.int64).T
    except OverflowError:  # a date after 2262: what differs stays different, modulo 2**64
        stats = np.array([[_wrapped(n) for n in c] for c in columns], np.int64).T
    kind = np.array([s.st_mode for s in results], np.int64) & 0o170000
    if (kind == stat.S_IFREG).all():
        return names, stats, []
    deeper = [names[i] for i in np.flatnonzero(kind == stat.S_IFDIR).tolist()]
    for i in np.flatnonzero((kind != stat.S_IFREG) & (kind != stat.S_IFDIR)).tolist():
        listing.faults.append(Fault(names[i], "not a regular file (a device, pipe or socket)"))
    files = np.flatnonzero(kind == stat.S_IFREG)
    return [names[i] for i in files.tolist()], stats[files], deeper


def _wrapped(n: int) -> int:
    return (n + (1 << 63)) % (1 << 64) - (1 << 63)


def _is_link(name: str, handle: int) -> bool:
    try:
        mode = os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode
    except OSError:
        return False
    return stat.S_ISLNK(mode)
