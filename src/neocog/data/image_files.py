"""Files that a user names, one by one or by their folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from neocog.data.folder import walk

__all__ = ["named_files", "real_path"]


def named_files(paths: Iterable[str | os.PathLike[str]]) -> Iterator[tuple[str, str]]:
    """Files as they are named and all below folders, each with "" or why it is passed over."""
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 (a name too long, or with a zero byte, is none)
            found = False
            for file, reason in walk(path):
                found = True
                yield file, reason
            if not found:
                yield os.fspath(path), ""
        else:
            yield os.fspath(path), ""


def real_path(place: str) -> str:
    """Where a path leads; a text that can be none stays as it is."""
    try:
        return os.path.realpath(place)
    except ValueError:  # a null byte, or half a letter
        return place
