"""Files that a user names, one by one or by their folders."""

from pathlib import Path

from PIL import Image

from neocog.data.image_files import named_files, real_path


def test_a_folder_stands_for_its_images_and_a_file_for_itself(tmp_path: Path) -> None:
    (tmp_path / "set" / "deep").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    for name in ("set/b.png", "set/deep/a.png"):
        Image.new("L", (8, 8)).save(tmp_path / name)
    found = list(named_files([tmp_path / "set", tmp_path / "gone.png", tmp_path / "empty"]))
    names = [str(Path(f).relative_to(tmp_path)) for f, _ in found]
    assert sorted(names[:2]) == ["set/b.png", "set/deep/a.png"]
    assert names[2:] == ["gone.png", "empty"]
    assert {reason for _, reason in found} == {""}


def test_a_text_that_is_no_path_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert real_path(str(tmp_path / "link" / "x")) == str(tmp_path.resolve() / "x")
    assert real_path("a\0b") == "a\0b"
