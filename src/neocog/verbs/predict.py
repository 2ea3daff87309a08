"""A trained model's answers for files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from torch import nn

from neocog.runs.opened import open_model
from neocog.runs.trained import Prediction, TrainedModel

__all__ = ["predict"]

Place = str | os.PathLike[str]


def predict(
    model: Place | TrainedModel | nn.Module,
    paths: Any,
    *,
    weights: Place | None = None,
    size: Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    classes: Place | int | Sequence[str] | None = None,
    init: str | None = None,
    output: str | None = None,
    allow_random: bool = False,
    resize_mode: str | None = None,
) -> list[Prediction]:
    """An answer an image.

    Args:
        model: a run folder, `package.module:factory`, a .pt2 or an .onnx file, an `nn.Module`, or
            what `neocog.open_model` gives; what follows
            `paths` is of a model from elsewhere, see `neocog.open_model`.
        paths: files, folders and places of data (`DATA:test`); or what a program has, see
            `neocog.data.inputs`: tensors, arrays, images, a `Dataset`, a `DataLoader`.
        weights: a file for the network that a factory makes.
        size: (C, H, W) of a sample.
        mean: of pixels in [0, 1], one number a channel or one for all.
        std: their deviation, in the same way.
        classes: names, a text file of them, or their number.
        init: `none` for random weights of a network of a library, see `neocog.open_model`.
        output: of a network that returns several tensors, the one that is the prediction.
        allow_random: take a model whose predictions are not a function of the image alone.
        resize_mode: `crop`, `stretch` or `pad`, how images are brought to that size.

    Raises:
        NeocogError: the model cannot be used, or a folder holds no image.
    """
    if isinstance(model, TrainedModel):
        return model.predict(paths)
    opened = open_model(
        model,
        weights=weights,
        size=size,
        mean=mean,
        std=std,
        classes=classes,
        init=init,
        output=output,
        allow_random=allow_random,
        resize_mode=resize_mode,
    )
    return opened.predict(paths)
