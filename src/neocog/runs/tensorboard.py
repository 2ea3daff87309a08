"""A TensorBoard log beside metrics.jsonl, where the package is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Log", "open_log"]

Log = Callable[[Mapping[str, Any]], None]
"""Takes one line of metrics.jsonl."""

GROUPS = {
    "train_loss": "loss/train",
    "val_loss": "loss/val",
    "val_accuracy": "accuracy/val",
    "lr": "learning rate",
    "images_per_second": "images per second",
}


@contextmanager
def open_log(path: Path, step: int) -> Iterator[Log]:
    """A function that logs one line; it does nothing without the package `tensorboard`.

    Args:
        path: the folder of the log.
        step: what was logged after it, by a session that was killed, is hidden.
    """
    if importlib.util.find_spec("tensorboard") is None:
        yield lambda row: None
        return
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(path), purge_step=step)

    def log(row: Mapping[str, Any]) -> None:
        for key, tag in GROUPS.items():
            if row.get(key) is not None:
                writer.add_scalar(tag, row[key], row["step"])

    try:
        yield log
    finally:
        writer.close()
