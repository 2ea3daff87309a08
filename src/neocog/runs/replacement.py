"""How a run takes the place of another: complete before the other goes, at any kill.

Beside a run folder `NAME` there may be, while it is replaced:

    .NAME.new        a training that is to replace it, under way
    .NAME.next       what replaces it, complete: from here on it is the run
    .NAME.old        what was replaced, whole, until it is put away
    .NAME.*.part     what nobody needs any more, or what was not yet anything

A new run becomes `.NAME.next` by one rename. The rest is done at once, and again at the next
opening if it is killed in between.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

from neocog.runs.lock import briefly

__all__ = ["PART", "beside", "discard", "draft", "drafts", "put", "settle"]

PART = ".*.part"
"""Files and folders that are being written, or thrown away."""


def beside(path: Path, what: str) -> Path:
    """A neighbor of a run folder.

    Example:
        >>> beside(Path("runs/digits"), "new").as_posix()
        'runs/.digits.new'
    """
    return path.parent / f".{path.name}.{what}"


def draft(path: Path) -> Path:
    """An empty folder beside a run, which becomes it or is swept away."""
    name = tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    mask = os.umask(0o022)
    os.umask(mask)
    Path(name).chmod(0o777 & ~mask)
    return Path(name)


def drafts(path: Path) -> list[Path]:
    """What `draft` made for a run and is left; not those of `NAME.2`, which begin like its own."""
    own = re.compile(rf"\.{re.escape(path.name)}\.[^.]+\.part")
    return [p for p in path.parent.iterdir() if own.fullmatch(p.name)]


def discard(folder: Path, path: Path) -> None:
    """Remove a folder beside a run, which is gone in one moment for all who look for it."""
    if folder.exists():
        away = draft(path)
        folder.rename(away)
        shutil.rmtree(away, ignore_errors=True)


def put(new: Path, path: Path, known: Collection[str]) -> None:
    """Let a complete run take its place; whoever asks afterwards, in any process, gets it.

    Args:
        new: a folder beside the path.
        path: of the run; nothing, an empty folder or the run that is replaced.
        known: names in a run that are replaced; others are its owner's, and stay.

    Raises:
        OSError: a folder cannot be renamed; the old content is unharmed.
    """
    with briefly(path.parent):
        _settle(path, known)
        new.rename(beside(path, "next"))
        _settle(path, known)


def settle(path: Path, known: Collection[str]) -> None:
    """Finish what a killed process began; nothing to do if none did.

    Args:
        path: of a run.
        known: as for `put`.

    Raises:
        OSError: a folder cannot be renamed.
    """
    if not any(os.path.lexists(beside(path, what)) for what in ("next", "old")):
        return
    with briefly(path.parent):  # a process in the middle of it is waited for
        _settle(path, known)


def _settle(path: Path, known: Collection[str]) -> None:
    """From each state that a kill can leave to the next, until there is a run and nothing else."""
    following, old = beside(path, "next"), beside(path, "old")
    if old.exists() and _filled(path):
        _put_away(old, path, known)
    if following.exists():
        if _filled(path):
            path.rename(old)
        elif path.exists():
            path.rmdir()
        following.rename(path)
    if old.exists():
        if _filled(path):
            _put_away(old, path, known)
        else:  # somebody removed what had replaced it
            with contextlib.suppress(OSError):
                path.rmdir()
            old.rename(path)


def _filled(path: Path) -> bool:
    return path.is_dir() and any(path.iterdir())


def _put_away(old: Path, path: Path, known: Collection[str]) -> None:
    """Hand on what is not a part of a run, remove the rest."""
    for entry in old.iterdir():
        if entry.name not in known and not entry.match(PART):
            target = path / entry.name
            if not os.path.lexists(target):
                entry.rename(target)
    discard(old, path)
