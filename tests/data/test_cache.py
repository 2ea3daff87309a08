"""The cache: second starts, kills, full disks, folders that cannot be written, two at once."""

from __future__ import annotations

import copy
import json
import mmap
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neocog.data import cache as cache_module
from neocog.data.cache import Cache, default_folder
from neocog.data.folder import scan
from neocog.data.open import open_data
from neocog.errors import DataError, UsageError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "cache"
    monkeypatch.setenv("NEOCOG_CACHE", str(place))
    return place


def _pixels(source) -> dict[str, bytes]:
    return {
        s: p.x.tobytes() + p.y.tobytes() + repr(list(p.names)).encode()
        for s, p in source.splits.items()
    }


def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("NEOCOG_CACHE", "/a")
    assert default_folder() == Path("/a")
    monkeypatch.delenv("NEOCOG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert default_folder() == Path("/b/neocog")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/c")
    assert default_folder() == Path("/c/.cache/neocog")


def test_second_start_reads_no_image(folder, cache, monkeypatch):
    """Not one file of the set is opened: the listing is enough."""
    root = folder()
    monkeypatch.setattr("neocog.data.build._SETTLED", 0)
    first = open_data(root)
    monkeypatch.setattr("neocog.data.build.inspect", None)
    monkeypatch.setattr("neocog.data.build.decode_into", None)
    second = open_data(root)
    assert _pixels(second) == _pixels(first)
    assert second.fingerprint == first.fingerprint
    assert second.sheet == first.sheet
    with pytest.raises(TypeError):
        open_data(root, seed=1)


