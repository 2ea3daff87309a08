"""A pipe, a socket, a device, a folder or a link to nothing where a command wants a file."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from neocog.cli.main import main

MODEL = ["evaluate", "torch.nn:Flatten", "digits", "--size", "1,8,8", "--mean", "0", "--std", "1"]
WHERE = {
    "weights": [*MODEL, "--weights", "{}"],
    "safetensors": [*MODEL, "--weights", "{}.safetensors"],
    "classes": [*MODEL, "--classes", "{}"],
    "recipe": ["train", "digits", "--recipe", "{}"],
    "start": ["train", "digits", "--init", "{}", "--out", "{}-out"],
    "program": ["summary", "{}.pt2"],
    "onnx": ["evaluate", "{}.onnx", "digits"],
    "data": ["data", "{}"],
    "arrays": ["data", "{}.npz"],
    "series": ["audit", "torch.nn:Flatten", "{}.npz", "--series", "1,8"],
}
KINDS = ("pipe", "socket", "device", "dangling", "cycle")


def made(kind: str, path: Path) -> None:
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "socket":
            here = os.open(path.parent, os.O_RDONLY)  # names of sockets are short
            with socket.socket(socket.AF_UNIX) as s:
                s.bind(f"/proc/self/fd/{here}/{path.name}")
            os.close(here)
        case "device":
            path.symlink_to("/dev/zero")
        case "dangling":
            path.symlink_to(path.parent / "gone")
        case "cycle":
            path.symlink_to(path)


@pytest.mark.timeout(60)  # opened, a pipe waits for ever and a device never ends
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", WHERE)
def test_no_file_is_one_sentence(where, kind, tmp_path, capsys):
    words = [word.format(tmp_path / "x") for word in WHERE[where]]
    for word in {w for w in words if w.startswith(str(tmp_path / "x")) and "-out" not in w}:
        made(kind, Path(word))
    with pytest.raises(SystemExit) as left:
        main(words)
    out, err = capsys.readouterr()
    assert left.value.code == 2, err
    assert out == ""
    last = err.splitlines()[-1]
    assert last.startswith("neocog: "), err
    assert "/x" in last
    assert "Traceback" not in err


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["model.json", "recipe.toml", "model.safetensors"])
def test_a_pipe_in_a_run_folder_is_one_sentence(name, tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.toml").write_text("")
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    for words in (["evaluate", str(run), "digits"], ["train", "--resume", str(run)]):
        if name != "recipe.toml" and words[0] == "train":
            continue  # a training replaces them
        with pytest.raises(SystemExit) as left:
            main(words)
        err = capsys.readouterr().err
        assert left.value.code == 2, err
        assert "Traceback" not in err
