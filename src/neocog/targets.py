"""Where results go: looked at before the work begins that makes them, then written whole.

A report that cannot be written after minutes of work is minutes lost. So each option that names a
file or folder to be written is checked first, here: what is there, and whether something may be
written there, found out by writing. Folders that are missing are made when the result is there.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from neocog.errors import RunError, UsageError, printable

__all__ = ["target_file", "target_folder", "write_bytes"]

PathLike = str | os.PathLike[str]


def target_file(path: PathLike, *, option: str = "out") -> Path:
    """A file that may be written, or replaced.

    Args:
        path: nothing is there, or a regular file.
        option: what names it, for the message.

    Raises:
        UsageError: something else is there, or nothing may be written there.

    Example:
        >>> target_file("/", option="report")
        Traceback (most recent call last):
        ...
        neocog.errors.UsageError: `--report` names a file to be written, and `/` is a folder.
        Name another.
    """
    what = f"`--{option}` names a file to be written"
    mode = _mode(path, what)
    if mode is not None and not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise UsageError(f"{what}, and `{printable(path)}` is {kind}. Name another.")
    _must_be_writable(Path(path).parent, path, what)
    return Path(path)


def target_folder(path: PathLike, *, option: str = "out") -> Path:
    """A folder that may be written into, or made.

    Args:
        path: nothing is there, or a folder.
        option: what names it, for the message.

    Raises:
        UsageError: something else is there, or nothing may be written there.
    """
    what = f"`--{option}` names a folder to write into"
    mode = _mode(path, what)
    if mode is not None and not stat.S_ISDIR(mode):
        raise UsageError(f"{what}, and `{printable(path)}` is not a folder. Name another.")
    _must_be_writable(Path(path), path, what)
    return Path(path)


def _mode(path: PathLike, what: str) -> int | None:
    """Of what is there; None where nothing is."""
    if not os.fspath(path):
        raise UsageError(f"{what}; got an empty name. Name one, or leave it out.")
    try:
        return os.stat(path).st_mode  # noqa: PTH116 (names may be bad)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as e:
        raise _unwritable(path, what, e) from e


def _must_be_writable(folder: Path, path: PathLike, what: str) -> None:
    """Write something, and leave nothing, into the folder or the next one above that exists."""
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        if not folder.is_dir():
            raise UsageError(
                f"{what}, and `{printable(path)}` cannot be one: `{printable(folder)}` on the way "
                "is not a folder. Name another."
            )
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as e:
        raise _unwritable(path, what, e) from e


def _unwritable(path: PathLike, what: str, e: Exception) -> UsageError:
    why = getattr(e, "strerror", None) or e
    return UsageError(f"{what}, and `{printable(path)}` cannot be written: {why}. Name another.")


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file whole or not at all: a kill or a full disk leaves the old one.

    Args:
        path: the file; its folder is made where it is missing.
        content: all of it.
        durable: wait until the disk has it, so that it outlasts a power failure too.

    Raises:
        RunError: the disk is full, or the folder cannot be written.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as f:
            f.write(content)
            if durable:
                f.flush()
                os.fsync(f.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        temporary = None
    except OSError as e:
        raise RunError(
            f"`{printable(path)}` must be writable, and is not: {e.strerror or e}. "
            "Free some space or choose another folder with --out; the old content is unharmed."
        ) from e
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
