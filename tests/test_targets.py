"""Results are to go where they cannot: that is said before the work begins, not after minutes."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import neocog
from neocog.cli.main import main
from neocog.errors import RunError, UsageError
from neocog.targets import target_file, target_folder
from neocog.verbs.data import data

COMMANDS = [
    ("audit", "no_such:model", "/no/data", "--report"),
    ("data", "/no/data", "--report"),
    ("explain", "no_such:model", "/no/image.png", "--out"),
    ("export", "no_such:model", "--out"),
    ("train", "/no/data", "--out"),
    ("fix", "no_such:model", "/no/data", "--out"),
]
"""Each fails at its first piece of work, and must not come to that."""

FOLDERS = ("explain", "train", "fix")


def _status(*words: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    return int(left.value.code or 0)


@pytest.fixture(scope="module")
def read_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system that may not be written, or skip."""
    place = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,ro", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("kind", ["wrong kind", "below a file", "pipe", "empty", "too long",
                                  "null byte", "link to itself"])  # fmt: skip
def test_a_place_that_is_none_is_said_first(
    words: tuple[str, ...], kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("mine")
    folder.mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("link")
    place = {
        "wrong kind": str(file if words[0] in FOLDERS else folder),
        "below a file": str(file / "a" / "b"), "pipe": str(tmp_path / "pipe"), "empty": "",
        "too long": str(tmp_path / ("x" * 300)), "null byte": "a\0b",
        "link to itself": str(tmp_path / "link"),
    }[kind]  # fmt: skip
    before = sorted(p.name for p in tmp_path.rglob("*"))
    assert _status(*words, place) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    # A null byte is refused in any argument.
    assert f"`{words[-1]}` names a f" in err or kind == "null byte"
    assert "no_such" not in err
    assert sorted(p.name for p in tmp_path.rglob("*")) == before
    assert file.read_text() == "mine"


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("below", ["x", "a/b/c"])
def test_a_file_system_that_may_not_be_written_is_said_first(
    words: tuple[str, ...], below: str, read_only: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _status(*words, str(read_only / below)) == 2
    err = capsys.readouterr().err
    assert "Read-only file system" in err
    assert "no_such" not in err


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_folders_that_are_missing_are_no_fault(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command goes on to its work, which fails here for another reason."""
    assert _status(*words, str(tmp_path / "a" / "b" / "c")) == 2
    assert words[-1] not in capsys.readouterr().err
    assert not list(tmp_path.rglob("c"))


def test_they_are_made_when_there_is_something_to_write(tmp_path: Path) -> None:
    net = neocog.build("dense", num_classes=10, in_channels=1, size=(28, 28))
    report = tmp_path / "a" / "b" / "audit.html"
    neocog.audit(net, "digits", neocog.AuditConfig(n=4, layers=False), report=report)
    assert report.stat().st_size > 1000


def test_in_python_too(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"`--report` names a file .* is a folder"):
        neocog.audit("/no/model", "/no/data", report=tmp_path)
    with pytest.raises(UsageError, match=r"`--report` names a file .* is a folder"):
        data("/no/data", report=tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match=r"`--out` names a folder .* is not a folder"):
        neocog.explain("/no/model", out=tmp_path / "file")
    with pytest.raises(UsageError, match=r"`--out` names a file .* is a folder"):
        neocog.export("/no/model", format="pt2", out=tmp_path)
    for verb in (neocog.train, lambda of, out: neocog.fix("/no/model", of, out=out)):
        with pytest.raises(RunError, match="must be a folder that can be written"):
            verb("/no/data", out=tmp_path / "file")
        with pytest.raises(RunError, match=r"is not empty\. It holds no run"):
            verb("/no/data", out=tmp_path)


def test_a_device_is_not_replaced() -> None:
    with pytest.raises(UsageError, match="no regular file"):
        target_file("/dev/null", option="report")
    with pytest.raises(UsageError, match="not a folder"):
        target_folder("/dev/null")
    for check in (target_file, target_folder):
        with pytest.raises(UsageError, match=r"cannot be written: embedded null"):
            check("a\0b")


def test_several_seeds_do_not_go_into_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "recipe.toml").write_text("")
    assert _status("train", "/no/data", "--seeds", "2", "--out", str(tmp_path)) == 2
    assert "is a run itself. Choose another with --out." in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["recipe.toml"]
