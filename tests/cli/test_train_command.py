import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli.short import QUICK

from neocog.runs.load import load


def test_json_is_one_value_and_progress_is_elsewhere(call, tmp_path: Path) -> None:
    said = call("train", "digits", "--out", tmp_path / "run", *QUICK, "--json")
    assert said.status == 0
    result = json.loads(said.out)
    assert result["run"] == str(tmp_path / "run")
    assert {"epochs", "seconds", "images_per_second", "train", "val", "test", "params",
            "macs"} <= set(result)  # fmt: skip
    assert 0 <= result["test"]["accuracy"] <= 1
    for word in ("data ", "model ", "machine ", "epoch "):
        assert word in said.err


def test_words_name_accuracy_and_report(call, tmp_path: Path) -> None:
    said = call("train", "digits", "--out", tmp_path / "run", *QUICK)
    assert said.status == 0
    first, second, _, why, todo = said.out.splitlines()
    assert first.startswith("test accuracy ")
    assert "95 % CI" in first
    assert second == f"report {tmp_path / 'run' / 'report.html'}"
    assert why.startswith("Next: ")
    assert todo.startswith(("  neocog audit ", "  neocog train --recipe "))
    assert "run" in todo


def test_the_run_is_named_after_the_data(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("digits", "digits-2"):
        said = call("train", "digits", *QUICK, "--json")
        assert json.loads(said.out)["run"] == f"runs/{name}"


def test_seeds_give_runs_mean_and_interval(call, tmp_path: Path) -> None:
    said = call("train", "digits", "--out", tmp_path / "s", *QUICK, "--seeds", "2", "--json")
    result = json.loads(said.out)
    assert [r["seed"] for r in result["runs"]] == [0, 1]
    assert [Path(r["run"]).name for r in result["runs"]] == ["seed-0", "seed-1"]
    values = [r["test"]["accuracy"] for r in result["runs"]]
    test = result["test"]
    assert test["values"] == values
    assert test["accuracy"] == pytest.approx(sum(values) / 2)
    # Student's t of one degree of freedom; the deviation of two is their distance over √2.
    half = 12.706205 * abs(values[0] - values[1]) / 2
    assert test["accuracy_ci"] == pytest.approx([test["accuracy"] - half, test["accuracy"] + half])


def test_seeds_in_words_say_that_it_is_a_mean(call, tmp_path: Path) -> None:
    lines = call(
        "train", "digits", "--out", tmp_path / "s", *QUICK, "--seeds", "2"
    ).out.splitlines()
    assert re.match(r"test accuracy [\d.]+%, mean of 2 seeds \(95 % CI ", lines[0])
    assert re.match(r"seeds [\d.]+%, [\d.]+%$", lines[1])
    assert lines[2] == f"runs in {tmp_path / 's'}"
    assert str(tmp_path / "s" / "seed-1") in lines[-1]


def test_a_recipe_and_options_that_go_before_it(call, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(
        '[data]\nplace = "digits"\n[train]\nepochs = 1.0\nbatch = 100\n'
        '[model]\nname = "dense"\nhidden = [16]\n[machine]\nlayout = "channels_last"\n'
        'precision = "float32"\n'
    )
    said = call("train", "--recipe", tmp_path / "r.toml", "--batch-size", "70", "--lr", "0.03",
                "--augment", "shift=1,rotate=5", "--set", "schedule.name=linear",
                "--out", tmp_path / "run", "--json")  # fmt: skip
    assert said.status == 0, said.err
    assert json.loads(said.out)["steps"] == 50
    recipe = (tmp_path / "run" / "recipe.toml").read_text()
    for line in ("batch_size = 70", "lr = 0.03", "shift = 1.0", "rotate = 5.0", 'name = "linear"'):
        assert line in recipe


def test_from_starts_where_another_run_ended(call, digits_run: Path, tmp_path: Path) -> None:
    said = call("train", "digits", "--init", digits_run, "--out", tmp_path / "run", *QUICK)
    assert said.status == 0
    assert f"4 of 4 tensors are from `{digits_run}`" in said.err


def test_overwrite_replaces_a_run_only_when_its_training_begins(call, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert call("train", "digits", "--out", run, *QUICK).status == 0
    before = (run / "model.safetensors").read_bytes()
    said = call("train", "digits", "--out", run, *QUICK)
    assert (said.status, said.out) == (2, "")
    assert "is not empty" in said.err
    # A slip must not cost the old run.
    for slip in (["train", tmp_path / "nope"], ["train", "digits", "--lr", "-1"],
                 ["train", "digits", "--set", "model.hidden=[-1]"]):  # fmt: skip
        assert call(*slip, "--out", run, "--overwrite", *QUICK[:2], *QUICK[4:]).status == 2
        assert (run / "model.safetensors").read_bytes() == before
    assert call("train", "digits", "--out", run, "--overwrite", *QUICK, "--seed", "1").status == 0
    assert (run / "model.safetensors").read_bytes() != before


def test_a_folder_where_a_kill_came_first_is_free(call, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".recipe.toml.abc.part").write_text("[da")
    assert call("train", "digits", "--out", tmp_path / "run", *QUICK).status == 0
    assert not list((tmp_path / "run").glob(".*.part"))


def test_resume_takes_no_other_option(call, digits_run: Path) -> None:
    for option in (["--lr", "0.2"], ["--seed", "0"], ["--overwrite"], ["--strict"]):
        said = call("train", "--resume", digits_run, *option)
        assert said.status == 2
        assert f"`{option[0][2:]}` would change it" in said.err
    said = call("train", "--resume", digits_run, "--json")
    assert said.status == 0
    assert json.loads(said.out)["steps"] == json.loads(
        (digits_run / "model.json").read_text()
    )["metrics"]["steps"]  # fmt: skip


def test_a_budget_is_understood(call, tmp_path: Path) -> None:
    said = call("train", "digits", "--out", tmp_path / "run", *QUICK[:4], *QUICK[6:],
                "--budget", "4s", "--json")  # fmt: skip
    assert said.status == 0
    assert json.loads(said.out)["epochs"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lr", "nan"], "`optimizer.lr` is a number, got nan"),
        (["--lr", "-1"], "`optimizer.lr` must be a positive number, got -1.0"),
        (["--batch-size", "0"], "`train.batch_size` must be at least 1, got 0"),
        (["--epochs", "nan"], "`epochs` must be a positive number, got nan"),
        (["--epochs", "inf"], "`epochs` must be a positive number, got inf"),
        (["--epochs", "0"], "`epochs` must be a positive number, got 0"),
        (["--seed", "-1"], "`train.seed` must not be negative, got -1"),
        (["--budget", "soon"], "a time is a number with s, m or h, got `soon`"),
        (["--budget", "0"], "a time is a number with s, m or h, got `0`"),
        (["--size", "tall"], "a size is S or H,W in pixels, got `tall`"),
        (["--size", "5"], "24 pixels per side"),
        (["--augment", "shift"], "A setting is KEY=VALUE, got `shift`"),
        (["--augment", "shfit=2"], "no key `augment.shfit`. Did you mean `shift`"),
        (["--augment", "flip=1"], "`augment.flip` is true or false, got 1"),
        (["--set", "lr"], "A setting is KEY=VALUE, got `lr`"),
        (["--set", "optimizer.lrr=1"], "no key `optimizer.lrr`. Did you mean `lr`"),
        (["--set", "train.plan=[1]"], "`train.plan` is pairs of from step and to step"),
        (["--set", "train.ema_decay=3"], "`train.ema_decay` must be at least 0 and below 1"),
        (["--set", "model.hidden=[-1]"], "The options of dense do not make a valid network"),
        (["--set", "model.dropout=7"], "The options of dense do not make a valid network"),
        (["--device", "gpu"], "A device is `cpu`, `cuda`, `cuda:N` or `mps`; got `gpu`"),
        (["--model", "convnt"], "`convnt` is not a network. Did you mean `convnet`"),
        (["--padding", "zer"], "`zer` is not a padding of dense. Did you mean `zeros`"),
        (["--optimizer", "sdg"], "Did you mean `sgd`"),
        (["--recipe", "/nope.toml"], "`/nope.toml` does not exist"),
        (["--init", "/nope"], "`/nope` does not exist"),
        (["--seeds", "1"], "1 is not in the range x>=2"),
        (["--out", "/proc/nope/run"], "`/proc/nope/run` cannot be written"),
    ],
)
def test_wrong_values_are_one_sentence(
    call, tmp_path: Path, options: list[str], message: str
) -> None:
    said = call("train", "digits", "--out", tmp_path / "run", *QUICK, *options)
    assert said.status == 2
    assert said.out == ""
    assert message in said.err
    assert len(said.err.splitlines()) == 1


def test_no_gpu_is_one_sentence(call, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("needs a machine without a GPU")
    said = call("train", "digits", "--out", tmp_path / "run", *QUICK, "--device", "cuda")
    assert said.status == 2
    assert "got `cuda`, and this one has none" in said.err


def test_a_place_that_no_recipe_can_name_is_refused(call, tmp_path: Path) -> None:
    odd = tmp_path / "caf\udce9"
    odd.mkdir()
    said = call("train", odd, "--out", tmp_path / "run", *QUICK)
    assert said.status == 2
    assert r"caf\xe9` is not UTF-8" in said.err


def test_a_training_needs_data(call) -> None:
    said: Any = call("train")
    assert said.status == 2
    assert "Try `neocog train digits`" in said.err


@pytest.mark.slow
def test_seeds_share_a_budget(call, tmp_path: Path) -> None:
    settings = [o for a, o in zip([None, *QUICK], QUICK, strict=False) if "--epochs" not in (a, o)]
    said = call(
        "train", "digits", "--out", tmp_path / "s", *settings, "--budget", "16s", "--seeds", "2",
        "--json",
    )  # fmt: skip
    assert said.status == 0, said.err
    steps = [run["steps"] for run in json.loads(said.out)["runs"]]
    # A seed that was given what the first one left would make a single step.
    assert len(steps) == 2
    assert min(steps) > 5


def test_E6_a_symmetry_is_an_option_of_the_run_and_exports_as_plain_layers(
    call, tmp_path: Path
) -> None:
    run, file = tmp_path / "run", tmp_path / "x.pt2"
    small = ("--set", "model.widths=[8,8,16]", "--set", "model.depths=[1,1,1]", *QUICK[4:])
    done = call("train", "digits", "--out", run, "--symmetry", "d4", *small, "--json")
    assert done.status == 0, done.err
    assert 'symmetry = "d4"' in (run / "recipe.toml").read_text()
    assert call("export", run, "--format", "pt2", "--out", file).status == 0
    x = torch.rand(4, 1, 28, 28)
    for model in (load(run), load(file)):
        with torch.no_grad():
            still = model.module(x)
            moved = model.module(torch.rot90(x.flip(3), 1, (2, 3)))
        # float32 rounding, of logits around 1.
        torch.testing.assert_close(moved, still, atol=1e-4, rtol=1e-4)
    assert "steerable" not in str(load(file).module.network).lower()
    refused = call("train", "digits", "--out", tmp_path / "r", *QUICK[4:], "--symmetry", "c7")
    assert refused.status == 2
    assert "`c7` is not a symmetry of convnet" in refused.err
