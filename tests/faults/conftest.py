"""A small folder of images, and one run of it that nothing disturbed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.faults.made import bars
from tests.faults.processes import start, wait


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 64 images in two class folders."""
    place = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number, name in enumerate(("across", "down")):
        (place / name).mkdir()
        for i in range(32):
            Image.fromarray(bars(number, rng)).save(place / name / f"{i:02}.png")
    return place


@pytest.fixture(scope="session")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing disturbed; `accesses` beside it counts its uses of files."""
    folder = tmp_path_factory.mktemp("whole")
    assert wait(start(images, folder / "run", folder / "cache")) == 0
    return folder / "run"
