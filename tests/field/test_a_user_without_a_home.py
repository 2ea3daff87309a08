"""A user that the system does not know, without HOME; and a process that gets too little memory."""

from __future__ import annotations

import getpass
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from neocog.cli.main import main
from neocog.data import cache
from neocog.errors import UsageError

CALL = [sys.executable, "-c", "from neocog.cli.main import main; main()"]


@pytest.fixture
def nobody(monkeypatch, tmp_path) -> Path:
    """Without a home; temporary files lie in a folder of the test."""

    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    for name in ("NEOCOG_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_decoded_images_are_kept_below_temporary_files(nobody):
    folder = cache.default_folder()
    assert folder.parent == nobody
    assert folder.stat().st_mode & 0o777 == 0o700
    assert cache.default_folder() == folder


@pytest.mark.parametrize("kind", ["writable", "link", "file"])
def test_a_folder_that_somebody_else_made_is_not_used(kind, nobody):
    folder = nobody / f"neocog-cache-{os.getuid()}"
    match kind:
        case "writable":
            folder.mkdir()
            folder.chmod(0o777)
        case "link":
            (nobody / "theirs").mkdir()
            folder.symlink_to(nobody / "theirs")
        case "file":
            folder.write_text("")
    with pytest.raises(UsageError, match="Set NEOCOG_CACHE to a folder of your own"):
        cache.default_folder()


def test_libraries_get_a_name_for_the_user(monkeypatch, capsys):
    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr(getpass, "getuser", unknown)
    monkeypatch.setenv("LOGNAME", "")
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert os.environ["LOGNAME"] == f"user-{os.getuid()}"


@pytest.mark.parametrize("limit", ["300", "nan", "-1", "9" * 5000])
def test_the_limit_of_the_cache_is_a_number(limit, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE_LIMIT", limit)
    if limit == "300":
        assert cache._limit() == 300e9
    elif limit[0] != "9":
        with pytest.raises(UsageError, match="is a number of gigabytes"):
            cache._limit()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the address space so")
def test_too_little_address_space_is_a_sentence():
    done = subprocess.run(
        [*CALL, "summary", "dense", "--size", "1,28,28"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (300 * 2**20,) * 2),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("neocog: Out of memory, on the machine or within the limits")
    assert len(done.stderr.splitlines()) == 1
