"""Score a trained model on data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from neocog.models.model import AnyModel
from neocog.tasks.classify import Evaluation
from neocog.verbs.opened import opened
from neocog.verbs.probe import Probe
from neocog.verbs.probe import probe as measured

__all__ = ["evaluate"]

StrPath = str | os.PathLike[str]


def evaluate(
    model: AnyModel,
    data: Any,
    *,
    probe: bool = False,
    strict: bool = False,
    batch_size: int | None = None,
    weights: StrPath | None = None,
    size: Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    classes: StrPath | int | Sequence[str] | None = None,
    init: str | None = None,
    output: str | None = None,
    allow_random: bool = False,
    resize_mode: str | None = None,
) -> Evaluation | Probe:
    """Accuracy with its interval, loss, calibration error, per class and confusion.

    Args:
        model: a run folder, `package.module:factory`, a .pt2 or an .onnx file, an `nn.Module`, or
            what `neocog.load` gives; what follows `batch_size` is of an external model,
            see there.
        data: a data set: `DATA:val` picks a split, `DATA:all` everything; if left out, the
            test split where there is one, or was when the model was trained on this data, else
            everything. Or what a program has, with labels, see `neocog.data.inputs`: tensors
            (x, y), a `Dataset`, a `DataLoader`. Classes that the model does not know are left out.
        probe: measure its features instead, by nearest neighbors and a linear classifier on the
            training samples of the data, see `neocog.verbs.probe`; classes need not agree.
        strict: stop at the first image that cannot be used.
        batch_size: batch size; chosen by the size of a sample if left out.
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
        NeocogError: the model or the data cannot be used.
    """
    given = {"weights": weights, "size": size, "mean": mean, "std": std, "classes": classes}
    given |= {"init": init, "output": output, "resize_mode": resize_mode}
    opened_model, data = opened(model, data, given=given, allow_random=allow_random)
    if probe:
        return measured(opened_model, data, strict=strict)
    return opened_model.evaluate(data, strict=strict, batch_size=batch_size)
