"""The nearest images in a report."""

from pathlib import Path
from typing import Any

import neocog


def test_the_report_of_a_training_shows_the_nearest_images(
    images: Path, quick: dict[str, Any], tmp_path: Path
) -> None:
    run = neocog.train(images, settings=quick, out=tmp_path / "run", progress=False)
    text = (run.path / "report.html").read_text()
    assert "Nearest images" in text
    assert "training images by cosine similarity" in text.replace("\n", " ")
