"""A small folder of pictures and small runs on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

QUICK = {
    "network.name": "lenet5_modern",
    "course.batch": 16,
    "course.epochs": 3.0,
    "optimiser.lr": 0.02,
    "course.average": 0.0,
    "machine.layout": "channels_last",
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
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 72 pictures in three class folders."""
    return draw(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="session")
def many_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 144 pictures in three class folders."""
    return draw(tmp_path_factory.mktemp("many"), each=48)


@pytest.fixture
def quick() -> dict[str, Any]:
    """Settings of a run of a second."""
    return dict(QUICK)
