import json
from pathlib import Path

import numpy as np
import pytest

from neocog.cli.main import main

THIN = ["--set", "model.widths=[4,8]", "--set", "model.depths=[1,1]", "--epochs", "1",
        "--set", "machine.precision=float32",
         "--set", "machine.memory_format=channels_last"]  # fmt: skip


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gray images of 28×28, bright above or below."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 80, (64, 28, 28)).astype(np.uint8)
    y = np.arange(64) % 2
    for i in range(64):
        x[i, 14 * y[i] : 14 + 14 * y[i]] += 120
    file = tmp_path_factory.mktemp("halves") / "halves.npz"
    np.savez(file, x_train=x[:48], y_train=y[:48], x_test=x[48:], y_test=y[48:])
    return file


@pytest.fixture(scope="module")
def thin_run(halves: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("thin") / "run"
    with pytest.raises(SystemExit):
        main(["train", str(halves), "--out", str(run), *THIN])
    return run


def test_json_is_what_the_contract_says(call, thin_run: Path, halves: Path, tmp_path: Path) -> None:
    out = tmp_path / "fixed"
    said = call("fix", thin_run, halves, "--padding", "circular", "--finetune", "0.5",
                "--samples", "8",
                "--out", out, "--rank-layers", "--json")  # fmt: skip
    assert said.status == 0, said.err
    done = json.loads(said.out)
    assert set(done) >= {
        "better",
        "replaced",
        "skipped",
        "before",
        "after",
        "run",
        "rank_layers",
        "cost",
    }
    assert set(done["candidate"]) >= {"accuracy", "shift", "macs", "ms"}
    assert set(done["candidate"]["shift"]) == {"circular", "crop", "zeros", "subpixel"}
    assert done["candidate"]["shift"]["circular"]["consistency"] == 1.0
    assert done["after"] == done["candidate" if done["better"] else "before"]
    assert done["cost"]["ms"]["ratio"] > 0
    assert done["cost"]["macs"]["ratio"] == 1  # the phase is chosen before the operators
    assert [set(r) >= {"name", "was", "now"} for r in done["replaced"]] == [True, True]
    assert done["run"] == str(out)
    assert "measuring the fixed model" in said.err
    assert call("evaluate", out, halves, "--json").status == 0


def test_words_end_with_the_run(call, thin_run: Path, halves: Path, tmp_path: Path) -> None:
    out = tmp_path / "fixed"
    options = ["--downsampling", "blur", "--finetune", "0", "--samples", "8"]
    said = call("fix", thin_run, halves, *options, "--out", out)
    assert said.status == 0, said.err
    assert "flips, crop" in said.out
    assert said.out.splitlines()[-1] == f"run {out}, with report.html"
    again = call("fix", thin_run, halves, *options, "--out", out)
    assert again.status == 2
    assert "is not empty" in again.err
    assert call("fix", thin_run, halves, *options, "--out", out, "--overwrite").status == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["--downsampling", "blurr"],
            "`blurr` is not a downsampling operator. Did you mean `blur`?",
        ),
        (["--padding", "zeros"], "`zeros` is not a padding choice."),
        (["--finetune", "-1"], "`finetune` is a number of epochs, at least 0, got -1."),
        (["--layer", "stem"], "`stem` is not a convertible group."),
        (["--size", "3,32,32"], "A run folder knows its model's size"),
    ],
)
def test_wrong_use_is_one_sentence(
    call, thin_run: Path, halves: Path, tmp_path: Path, options: list[str], sentence: str
) -> None:
    said = call("fix", thin_run, halves, "--out", tmp_path / "fixed", *options)
    assert said.status == 2
    assert sentence in said.err
    assert not (tmp_path / "fixed").exists()


def test_a_network_that_drops_nothing(call, digits_run: Path, tmp_path: Path) -> None:
    said = call("fix", digits_run, "digits", "--out", tmp_path / "fixed")
    assert said.status == 2
    assert "nothing can be replaced: it has none" in said.err
