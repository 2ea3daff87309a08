"""A trained model's answers for files."""

from __future__ import annotations

import os
from collections.abc import Iterable

from neocog.runs.trained import Answer, load

__all__ = ["predict"]

Place = str | os.PathLike[str]


def predict(model: Place, paths: Iterable[Place] | Place) -> list[Answer]:
    """An answer a picture.

    Args:
        model: a run folder.
        paths: files and folders.

    Raises:
        NeocogError: the model cannot be used, or a folder holds no picture.
    """
    return load(model).predict(paths)
