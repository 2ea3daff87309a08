"""Predictions for files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from neocog.models.model import AnyModel, Prediction
from neocog.verbs.opened import opened

__all__ = ["predict"]

StrPath = str | os.PathLike[str]


def predict(
    model: AnyModel,
    paths: Any,
    *,
    weights: StrPath | None = None,
    size: Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    classes: StrPath | int | Sequence[str] | None = None,
    init: str | None = None,
    output: str | None = None,
    allow_random: bool = False,
    resize_mode: str | None = None,
) -> list[Prediction]:
    """A prediction for each image.

    Args:
        model: a run folder, `package.module:factory`, a .pt2 or an .onnx file, an `nn.Module`, or
            what `neocog.load` gives; what follows
            `paths` is of an external model, see `neocog.load`.
        paths: files, folders and data sets (`DATA:test`); or what a program has, see
            `neocog.data.inputs`: tensors, arrays, images, a `Dataset`, a `DataLoader`.
        weights: a file for the network that a factory makes.
        size: (C, H, W) of a sample.
        mean: of pixels in [0, 1], one number a channel or one for all.
        std: their standard deviation, likewise.
        classes: names, a text file of them, or their number.
        init: `none` for random weights of a network of a library, see `neocog.load`.
        output: of a network that returns several tensors, the one that is the prediction.
        allow_random: take a model whose predictions are not a function of the image alone.
        resize_mode: `crop`, `stretch` or `pad`, how images are brought to that size.

    Raises:
        NeocogError: the model cannot be used, or a folder holds no image.
    """
    given = {"weights": weights, "size": size, "mean": mean, "std": std, "classes": classes}
    given |= {"init": init, "output": output, "resize_mode": resize_mode}
    opened_model, paths = opened(model, paths, given=given, allow_random=allow_random)
    return opened_model.predict(paths)
