"""Trainings in processes of their own, which a test may kill.

The processes are forked from a server that has imported everything, so that each costs what its
training costs.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

SETTINGS = {
    "model.name": "lenet5_modern",
    "train.batch_size": 16,
    "train.epochs": 6.0,
    "train.ema_decay": 0.9,
    "optimizer.lr": 0.02,
    "augment.shift": 1,
    "machine.memory_format": "channels_last",
    "machine.precision": "float32",
}
"""Of a run of a second: 12 steps, six checkpoints."""


def start(
    place: Path, run: Path, cache: Path, *, die_at: int = 0, settings: Any = None
) -> ForkServerProcess:
    """Begin a training, or take it up where its folder holds a run.

    Args:
        place: the data.
        run: the folder.
        cache: of decoded images.
        die_at: kill it, as `kill -9` does, at so many accesses to files below `run` and `cache`.
        settings: other than `SETTINGS`.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    process = context.Process(
        target=_train, args=(place, run, cache, die_at, settings or SETTINGS), daemon=True
    )
    process.start()
    return process


def wait(process: ForkServerProcess, seconds: float = 120) -> int:
    """The exit status; minus the number of the signal that ended it."""
    process.join(seconds)
    assert process.exitcode is not None, "the training hangs"
    return process.exitcode


def _train(place: Path, run: Path, cache: Path, die_at: int, settings: Any) -> None:
    import torch

    from neocog.verbs.train import resume, train

    torch.set_num_threads(1)
    os.environ["NEOCOG_CACHE"] = str(cache)
    roots = (str(run), str(cache))
    accesses = 0

    def count(event: str, values: tuple[Any, ...]) -> None:
        nonlocal accesses
        if event in EVENTS and str(values[0]).startswith(roots):
            accesses += 1
            if accesses == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    if (run / "recipe.toml").exists():
        resume(run)
    else:
        train(place, settings=settings, out=run)
    if not die_at:
        (run.parent / "accesses").write_text(str(accesses))


PRELOAD = ["neocog.verbs.train", "torch._dynamo", "torch._refs.nn.functional", "PIL.ImageOps"]
"""What a training imports, torch's optimizers and counting among it."""

EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.chmod", "tempfile.mkstemp")
"""What Python reports before it does it: a kill leaves it undone."""
