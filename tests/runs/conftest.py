"""A small folder of images and small runs on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

QUICK = {
    "model.name": "lenet5_modern",
    "train.batch_size": 16,
    "train.epochs": 3.0,
    "optimizer.lr": 0.02,
    "train.ema_decay": 0.0,
    "machine.memory_format": "channels_last",
    "machine.precision": "float32",
}
"""Settings of a run of a second."""


def draw(folder: Path, *, each: int = 24, size: int = 28) -> Path:
    """Bars across, bars down and blank noise: a folder for each."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(("across", "down", "noise")):
        (folder / name).mkdir(parents=True)
        for i in range(each):
            x = rng.integers(0, 80, (size, size)).astype(np.uint8)
            at = int(rng.integers(4, size - 8))
            if number == 0:
                x[at : at + 4] = 220
            if number == 1:
                x[:, at : at + 4] = 220
            Image.fromarray(x).save(folder / name / f"{i:03}.png")
    return folder


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 72 images in three class folders."""
    return draw(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def many_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 144 images in three class folders."""
    return draw(tmp_path_factory.mktemp("many"), each=48)


@pytest.fixture
def quick() -> dict[str, Any]:
    """Settings of a run of a second."""
    return dict(QUICK)
