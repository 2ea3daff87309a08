"""Check that the weights in an ONNX file are finite; the runtime does not."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from neocog.errors import ModelError, printable

__all__ = ["check_weights"]

_WITH_WEIGHTS = frozenset(
    ("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "PRelu")
)
"""Operations whose constants are weights: elsewhere an infinity may be a mask or a bound."""


def check_weights(path: Path) -> None:
    """Refuse a file with weights that are NaN or infinite.

    Nothing is checked without the package onnx or if it cannot read the file; outputs that are not
    finite are refused later.

    Args:
        path: an .onnx file.

    Raises:
        ModelError: a weight is NaN or infinite, or any other constant NaN.
    """
    try:
        onnx: Any = importlib.import_module("onnx")
        graph = onnx.load(os.fspath(path)).graph
        held = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    except Exception:  # of any kind: the runtime has read the file, and computes
        return
    weighed = {name for node in graph.node if node.op_type in _WITH_WEIGHTS for name in node.input}
    for name, value in held.items():
        if value.dtype.kind != "f":
            continue
        bad = ~np.isfinite(value) if name in weighed else np.isnan(value)
        if bad.any():
            raise ModelError(
                f"Weights must be finite; `{printable(name)}` of "
                f"`{printable(path)}` holds NaN or infinity in {int(bad.sum()):,} of "
                f"{value.size:,} elements. Export it from undamaged weights."
            )
