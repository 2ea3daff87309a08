"""A training goes on with other threads, elsewhere, or on a device that is not there."""

import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from neocog.cli.main import main
from neocog.errors import UsageError
from neocog.runs.events import Event
from neocog.runs.folder import RunFolder
from neocog.runs.recipe import MachineConfig, Recipe
from neocog.training.loop import Step
from neocog.training.machine import check_device, threads
from neocog.verbs.train import resume, train

SETTINGS = {
    "model.name": "lenet5_modern", "train.batch_size": 64, "train.epochs": 0.1,
    "machine.memory_format": "contiguous", "machine.precision": "float32", "machine.device": "cpu",
}  # fmt: skip
"""Five steps of digits, whose sums several threads share."""


def _stop(event: Event) -> None:
    if isinstance(event, Step) and event.number == 2:
        signal.raise_signal(signal.SIGINT)


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return RunFolder(run).weights()


def test_a_training_taken_up_with_other_threads_ends_with_the_same_bits(tmp_path: Path) -> None:
    part = tmp_path / "part"
    with threads(2):
        train("digits", settings=SETTINGS, out=tmp_path / "two")
        with pytest.raises(KeyboardInterrupt):
            train("digits", settings=SETTINGS, out=part, progress=_stop)
    with threads(1):
        train("digits", settings=SETTINGS, out=tmp_path / "one")
        resume(part)
        train(None, recipe=tmp_path / "two" / "recipe.toml", out=tmp_path / "again")
        assert torch.get_num_threads() == 1
    one, two = _weights(tmp_path / "one"), _weights(tmp_path / "two")
    if all(torch.equal(one[k], two[k]) for k in one):
        pytest.skip("on this machine the number of threads moves no bit")
    for run in (part, tmp_path / "again"):
        assert RunFolder(run).recipe.machine.threads == 2
        assert all(torch.equal(two[k], v) for k, v in _weights(run).items())


def test_threads_are_as_before_afterwards() -> None:
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
        with threads(0):
            assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with pytest.raises(ZeroDivisionError), threads(before + 2):
        1 / 0  # noqa: B018
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("number", [-1, 10_000])
def test_a_number_of_threads_that_is_none(number: int) -> None:
    with pytest.raises(UsageError, match=r"`machine\.threads` is a number from 1 to 1024"):
        MachineConfig(threads=number)


def _status(*words: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    return int(left.value.code or 0)


@pytest.mark.parametrize("device", ["cuda:99", "cuda:100", "gpu", "tpu", "meta", "xpu", "cpu:1",
                                    "mps:3", "cuda:-1", "CUDA", "a\nb"])  # fmt: skip
def test_a_device_that_is_not_here_is_refused_before_work(
    device: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert _status("train", "/nowhere", "--device", device, "--out", str(run)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("neocog: A device ")
    assert not run.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_where_there_is_none() -> None:
    with pytest.raises(UsageError, match=r"got `cuda`, and this one has none .*`cpu`"):
        check_device("cuda")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="needs a machine without MPS")
def test_mps_where_there_is_none() -> None:
    with pytest.raises(UsageError, match=r"got `mps`, and this one has none"):
        check_device("mps")


def test_a_run_of_another_machine_is_not_taken_up_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = MachineConfig(device="cuda:99")
    data = replace(Recipe().data, path="digits")
    RunFolder(tmp_path / "run").write_recipe(Recipe(data=data, machine=machine))
    assert _status("train", "--resume", str(tmp_path / "run")) == 2
    assert "got `cuda:99`" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "run")
