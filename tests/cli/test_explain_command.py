from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.web.strangers import wave

from neocog.cli.explain import METHODS
from neocog.verbs.explain_ways import WAYS


@pytest.fixture(scope="session")
def conv_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolutional network of one epoch on digits."""
    from neocog.cli.main import main

    run = tmp_path_factory.mktemp("conv") / "run"
    words = ["--model", "lenet5", "--epochs", "1", "--set", "machine.precision=float32"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEOCOG_CACHE", str(run.parent / "cache"))
        with pytest.raises(SystemExit):
            main(["train", "digits", "--out", str(run), *words])
    return run


def test_the_choices_are_the_ways_that_there_are() -> None:
    assert tuple(WAYS) == METHODS


def test_json_files_and_the_names_of_the_contract(call, conv_run, seven, tmp_path: Path) -> None:
    out = tmp_path / "why"
    said = call("explain", conv_run, seven, "--class", "7", "--out", out, "--json")
    assert said.status == 0
    found = json.loads(said.out)
    assert {"layer", "layer_reason", "target", "deletion", "insertion", "randomization"} <= set(
        found
    )
    assert found["layer"] == "s4"
    assert found["target"] == "7"
    assert found["images"][0]["path"] == str(seven)
    assert all(Path(f).is_file() for f in found["files"])
    names = {Path(f).name for f in found["files"]}
    assert {"explain.html", "explain.json", "deletion.svg", "insertion.svg"} <= names
    assert json.loads((out / "explain.json").read_text()) == found
    html = (out / "explain.html").read_text("utf8")
    assert html.startswith("<!doctype html>")
    assert not re.search(r"\bnetwork\.\w", html)
    with Image.open(out / "seven-png-overlay.png") as overlay:
        assert min(overlay.size) > 300


def test_words_and_the_folder_of_the_run(call, conv_run, seven) -> None:
    said = call("explain", conv_run, seven)
    assert said.status == 0
    assert " of 4 sanity" in said.out
    assert "Does the prediction depend" not in said.out
    assert (conv_run / "explain-grad_cam" / "explain.html").is_file()
    assert f"open {conv_run / 'explain-grad_cam' / 'explain.html'}" in said.out


@pytest.mark.parametrize(
    "method", [m for m in METHODS if m not in ("grad_cam", "activation-maximization")]
)
def test_every_method_writes_its_page(call, conv_run, tmp_path: Path, method: str) -> None:
    words = (
        "digits:val",
        "--samples",
        "2",
        "--no-sanity-checks",
        "--out",
        tmp_path / "x",
        "--json",
    )
    extra = ("--layer", "c3", "--units", "0,5") if method == "top-activations" else ()
    said = call("explain", conv_run, "--method", method, *words, *extra)
    assert said.status == 0, said.err
    found = json.loads(said.out)
    assert found["method"] == method
    assert len(found["files"]) > 2
    assert (tmp_path / "x" / "explain.html").is_file()


def test_samples_of_data_and_skipped_files(call, conv_run, seven, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    words = (conv_run, "digits:test[3]", tmp_path / "broken.png", seven, "--no-sanity-checks")
    said = call("explain", *words, "--out", tmp_path / "x", "--json")
    assert said.status == 0
    found = json.loads(said.out)
    assert [p["path"] for p in found["images"]] == ["digits:test[3]", str(seven)]
    assert "broken.png was not used: not an image" in found["notes"][0]
    strict = call("explain", *words, "--strict", "--out", tmp_path / "x")
    assert strict.status == 2
    assert "broken.png: not an image" in strict.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "needs images, and none were given"),
        (("--method", "top-activations"), "searches a data set, and none was given"),
        (("nothing.png",), "An explanation needs a readable image"),
        (("digits:test[99999]",), "counted from 0; got number 99999"),
        (("digits[3]",), "named with its split, and `digits[3]` names none"),
        (("digits:test[0]", "--class", "cat"), "`cat` is none"),
        (("digits:test[0]", "--class", "12"), "a number from 0 to 9"),
        (("digits:test[0]", "--layer", "c33"), "Did you mean `c3`?"),
        (("digits:test[0]", "--layer", "f6"), "still has rows and columns"),
        (("digits:test[0]", "--units", "a"), "integers are separated by commas"),
        (
            ("digits:test[0]", "--method", "template-matching", "--window", "1,2"),
            "A window is four numbers",
        ),
        (("digits:test[0]", "--method", "filters", "--layer", "f6"), "`f6` is none"),
    ],
)
def test_wrong_use_is_one_sentence(
    call, conv_run, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    said = call("explain", conv_run, *words, "--out", tmp_path / "x")
    assert said.status == 2
    assert sentence in said.err
    assert not (tmp_path / "x").exists()


def test_a_network_without_space_says_so(call, digits_run, seven, tmp_path: Path) -> None:
    said = call("explain", digits_run, seven, "--out", tmp_path / "x")
    assert said.status == 2
    assert "still has rows and columns" in said.err


def test_a_folder_that_cannot_be_written(call, conv_run, seven, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = call("explain", conv_run, seven, "--no-sanity-checks", "--out", tmp_path / "file" / "x")
    assert said.status == 2
    assert "on the way is not a folder" in said.err


@pytest.fixture(scope="session")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Series of 32 numbers."""
    file = tmp_path_factory.mktemp("waves") / "waves.npz"
    x = np.random.default_rng(0).random((6, 1, 32), dtype=np.float32)
    np.savez(file, x=x, y=np.arange(6) % 3)
    return file


