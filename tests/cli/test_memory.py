import resource
import subprocess
import sys

import pytest

from neocog.cli import main as command_line
from neocog.cli.memory import keep_freed_memory

FAULTS = """
import resource, sys
from neocog.cli.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
for turn in range(20):
    if turn == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b"1" * 2**26
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
"""Pages of memory that the system had to hand out for 18 blocks of 64 MiB, each freed at once."""


def _faults(way: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, way], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of Linux's C library")
def test_freed_memory_is_used_again() -> None:
    pages = 2**26 // resource.getpagesize()
    assert _faults("keep") < pages / 4  # the block that was there already
    assert _faults("return") > pages  # every block anew, or as few huge pages as there are


def test_every_command_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(command_line, "keep_freed_memory", lambda: asked.append(True))
    with pytest.raises(SystemExit) as left:
        command_line.main(["data", "/no/data"])
    assert left.value.code == 2
    assert asked == [True]


def test_it_says_whether_the_library_has_such_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert keep_freed_memory() is False
