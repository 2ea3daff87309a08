import io
import json
import os
import shutil
from pathlib import Path

import pytest


class _Input:
    """Standard input with some bytes."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def test_json_is_an_object_a_line(call, digits_run: Path, seven: Path) -> None:
    said = call("predict", digits_run, seven, "/nope.png", seven, "--json")
    assert said.status == 0
    assert said.err == ""
    answers = [json.loads(line) for line in said.out.splitlines()]
    assert [a["path"] for a in answers] == [str(seven), "/nope.png", str(seven)]
    assert all(set(a) == {"path", "label", "probability", "top", "error"} for a in answers)
    assert answers[0] == answers[2]
    assert answers[1]["error"] == "cannot be read (No such file or directory)"
    assert [len(a["top"]) for a in answers] == [5, 0, 5]


def test_words_are_label_probability_path(call, digits_run: Path, seven: Path) -> None:
    said = call("predict", digits_run, seven, "/nope.png")
    assert said.status == 0
    label, probability, path = said.out.rstrip("\n").split("\t")
    assert label in "0123456789"
    assert 0.1 <= float(probability) <= 1
    assert path == str(seven)
    assert said.err == "/nope.png\tnot used: cannot be read (No such file or directory)\n"


@pytest.mark.parametrize(("end", "option"), [(b"\n", []), (b"\r\n", []), (b"\0", ["-0"])])
def test_a_list_on_standard_input(
    call,
    digits_run: Path,
    seven: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    end: bytes,
    option: list[str],
) -> None:
    names = [b"plain.png", b"caf\xe9.png", *([b"two\nlines.png"] if option else [])]
    paths = [os.path.join(os.fsencode(tmp_path), n) for n in names]  # noqa: PTH118
    for path in paths:
        shutil.copy(seven, path)
    monkeypatch.setattr("sys.stdin", _Input(end.join([*paths, b"", paths[0]])))
    said = call("predict", digits_run, "-", *option, "--json")
    assert said.status == 0
    answers = [json.loads(line) for line in said.out.splitlines()]
    assert [os.fsencode(a["path"]) for a in answers] == [*paths, paths[0]]
    assert all(a["error"] is None for a in answers)


def test_a_line_that_is_no_path_is_named(
    call, digits_run: Path, seven: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sys.stdin", _Input(b"no\0path\n" + b"x" * 5000 + b"\n" + str(seven).encode())
    )
    said = call("predict", digits_run, "-", "--json")
    assert said.status == 0
    errors = [json.loads(line)["error"] for line in said.out.splitlines()]
    assert errors[0] == "cannot be read (not a file path)"
    assert errors[1] == "cannot be read (File name too long)"
    assert errors[2] is None


def test_folders_are_walked_in_order(call, digits_run: Path, seven: Path, tmp_path: Path) -> None:
    for name in ("b/2.png", "b/10.png", "a.png", ".hidden/x.png", ".y.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(seven, tmp_path / name)
    said = call("predict", digits_run, tmp_path, "--json")
    paths = [json.loads(line)["path"] for line in said.out.splitlines()]
    assert paths == [str(tmp_path / n) for n in ("a.png", "b/10.png", "b/2.png")]


def test_nothing_to_predict_is_an_error(
    call, digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = call("predict", digits_run)
    assert (said.status, said.out) == (2, "")
    assert "A prediction needs image files or folders" in said.err
    said = call("predict", digits_run, tmp_path)
    assert said.status == 2
    assert "folder without files" in said.err
    (tmp_path / "x.png").write_bytes(b"")
    said = call("predict", digits_run, tmp_path)
    assert said.status == 2
    assert "of 1 files none is" in said.err.splitlines()[-1]
    monkeypatch.setattr("sys.stdin", _Input(b""))
    assert call("predict", digits_run, "-").status == 2


def test_a_folder_that_is_no_run_is_an_error(call, tmp_path: Path, seven: Path) -> None:
    said = call("predict", tmp_path, seven)
    assert said.status == 2
    assert "A run is a folder with a recipe.toml" in said.err


def test_evaluate_says_the_same_in_words_and_json(call, digits_run: Path) -> None:
    said = call("evaluate", digits_run, "digits", "--json")
    assert said.err == ""
    score = json.loads(said.out)
    assert set(score) >= {"n", "accuracy", "accuracy_ci", "loss", "ece", "per_class", "confusion"}
    assert score["n"] == 1000
    assert sum(map(sum, score["confusion"])) == 1000
    words = call("evaluate", digits_run, "digits")
    assert f"accuracy {score['accuracy']:.2%}" in words.out
    assert call("evaluate", digits_run, "digits:val", "--json").out != said.out
    measured = json.loads((digits_run / "model.json").read_text())["metrics"]["test"]
    assert measured["accuracy"] == score["accuracy"]


@pytest.mark.parametrize(
    ("data", "message"),
    [("digts", "digts does not exist"), ("digits:valid", "does not exist")],
)
def test_evaluate_on_nothing_is_an_error(call, digits_run: Path, data: str, message: str) -> None:
    said = call("evaluate", digits_run, data)
    assert (said.status, said.out) == (2, "")
    assert message in said.err