WAVE = ("tests.web.strangers:wave", "--series", "1,32")


@pytest.mark.filterwarnings("ignore:No weights were given")
def test_A8_a_model_of_series(call, waves, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "x", "--json")
    said = call("explain", *WAVE, f"{waves}[3]", *out)
    assert said.status == 0, said.err
    found = json.loads(said.out)
    assert found["grid"] == [32]
    assert found["cells"] == {"first": [0.0], "step": [1.0]}
    assert [p["path"] for p in found["images"]] == [f"{waves}[3]"]
    net = wave()
    with np.load(waves) as held:
        x = torch.from_numpy(held["x"])
    want = net(x[3:4]).max()
    assert found["images"][0]["value"] == pytest.approx(float(want.detach()), rel=1e-5)
    some = json.loads(
        call("explain", *WAVE, waves, "--samples", "2", "--no-sanity-checks", *out).out
    )
    assert len({p["path"] for p in some["images"]}) == 2
    every = json.loads(call("explain", *WAVE, waves, "--no-sanity-checks", *out).out)
    assert [p["path"] for p in every["images"]] == [f"{waves}[{i}]" for i in range(6)]


@pytest.mark.filterwarnings("ignore:No weights were given")
def test_A8_layers_behind_a_normalization_go_by_their_own_names(call, waves, tmp_path) -> None:
    words = ("--mean", ".5", "--std", ".25", "--layer", "1", "--no-sanity-checks", "--json")
    said = call("explain", *WAVE, waves, *words, "--out", tmp_path / "x")
    assert said.status == 0, said.err
    assert json.loads(said.out)["layer"] == "1"


@pytest.mark.parametrize(
    "method",
    ["filters", "features", "activation-maximization", "top-activations", "classic-filters"],
)
@pytest.mark.filterwarnings("ignore:No weights were given")
def test_A8_other_ways_of_seeing_into_a_model_of_series(call, waves, tmp_path, method) -> None:
    words = (waves,)
    more = (
        ("--layer", "1", "--units", "0,1")
        if method in ("activation-maximization", "top-activations")
        else ()
    )
    words = () if method == "activation-maximization" else words  # its size is told
    said = call("explain", *WAVE, *words, "--method", method, *more, "--out", tmp_path / "x")
    assert said.status == 0, said.err
    assert (tmp_path / "x" / "explain.html").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--size", "1,8,8"), "--size C,N and --series C,N mean the same; give one of them"),
        (("nothing.npz",), "`nothing.npz` does not exist"),
        (("FILE[6]",), "has 6 series, counted from 0; got index 6"),
        (("--series", "1,64", "FILE"), "The model takes series of 1 × 64 values"),
        (("--series", "64", "FILE"), "the size of a series is C,N"),
        (("FILE", "--method", "template-matching"), "series have no templates"),
    ],
)
@pytest.mark.filterwarnings("ignore:No weights were given")
def test_wrong_use_of_series_is_one_sentence(call, waves, tmp_path, words, sentence) -> None:
    words = tuple(w.replace("FILE", str(waves)) for w in words)
    said = call("explain", *WAVE, *words, "--out", tmp_path / "x")
    assert said.status == 2
    assert sentence in " ".join(said.err.split())
    assert not (tmp_path / "x").exists()


def test_what_an_earlier_explanation_wrote_goes(call, conv_run, seven, tmp_path: Path) -> None:
    out = tmp_path / "why"
    first = json.loads(call("explain", conv_run, seven, "--out", out, "--json").out)
    assert "deletion.svg" in {Path(f).name for f in first["files"]}
    (out / "mine.png").write_bytes(b"own")
    (out / "mine.svg").mkdir()
    words = ("--method", "filters", "--out", out, "--json")
    second = json.loads(call("explain", conv_run, *words).out)
    left = {p.name for p in out.iterdir()}
    assert left == {Path(f).name for f in second["files"]} | {"mine.png", "mine.svg"}


@pytest.mark.filterwarnings("always")
def test_data_of_other_classes_is_looked_at(call, tmp_path: Path) -> None:
    names, out = tmp_path / "names.txt", tmp_path / "out"
    names.write_text("\n".join("abcdefghijkl"))
    told = ("tests.web.strangers:twelve", "--size", "1,28,28", "--classes", names)
    said = call("explain", *told, "digits", "--samples", "2", "--no-sanity-checks", "--out", out)
    assert said.status == 0, said.err
    assert (out / "explain.html").is_file()
