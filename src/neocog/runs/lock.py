"""A folder that one process has to itself, until it gives it back or dies.

The folder itself is locked, not a file in it that somebody could remove while it is held: two
processes that each hold "the lock" of another file exclude nobody. Nothing is left behind.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neocog.errors import printable

__all__ = ["LOCK", "FolderLock", "briefly"]

LOCK = ".lock"
"""The file that is locked where a file system cannot lock folders (NFS); it is never removed."""

PATIENCE = 10.0
"""Seconds that `briefly` waits at most: what is done under it takes milliseconds."""


class FolderLock:
    """Of one folder; freed by the system when its process ends, however it ends.

    Args:
        folder: exists.

    Example:
        >>> import tempfile
        >>> place = tempfile.mkdtemp()
        >>> one, two = FolderLock(Path(place)), FolderLock(Path(place))
        >>> one.take(), two.take(), one.release(), two.take(), two.release()
        (True, False, None, True, None)
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._handle = -1

    def take(self) -> bool:
        """Whether nobody else has it.

        Raises:
            OSError: the folder cannot be opened.
        """
        try:
            import fcntl
        except ImportError:  # a system without such locks
            return True
        for handle in (os.open(self.folder, os.O_RDONLY), -1):
            if handle < 0 and (handle := self._file()) < 0:
                break
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return False
            except OSError:  # some file systems lock files alone
                os.close(handle)
            else:
                self._handle = handle
                return True
        warnings.warn(
            f"The file system of {printable(self.folder)} has no locks: another process could "
            "write to it at the same time.",
            stacklevel=2,
        )
        return True

    def _file(self) -> int:
        try:
            return os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            return -1

    def release(self) -> None:
        """Give it back; nothing to do if it was not taken."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


@contextmanager
def briefly(folder: Path) -> Iterator[None]:
    """Have the folder for the moment in which things below it are made, renamed or locked.

    Waits for others that do so too. A folder that cannot be opened is not waited for.

    Args:
        folder: exists.
    """
    lock, end = FolderLock(folder), time.monotonic() + PATIENCE
    try:
        while not lock.take() and time.monotonic() < end:
            time.sleep(0.005)
    except OSError:
        pass  # what follows says what is wrong with it
    try:
        yield
    finally:
        lock.release()
