"""Predictions for files."""

from __future__ import annotations

from typing import Any, Unpack

from neocog.models.declared import ModelOptions
from neocog.models.model import AnyModel, Prediction
from neocog.verbs.opened import opened, with_model_options

__all__ = ["predict"]


@with_model_options
def predict(
    model: AnyModel,
    paths: Any,
    **options: Unpack[ModelOptions],
) -> list[Prediction]:
    """A prediction for each image.

    Args:
        model: a run folder, `package.module:factory`, a .pt2 or an .onnx file, an `nn.Module`, or
            what `neocog.load` gives.
        paths: files, folders and data sets (`DATA:test`); or what a program has, see
            `neocog.data.inputs`: tensors, arrays, images, a `Dataset`, a `DataLoader`.
        options: of an external model, as keyword arguments, see `neocog.load`.

    Raises:
        NeocogError: the model cannot be used, or a folder holds no image.
    """
    opened_model, paths = opened(model, paths, options)
    return opened_model.predict(paths)
