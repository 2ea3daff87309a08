"""A TensorBoard log beside metrics.jsonl, where the package is installed."""

import sys
import types

from neocog.runs import tensorboard
from neocog.runs.tensorboard import open_log


def test_without_the_package_nothing_is_written(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tensorboard.importlib.util, "find_spec", lambda name: None)
    with open_log(tmp_path / "log", 0) as log:
        log({"step": 1, "train_loss": 0.5})
    assert not (tmp_path / "log").exists()


def test_figures_that_are_there_go_below_their_tags(tmp_path, monkeypatch) -> None:
    written, closed = [], []

    class Writer:
        def __init__(self, path: str, purge_step: int) -> None:
            written.append((path, purge_step))

        def add_scalar(self, *values: object) -> None:
            written.append(values)

        def close(self) -> None:
            closed.append(True)

    monkeypatch.setattr(tensorboard.importlib.util, "find_spec", lambda name: object())
    room = types.ModuleType("torch.utils.tensorboard")
    room.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", room)
    with open_log(tmp_path, 7) as log:
        log({"step": 9, "train_loss": 0.5, "val_loss": None, "epoch": 1})
    assert written == [(str(tmp_path), 7), ("loss/train", 0.5, 9)]
    assert closed == [True]
