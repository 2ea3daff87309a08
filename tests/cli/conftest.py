"""One small run on digits."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.short import QUICK

from neocog.cli.main import main


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch on digits."""
    run = tmp_path_factory.mktemp("digits") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEOCOG_CACHE", str(run.parent / "cache"))
        with pytest.raises(SystemExit):
            main(["train", "digits", "--out", str(run), *QUICK])
    return run


@pytest.fixture(scope="session")
def seven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of a digit."""
    from PIL import Image

    from neocog.data.digits import read_digits

    file = tmp_path_factory.mktemp("seven") / "seven.png"
    x, y, _ = read_digits()
    Image.fromarray(x[int((y == 7).argmax()), :, :, 0]).save(file)
    return file
