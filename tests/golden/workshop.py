"""Where cases are run: a folder with one thread, a clock that ticks alike, and what cases need."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import json
import os
import platform
import shlex
import shutil
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image

from neocog.cli.main import main
from neocog.data.digits import read_digits

__all__ = ["SHARED", "WEIGHTS", "Workshop", "machine"]

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
WEIGHTS = Path(__file__).with_name("weights.safetensors")
"""Of a small convnet, trained on digits for three epochs: no case rests on another's training."""

SMALL = (
    "--model convnet --set model.widths=[8,12,16] --set machine.memory_format=channels_last "
    "--set machine.precision=float32"
)
"""A network that trains in seconds, and its arithmetic."""

LEFT = "--epochs 0.01 --lr 1e-30 --set train.ema_decay=0"
"""A training of one step, so short that no weight moves."""


def machine() -> dict[str, str]:
    """What the last bits depend on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor()
    return {
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "processor": hashlib.blake2b(model.encode(), digest_size=6).hexdigest(),
    }


class Workshop:
    """A folder in which commands are run.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: set[str] = set()

    def need(self, what: str) -> None:
        """Make what a case needs, once."""
        if what not in self._made:
            getattr(self, f"_{what}")()
            self._made.add(what)

    def json(self, words: str) -> Any:
        """What a command prints with --json; of several lines a list."""
        out = self.call(f"{words} --json")
        try:
            return json.loads(out)
        except json.JSONDecodeError:
            return [json.loads(line) for line in out.splitlines()]

    def call(self, words: str) -> str:
        """Call `neocog` in the folder, and return what it prints."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
        with self.alike(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main(shlex.split(words))
            except SystemExit as e:
                status = e.code or 0
        texts = []
        for stream in (out, err):
            stream.flush()
            texts.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
        if status:
            raise AssertionError(f"`neocog {words}` left with {status}: {texts[1]}")
        return texts[0]

    @contextlib.contextmanager
    def alike(self) -> Iterator[None]:
        """The same conditions each time.

        Sums depend on the number of threads; a clock decides, where nothing else does, in which
        layout a network is trained, so that each look at it takes a twentieth of a second here.
        """
        before, threads, ticks = Path.cwd(), torch.get_num_threads(), itertools.count(1)

        def tick() -> float:
            return next(ticks) / 20

        cache = {"NEOCOG_CACHE": str(self.folder / "cache")}
        with (
            mock.patch.dict(os.environ, cache),
            mock.patch.object(time, "perf_counter", tick),
            mock.patch.object(time, "monotonic", tick),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("always")
            os.chdir(self.folder)
            torch.set_num_threads(1)
            torch.manual_seed(0)
            try:
                yield
            finally:
                torch.set_num_threads(threads)
                os.chdir(before)

    def epochs(self, run: str) -> list[dict[str, Any]]:
        """What a run keeps of its epochs."""
        lines = (self.folder / run / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def _run(self) -> None:
        """A run whose weights are those of the file."""
        shutil.copy(WEIGHTS, self.folder)
        self.call(f"train digits {SMALL} --init {WEIGHTS.name} {LEFT} --out run")

    def _other(self) -> None:
        """The same with other samplers."""
        self.call(f"train digits {SMALL} --init {WEIGHTS.name} {LEFT} "
                  "--downsampling blur --padding circular --out other")  # fmt: skip

    def _small(self) -> None:
        """A hundred and twenty digits as an .npz."""
        x, y, parts = read_digits()
        train, test = parts["train"][:120], parts["test"][:60]
        np.savez(self.folder / "small.npz", x_train=x[train], y_train=y[train],
                 x_test=x[test], y_test=y[test])  # fmt: skip

    def _images(self) -> None:
        """Digits as files, one of them broken."""
        x, _, parts = read_digits()
        folder = self.folder / "images"
        folder.mkdir()
        for i, row in enumerate(parts["test"][:6]):
            Image.fromarray(x[row, :, :, 0]).save(folder / f"{i}.png")
        (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    def _folder(self) -> None:
        """A folder of class folders with what is wrong with such folders."""
        x, y, parts = read_digits()
        for digit in range(3):
            folder = self.folder / "folder" / f"digit-{digit}"
            folder.mkdir(parents=True)
            rows = [r for r in parts["train"] if y[r] == digit][: 14 + 4 * digit]
            for i, row in enumerate(rows):
                image = Image.fromarray(x[row, :, :, 0])
                image.resize((28 + 4 * (i % 3), 28)).save(folder / f"{i}.png")
        again = (self.folder / "folder" / "digit-0" / "0.png").read_bytes()
        (self.folder / "folder" / "digit-1" / "again.png").write_bytes(again)
        (self.folder / "folder" / "digit-2" / "broken.png").write_bytes(again[:60])

    def _series(self) -> None:
        """Bursts of two frequencies."""
        rng, t = np.random.default_rng(0), np.arange(64)
        y = np.arange(48) % 2
        middle, phase = rng.integers(20, 44, 48), rng.uniform(0, 6, 48)
        envelope = np.exp(-(((t - middle[:, None]) / 8) ** 2))
        x = envelope * np.sin(t * (0.6 + 0.5 * y[:, None]) + phase[:, None])
        x += rng.normal(0, 0.1, x.shape)
        np.savez(self.folder / "series.npz", x=x[:, None].astype(np.float32), y=y)

    def _cifar(self) -> None:
        """Images of CIFAR-10 as an .npz with the names of the classes, weights of a ResNet-20."""
        folder = SHARED / "data" / "cifar10"
        with Image.open(folder / "test_00.webp") as image:
            tiles = np.asarray(image.convert("RGB")).reshape(20, 32, 50, 32, 3).swapaxes(1, 2)
        x, y = tiles.reshape(1000, 32, 32, 3), np.load(folder / "labels.npz")["test_labels"]
        names = "airplane automobile bird cat deer dog frog horse ship truck"
        np.savez(self.folder / "cifar.npz", x_train=x[:200], y_train=y[:200],
                 x_test=x[200:300], y_test=y[200:300], classes=names.split())  # fmt: skip
        weights = SHARED / "models" / "resnet20-cifar10" / "resnet20-12fca82f.th"
        shutil.copyfile(weights, self.folder / "resnet20.th")
