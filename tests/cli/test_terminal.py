"""A name may hold what a terminal obeys: colors, titles, links, directions. None of it arrives."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.faults.made import bars

from neocog.cli.main import main
from neocog.cli.terminal import Stream, screen, streams, visible
from neocog.verbs.train import train

BAD = "\x1b[31mr\x1b]0;t\x07\x1b]8;;x:y\x1b\\l\x9b1m\u202eb\r\x08\x7f\u2028\udc9b"
OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]"
)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number, name in enumerate(("across", f"down{BAD}")):
        (place / name).mkdir()
        for i in range(12):
            Image.fromarray(bars(number, rng, size=16)).save(place / name / f"{i:02}{BAD}.png")
    (place / "across" / f"torn{BAD}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return place


@pytest.fixture(scope="module")
def hostile(images, tmp_path_factory) -> Path:
    """A run whose every text is hostile, and that can be used all the same."""
    run = tmp_path_factory.mktemp("trained") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEOCOG_CACHE", str(run.parent / "cache"))
        settings = {
            "model.name": "dense", "model.hidden": [4], "train.batch_size": 8,
            "train.epochs": 1.0, "machine.memory_format": "channels_last",
            "machine.precision": "float32",
        }  # fmt: skip
        train(images, settings=settings, out=run)
    card = json.loads((run / "model.json").read_text())
    card["notes"] = [f"note {BAD}"]
    card["data"]["path"] = str(images)
    card["data"]["fingerprint"] = BAD
    (run / "model.json").write_text(json.dumps(card))
    return run


def said(capsys, *words: str | Path) -> tuple[int, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main([str(w) for w in words])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    found = OBEYED.search(out + err)
    assert found is None, (words, (out + err)[max(0, found.start() - 60) : found.end() + 20])
    return int(left.value.code or 0), out + err


VERBS = {
    "evaluate": (),
    "predict": (),
    "predict --json": ("--json",),
    "audit": ("--shift", "circular", "--no-rotation", "--no-scale", "--no-elastic"),
    "explain": ("--method", "gradient"),
    "summary": (),
    "export": ("--format", "torch", "--out", "x.pt"),
    "data": (),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_hostile_run_and_hostile_files(verb, hostile, images, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model = shutil.copytree(hostile, tmp_path / f"run{BAD[:-1]}")  # tensors lie at UTF-8 names
    name = verb.split()[0]
    words: list[str | Path] = [name, model, images, *VERBS[verb]]
    if name in ("summary", "export"):
        words = [name, model, *VERBS[verb]]
    if name == "data":
        words = [name, images]
    if name == "explain":
        words = [name, model, next((images / "across").glob("0*")), *VERBS[verb]]
    status, text = said(capsys, *words)
    assert text
    assert status == 0 or name == "explain", text


TAMPERED = {
    "format": lambda c: c.update(format=BAD),
    "spec": lambda c: c.update(spec=BAD),
    "task": lambda c: c["spec"].update(task=BAD),
    "mode": lambda c: c["spec"]["input"].update(resize_mode=BAD),
    "key": lambda c: c["network"]["options"].update({BAD: 1}),
    "network": lambda c: c["network"].update(name=BAD),
    "option": lambda c: c["network"]["options"].update(downsampling=BAD),
    "list": lambda c: c["spec"].update(classes=[BAD, [BAD]]),
    "twice": lambda c: c["spec"].update(classes=[BAD, BAD, BAD]),
}


@pytest.mark.parametrize("kind", TAMPERED)
def test_an_error_about_a_hostile_card(kind, hostile, images, tmp_path, capsys):
    model = shutil.copytree(hostile, tmp_path / "run")
    card = json.loads((model / "model.json").read_text())
    TAMPERED[kind](card)
    (model / "model.json").write_text(json.dumps(card))
    for verb in ("evaluate", "predict", "fix"):
        status, text = said(capsys, verb, model, images)
        assert status == 2
        assert len(text.splitlines()) == 1, text


RECIPES = [
    "\x1b[31m", f'{BAD[:4]}= "x"', '["\\u001B[31m"]\na = 1', '[train]\n"\\u001B[31m" = 1',
    '[train]\nepochs = "\\u001B[31m"', '[data]\nplace = "\\u001B[31m"',
    '[model]\nname = "\\u001B[31m"', '[model]\nstart = "\\u001B[31m\\u0000"',
    '[optimizer]\nname = "\\u001B[31m"', '[machine]\ndevice = "\\u001B[31m"',
    '[machine]\nlayout = "\\u001B[31m"', '[augment]\nborder = "\\u001B[31m"',
    '[objective]\nloss = "\\u001B[31m"', '[schedule]\nname = "\\u001B[31m"',
    '[data]\nresize_mode = "\\u001B[31m"', '[model]\n"\\u001B[31m" = 1',
]  # fmt: skip


@pytest.mark.parametrize("text", RECIPES)
def test_an_error_about_a_hostile_recipe(text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.toml").write_text(text)
    words = ["train", "--recipe", "r.toml"]
    if "place" not in text:
        words.append("digits")
    status, said_ = said(capsys, *words)
    assert status == 2, said_


def test_an_error_about_a_hostile_checkpoint(hostile, tmp_path, capsys):
    model = shutil.copytree(hostile, tmp_path / "run")
    file = model / "checkpoint" / "state.safetensors"
    tensors = load_file(file)
    half = BAD[:-1]  # names of tensors are UTF-8
    with safe_open(file, "pt") as f:
        state = f.metadata()["state"]
    for changed, kept in (
        ({half: torch.zeros(1)}, state),
        ({}, json.dumps({**json.loads(state), "rows": [{BAD: BAD}]})),
        ({}, json.dumps({**json.loads(state), "recipe": BAD})),
        ({f"optimizer.{half}": torch.zeros(1)}, state),
        ({f"network.{half}": torch.zeros(1)}, state),
    ):
        save_file({**tensors, **changed}, file, {"state": kept})
        said(capsys, "train", "--resume", model)


def test_words_of_the_command_line(capsys):
    for words in (
        [BAD], ["train", f"--{BAD}"], ["train", BAD], ["summary", BAD], ["audit", BAD, BAD],
        ["predict", BAD, BAD], ["train", "digits", "--set", BAD], ["data", BAD],
        ["train", "digits", "--set", f"train.{BAD}=1"], ["train", "digits", "--augment", BAD],
        ["train", "digits", "--budget", BAD], ["train", "digits", "--size", BAD],
        ["summary", "lenet5", "--size", BAD], ["export", BAD, "--format", BAD],
        ["evaluate", f"{BAD}:{BAD}", "digits", "--size", "1,8,8"],
        ["evaluate", "timm:" + BAD, "digits"], ["evaluate", BAD + ".pt2", "digits"],
    ):  # fmt: skip
        status, text = said(capsys, *words)
        assert status == 2
        assert len(text.splitlines()) == 1, text


@pytest.mark.parametrize("word", ["a\0b", "\ud800", "a\udfff"])
def test_a_null_byte_or_half_a_letter_is_a_sentence(word, capsys):
    for words in ([word], ["train", word], ["predict", "x", word], ["train", "digits", word]):
        status, text = said(capsys, *words)
        assert status == 2
        assert "Arguments of a command must be text" in text


def test_a_warning_is_one_line(capsys):
    with streams():
        from neocog.cli.main import _note

        warnings.showwarning, before = _note, warnings.showwarning
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                warnings.showwarning = _note
                warnings.warn(f"{BAD}\nsecond", stacklevel=1)
        finally:
            warnings.showwarning = before
    err = capsys.readouterr().err
    assert not OBEYED.search(err)
    assert err.count("\n") == 1


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_our_own_colors_arrive_and_those_of_names_do_not(monkeypatch):
    from rich.table import Table
    from rich.text import Text

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stdout", Stream(terminal))
    console = screen()
    table = Table("head", title=BAD)
    table.add_row(Text(BAD))
    console.print(f"[bold]own[/bold] {BAD}")
    console.print(table)
    text = terminal.getvalue()
    assert "\x1b[1mown" in text
    assert not {"\x1b[31m", "\x1b]", "\x07", "\x9b", "\u202e", "\r"} & set(
        re.findall("\x1b\\[31m|\x1b\\]|[\x07\x9b\u202e\r]", text)
    )
    print(f"{BAD} plain")
    assert "\\x1b[31mr" in terminal.getvalue()


def test_letters_of_every_script_stay():
    text = "naïve ± 日本語 हिन्दी عربى 👩‍🔬 \u00a0½\n\t"
    assert visible(text) == text
