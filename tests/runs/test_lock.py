"""A run folder is locked, also where folders cannot be."""

import os
import stat
from pathlib import Path

import pytest

from neocog.runs.claim import claimed
from neocog.runs.lock import FolderLock


def test_where_folders_cannot_be_locked_a_file_is_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    whole = fcntl.flock

    def flock(handle: int, how: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(9, "Bad file descriptor")  # as NFS answers
        whole(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    one, two = FolderLock(tmp_path), FolderLock(tmp_path)
    for _ in range(3):
        assert one.take()
        assert not two.take()
        one.release()
        assert (tmp_path / ".lock").exists()
    with claimed(tmp_path) as claim:  # the file is not a content
        assert not claim.replaces


def test_no_locks_at_all_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(handle: int, how: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.warns(UserWarning, match="has no locks"):
        assert FolderLock(tmp_path).take()
