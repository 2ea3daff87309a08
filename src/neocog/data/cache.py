"""Decoded images on disk, keyed by content, safe to kill at any moment.

The folder is $NEOCOG_CACHE, else $XDG_CACHE_HOME/neocog, else ~/.cache/neocog:
    starts/KEY     the set of an unchanged path, by paths, sizes and times of its files
    index/KEY.npy  for each file of a path: its sha256 and its header
    sets/KEY/      arrays as .npy and meta.json; written elsewhere, then renamed into place;
                   decoded images, or features of them (neocog.runs.features)
    work/          sets being written; what a killed process left is removed by the next

Nothing in it is ever changed after it has its name, two processes that write the same set write
the same bytes, and the folder may be deleted at any time. The sets used longest ago go first when
all together exceed $NEOCOG_CACHE_LIMIT gigabytes (default 20).
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import mmap
import os
import shutil
import stat
import sys
import tempfile
import tokenize
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from neocog.data.array_writer import FULL, ArrayWriter, full_disk, full_disk_explained
from neocog.data.kept import read_set
from neocog.errors import DataError, UsageError, printable
from neocog.fields import short_repr
from neocog.files import opened, read_text

__all__ = ["Cache", "Loaded", "default_folder"]


Loaded = tuple[dict[str, Any], dict[str, np.ndarray]]
"""The meta data of a set, and its arrays."""

_IN_MEMORY = 1 << 28
"""Bytes from which on zeros are mapped, and not counted before they are written."""

_TRIES = 3
"""Times that a set is begun whose folder is deleted while it is made; then it stays in memory."""


def default_folder() -> Path:
    """Where decoded images are kept, by the environment."""
    if folder := os.environ.get("NEOCOG_CACHE"):
        return Path(folder)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "neocog"
    try:
        return Path.home() / ".cache" / "neocog"
    except RuntimeError:  # no HOME, and a user that the system does not know
        return _of_an_unknown_user()


def _of_an_unknown_user() -> Path:
    """A folder below that of temporary files that no other user can write.

    Raises:
        UsageError: another user owns one of that name.
    """
    folder = Path(tempfile.gettempdir()) / f"neocog-cache-{os.getuid()}"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700)
    try:
        held = folder.lstat()
    except OSError:
        return folder  # it cannot be written, which is reported when something is to be
    if not stat.S_ISDIR(held.st_mode) or held.st_uid != os.getuid() or held.st_mode & 0o022:
        raise UsageError(
            f"Without a home folder, decoded images are cached in {printable(folder)}, which "
            "belongs to another user. Set NEOCOG_CACHE to a folder of your own."
        )
    return folder


class _Unwritable(Exception):
    """The folder of the cache cannot be written."""


class _Gone(Exception):
    """What was written a moment ago is there no more, or not whole."""


_NO_ARRAY = (
    ValueError,
    EOFError,
    TypeError,
    OverflowError,
    MemoryError,
    SyntaxError,
    tokenize.TokenError,
)
"""What NumPy raises for a file that is not an array: its header is a piece of Python."""

_UNRESERVED = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
if sys.platform == "linux":
    _UNRESERVED |= 0x4000  # MAP_NORESERVE, which Python names from 3.13 on
"""Memory that is there once it is written to."""


class Cache:
    """The cache folder.

    Args:
        folder: where; None is `default_folder()`.
        read: what reads a finished set and refuses a damaged one, as `neocog.data.kept.read_set`.
    """

    def __init__(
        self, folder: Path | None = None, *, read: Callable[[Path], Loaded] = read_set
    ) -> None:
        self.folder = default_folder() if folder is None else folder
        self.read = read

    # ---- reading

    def start(self, key: str) -> str | None:
        """The set of an unchanged path, if it was opened before."""
        try:
            name = read_text(self.folder / "starts" / key, limit=100, encoding="ascii")
        except DataError:
            return None
        return name if name.isalnum() else None  # it becomes a part of a path

    def load(self, key: str) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """A finished set: its meta data and its arrays, mapped; None where there is none.

        Pages that are written to are copied in memory: the files stay as they are.
        """
        folder = self.folder / "sets" / key
        try:
            loaded = self.read(folder)
        except (OSError, ValueError, DataError):
            return None
        with contextlib.suppress(OSError):
            os.utime(folder / "meta.json")
        return loaded

    def index(self, key: str, dtype: np.dtype) -> np.ndarray:
        """What is known of the files of a path; may be empty."""
        try:
            with opened(self.folder / "index" / f"{key}.npy") as file:
                known: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
        except (DataError, OSError, *_NO_ARRAY):
            return np.zeros(0, dtype)  # the files are looked at again
        return known if known.dtype == dtype and known.ndim == 1 else np.zeros(0, dtype)

    # ---- writing

    def remember(self, key: str, name: str) -> None:
        """Remember the set of a path."""
        self._write(self.folder / "starts" / key, name.encode("ascii"))

    def write_index(self, key: str, known: np.ndarray) -> None:
        """Keep what is known of the files of a path."""
        out = io.BytesIO()
        np.save(out, known)
        self._write(self.folder / "index" / f"{key}.npy", out.getvalue())

    def make(self, key: str, fill: Callable[[ArrayWriter], None]) -> Loaded:
        """A set that is written now: its meta data and its arrays, mapped.

        What is handed back stays, whatever becomes of the folder: it is mapped before the set
        gets its name. A set whose folder is deleted while it is written is begun again, and the
        last time made in memory. Where the folder cannot be written a warning says so, and the
        set stays in memory.

        Args:
            key: its name.
            fill: writes the arrays and the meta data; it may be called again from the start.

        Raises:
            DataError: the disk is full.
        """
        for _ in range(_TRIES):
            try:
                return self._on_disk(key, fill)
            except (FileNotFoundError, NotADirectoryError, _Gone):
                continue  # the folder went away under it
            except _Unwritable as e:
                warnings.warn(
                    f"Decoded images are cached in {printable(self.folder)}, which cannot be "
                    f"written ({e}); they stay in memory and are decoded again next time. "
                    "Set NEOCOG_CACHE to a folder that can be written.",
                    stacklevel=2,
                )
                break
        writer = ArrayWriter(None)
        fill(writer)
        return writer.meta, writer.arrays

    def room(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Zeros that take no memory before they are written.

        Args:
            shape: of the array.
            dtype: of its values.
        """
        size = math.prod(shape) * dtype.itemsize
        if size >= _IN_MEMORY:
            # Not a sparse file: a disk that is full when it is written to kills the process.
            with contextlib.suppress(OSError, ValueError):
                raw = mmap.mmap(-1, size, flags=_UNRESERVED)
                return np.frombuffer(raw, dtype).reshape(shape)
        return np.zeros(shape, dtype)

    def _on_disk(self, key: str, fill: Callable[[ArrayWriter], None]) -> Loaded:
        try:
            work = self._work()
        except FileNotFoundError:
            raise
        except OSError as e:
            if e.errno in FULL:
                raise full_disk(self.folder, 0) from e
            raise _Unwritable(str(e.strerror)) from e
        with work as folder:
            writer = ArrayWriter(folder)
            fill(writer)
            with full_disk_explained(folder, 0):
                writer.meta["arrays"] = writer.layout
                (folder / "meta.json").write_text(json.dumps(writer.meta), "ascii")
                loaded = self._read_back(folder)
                self._publish(folder, key)
        self._trim(keep=key)
        return loaded

    def _read_back(self, folder: Path) -> Loaded:
        try:
            return self.read(folder)
        except (ValueError, DataError) as e:
            raise _Gone from e

    def _publish(self, folder: Path, key: str) -> None:
        """Gives a set its name; where that fails, the set is made again next time."""
        target = self.folder / "sets" / key
        with contextlib.suppress(OSError):  # the cache is deleted, or another was first
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists() and self.load(key) is None:
                shutil.rmtree(target, ignore_errors=True)  # damaged: a file is missing or short
            folder.rename(target)

    def _work(self) -> contextlib.AbstractContextManager[Path]:
        base = self.folder / "work"
        for left in range(_TRIES, 0, -1):
            try:
                base.mkdir(parents=True, exist_ok=True)
                _sweep(base)
                return _own_folder(base)
            except FileNotFoundError:  # deleted between two steps
                if left == 1:
                    raise
        raise AssertionError

    def _write(self, path: Path, data: bytes) -> None:
        """Whole or not at all; a cache that cannot be written is not an error."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            for left in path.parent.glob(".new-*"):
                lock = _Lock(left)
                if lock.take():  # its writer was killed
                    lock.release()
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            _Lock(Path(name), handle).take()
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError:
            return

    def _trim(self, keep: str) -> None:
        limit = _limit()
        sets, metas = [], list[Path]()
        with contextlib.suppress(OSError):
            metas = list((self.folder / "sets").glob("*/meta.json"))
        for meta in metas:
            with contextlib.suppress(OSError):
                size = sum(f.stat().st_size for f in meta.parent.iterdir())
                sets.append((meta.stat().st_mtime_ns, size, meta.parent))
        total = sum(size for _, size, _ in sets)
        for _, size, folder in sorted(sets):
            if total <= limit:
                return
            if folder.name != keep:
                shutil.rmtree(folder, ignore_errors=True)
                total -= size


def _limit() -> float:
    text = os.environ.get("NEOCOG_CACHE_LIMIT", "20")
    try:
        limit = float(text) * 1e9
    except ValueError:
        limit = -1.0
    if not limit >= 0:
        raise UsageError(
            f"NEOCOG_CACHE_LIMIT is a number of gigabytes; got {short_repr(text)}. Write 20, for "
            "example."
        )
    return limit


class _Lock:
    """A file that is locked as long as its process lives."""

    def __init__(self, path: Path, handle: int = -1) -> None:
        self.path = path
        self.handle = handle

    def take(self) -> bool:
        """Whether it is free."""
        try:
            import fcntl
        except ImportError:  # no such locks on this system: the age decides
            return self._by_age()
        if self.handle < 0:
            self.handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self.handle)
            return False
        return True

    def _by_age(self) -> bool:
        import time

        age = time.time() - self.path.stat().st_mtime
        return age < 1 or age > 86400

    def release(self) -> None:
        """Gives it back and removes the file."""
        self.path.unlink(missing_ok=True)
        if self.handle >= 0:
            os.close(self.handle)


def _own_folder(base: Path) -> contextlib.AbstractContextManager[Path]:
    """A new folder in another, and the lock beside it that marks it as in use."""
    while True:
        handle, name = tempfile.mkstemp(dir=base, suffix=".lock")
        os.close(handle)
        lock = _Lock(Path(name))
        if lock.take() and lock.path.exists():  # else swept away before it was locked
            folder = lock.path.with_suffix("")
            folder.mkdir()
            return _working(folder, lock)


@contextlib.contextmanager
def _working(folder: Path, lock: _Lock) -> Iterator[Path]:
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def _sweep(base: Path) -> None:
    """Removes what killed processes left."""
    for path in base.glob("*.lock"):
        lock = _Lock(path)
        with contextlib.suppress(OSError):
            if lock.take():
                shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                lock.release()