def test_files_that_changed_just_now_are_looked_at_again(folder, cache, encode, image):
    """Same size, same times to the second: the content decides."""
    root = folder(kind="BMP")
    first = open_data(root)
    path = root / "cat" / "000.bmp"
    before = path.stat()
    path.write_bytes(encode(image(999), "BMP"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert open_data(root).fingerprint != first.fingerprint


def test_a_clock_that_stands_still_hides_no_change(folder, cache, encode, image, monkeypatch):
    """Times of files that are as young as the listing tell nothing, as in an index of git."""
    root = folder(kind="BMP")
    old = scan(root)
    first = open_data(root)
    (root / "cat" / "000.bmp").write_bytes(encode(image(999), "BMP"))
    monkeypatch.setattr("neocog.data.build.scan", lambda path: copy.deepcopy(old))
    second = open_data(root)
    assert second.fingerprint != first.fingerprint
    assert _pixels(second) != _pixels(first)


def test_a_set_that_moved_is_not_decoded_again(folder, cache, tmp_path, monkeypatch):
    root = folder()
    first = open_data(root)
    root.rename(tmp_path / "elsewhere")
    monkeypatch.setattr("neocog.data.build.decode_into", None)
    assert _pixels(open_data(tmp_path / "elsewhere")) == _pixels(first)


def test_a_file_more_is_a_new_set(folder, cache, encode, image):
    root = folder()
    first = open_data(root)
    (root / "cat" / "new.png").write_bytes(encode(image(500)))
    second = open_data(root)
    assert sum(map(len, second.splits.values())) == 21
    assert second.fingerprint != first.fingerprint


def test_pixels_can_be_written_to_and_the_cache_stays(folder, cache):
    root = folder()
    first = open_data(root)
    before = _pixels(first)
    first.splits["train"].x[:] = 0
    assert _pixels(open_data(root)) == before


@pytest.mark.parametrize("harm", ["short", "missing", "meta", "empty"])
def test_a_damaged_set_is_made_anew(harm, folder, cache, monkeypatch):
    root = folder(size=(60, 60))
    monkeypatch.setattr("neocog.data.build._SETTLED", 0)
    before = _pixels(open_data(root))
    (place,) = (cache / "sets").iterdir()
    victim = place / "x.npy"
    if harm == "short":
        with victim.open("r+b") as file:
            file.truncate(1000)
    elif harm == "missing":
        victim.unlink()
    elif harm == "meta":
        (place / "meta.json").write_text("{")
    else:
        (place / "meta.json").write_bytes(b"")
    assert _pixels(open_data(root)) == before
    assert _pixels(open_data(root)) == before


def test_nothing_is_left_in_work(folder, cache):
    open_data(folder())
    assert list((cache / "work").iterdir()) == []


_OPEN = """
import sys
from neocog.data.folder import scan
from neocog.data.open import open_data
source = open_data(sys.argv[1])
print(source.fingerprint)
"""


def _start(root: Path, code: str = _OPEN) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


_STOPPING = """
import os, signal, sys
import neocog.data.{module} as module
real = module.{name}
def stop(*a, **k):
    {before}os.kill(os.getpid(), signal.SIGKILL)
module.{name} = stop
from neocog.data.folder import scan
from neocog.data.open import open_data
open_data(sys.argv[1])
"""


@pytest.mark.parametrize(
    ("module", "name", "before"),
    [
        ("build", "inspect", ""),
        ("build", "decode_into", ""),
        ("build", "sort_pile", "real(*a, **k); "),
        ("cache", "full_disk_explained", ""),
    ],
)
def test_killed_at_any_step_the_next_start_is_right(module, name, before, folder, cache, tmp_path):
    root = folder(kind="JPEG")
    code = _STOPPING.format(module=module, name=name, before=before)
    killed = _start(root, code)
    assert killed.wait(60) == -signal.SIGKILL
    killed.communicate()
    if name != "inspect":
        assert list((cache / "work").iterdir())
    source = open_data(root)
    assert list((cache / "work").iterdir()) == []
    os.environ["NEOCOG_CACHE"] = str(tmp_path / "another")
    assert _pixels(open_data(root)) == _pixels(source)


def test_two_processes_at_once_do_no_harm(folder, cache):
    root = folder(kind="JPEG", each=60)
    both = [_start(root) for _ in range(2)]
    said = [p.communicate(timeout=120) for p in both]
    assert [p.returncode for p in both] == [0, 0], said
    assert said[0][0] == said[1][0]
    assert said[0][0].decode().strip() == open_data(root).fingerprint
    assert len(list((cache / "sets").iterdir())) == 1


def test_a_full_disk_is_said_clearly(folder, cache):
    """A limit on the size of files stands in for the disk: the system refuses to write more."""
    root = folder(each=40)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(DataError, match=r"the disk is full\. Free some, or set NEOCOG_CACHE"):
            open_data(root)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert list((cache / "work").iterdir()) == []
    assert sum(map(len, open_data(root).splits.values())) == 80


def test_room_on_the_way_is_reserved_before_it_is_filled(tmp_path, monkeypatch):
    from neocog.data import array_writer

    monkeypatch.setattr(array_writer, "_IN_MEMORY", 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:

        def fill(one: array_writer.ArrayWriter) -> None:
            with one.scratch((4, 5), np.dtype(np.uint8)) as x:
                x[:] = 7
                one.put("kept", np.array(x))
                assert isinstance(x, np.memmap)

        place = tmp_path / "key"
        place.mkdir()
        fill(array_writer.ArrayWriter(place))
        assert np.load(place / "kept.npy").tolist() == [[7] * 5] * 4
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        with (
            pytest.raises(DataError, match=r"need space in .*; the disk is full"),
            array_writer.ArrayWriter(place).scratch((1000, 5), np.dtype(np.uint8)),
        ):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)


def test_where_nothing_can_be_written_images_stay_in_memory(folder, tmp_path, monkeypatch):
    root = folder()
    (tmp_path / "file").write_text("in the way")
    kept = _pixels(open_data(root))
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match=r"cannot be written .*; they stay in memory"):
        source = open_data(root)
    assert _pixels(source) == kept


def test_sets_used_longest_ago_go_first(folder, cache, monkeypatch):
    roots = [folder(where=f"set{i}", seed=100 * i, size=(64, 64)) for i in range(3)]
    for number, root in enumerate(roots):
        open_data(root)
        for meta in (cache / "sets").glob("*/meta.json"):
            os.utime(meta, (number + 1, number + 1))
    open_data(roots[0])
    monkeypatch.setenv("NEOCOG_CACHE_LIMIT", str(3.5 * 64 * 64 * 3 * 20 / 1e9))
    before = {p.name for p in (cache / "sets").iterdir()}
    open_data(folder(where="set9", seed=900, size=(64, 64)))
    after = {p.name for p in (cache / "sets").iterdir()}
    assert len(before - after) == 1
    assert len(after) == 3
    monkeypatch.setenv("NEOCOG_CACHE_LIMIT", "much")
    with pytest.raises(UsageError, match="number of gigabytes; got 'much'"):
        open_data(roots[1], size=(33, 33))


def test_the_cache_may_be_deleted_at_any_time(folder, cache):
    import shutil

    root = folder()
    source = open_data(root)
    before = _pixels(source)
    shutil.rmtree(cache)
    assert _pixels(source) == before
    assert _pixels(open_data(root)) == before


def test_meta_data_is_plain_json(folder, cache):
    open_data(folder())
    (meta,) = (cache / "sets").glob("*/meta.json")
    assert set(json.loads(meta.read_text())) == {"sheet", "names", "arrays"}


def test_samples_that_are_decoded_later_lie_in_memory_and_no_full_disk_can_end_the_process(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(cache_module, "_IN_MEMORY", 1)
    opened = []
    plain = mmap.mmap
    monkeypatch.setattr(
        mmap, "mmap", lambda *how, **more: opened.append(how) or plain(*how, **more)
    )
    x = Cache(tmp_path).room((5, 4, 4, 1), np.dtype(np.uint16))
    x[:] = 7  # writes every page: of a file on a full disk that would be a bus error
    assert opened == [(-1, 160)]
    assert [*tmp_path.rglob("*")] == []

    def refused(*how, **more):
        raise OSError(12, "no memory is left")

    monkeypatch.setattr(mmap, "mmap", refused)
    assert Cache(tmp_path).room((5, 4, 4, 1), np.dtype(np.uint16)).sum() == 0
