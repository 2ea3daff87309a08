"""Score a trained model on data."""

from __future__ import annotations

from typing import Any, Unpack

from neocog.models.declared import ModelOptions
from neocog.models.model import AnyModel
from neocog.tasks.classify import Evaluation
from neocog.verbs.opened import opened, with_model_options
from neocog.verbs.probe import Probe
from neocog.verbs.probe import probe as measured

__all__ = ["evaluate"]


@with_model_options
def evaluate(
    model: AnyModel,
    data: Any,
    *,
    probe: bool = False,
    strict: bool = False,
    batch_size: int | None = None,
    **options: Unpack[ModelOptions],
) -> Evaluation | Probe:
    """Accuracy with its interval, loss, calibration error, per class and confusion.

    Args:
        model: a run folder, `package.module:factory`, a .pt2 or an .onnx file, an `nn.Module`, or
            what `neocog.load` gives.
        data: a data set: `DATA:val` picks a split, `DATA:all` everything; if left out, the
            test split where there is one, or was when the model was trained on this data, else
            everything. Or what a program has, with labels, see `neocog.data.inputs`: tensors
            (x, y), a `Dataset`, a `DataLoader`. Classes that the model does not know are left out.
        probe: measure its features instead, by nearest neighbors and a linear classifier on the
            training samples of the data, see `neocog.verbs.probe`; classes need not agree.
        strict: stop at the first image that cannot be used.
        batch_size: batch size; chosen by the size of a sample if left out.
        options: of an external model, as keyword arguments, see `neocog.load`.

    Raises:
        NeocogError: the model or the data cannot be used.
    """
    opened_model, data = opened(model, data, options)
    if probe:
        return measured(opened_model, data, strict=strict)
    return opened_model.evaluate(data, strict=strict, batch_size=batch_size)
