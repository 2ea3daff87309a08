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
            any_listed = False
            for file, reason in walk(path):
                any_listed = True
                yield file, reason
            if not any_listed:
                yield os.fspath(path), ""
        else:
            yield os.fspath(path), ""


def real_path(path: str) -> str:
    """Where a path leads; a text that can be none stays as it is."""
    try:
        return os.path.realpath(path)
    except ValueError:  # a null byte, or an incomplete character
        return path
