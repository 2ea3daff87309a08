"""ONNX files as black boxes: outputs, but no layers and no gradients.

They are run by ONNX Runtime, an optional package, on the CPU in the precision of the file.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neocog.errors import ModelError, printable
from neocog.store.fixed_batch import in_batches_of
from neocog.store.onnx_weights import check_weights

__all__ = ["BlackBox", "load_onnx"]

_TYPES = {
    "tensor(float)": torch.float32,
    "tensor(double)": torch.float64,
    "tensor(float16)": torch.float16,
}
"""Types of an input."""

_QUIET = 4
"""Log level of ONNX Runtime: fatal errors only."""


class BlackBox(nn.Module):
    """An ONNX Runtime session as a module without parameters.

    Args:
        session: the runtime's.
        batch: the fixed batch size; None for any.
        shape: (C, H, W) of a sample, where the file states it.
        dtype: of the input.
        coarse: it computes with fewer than 32 bits, as far as the file could be read.
        last: name of an output to the operation that computes it, where the file could be read.
    """

    def __init__(
        self,
        session: Any,
        *,
        batch: int | None,
        shape: tuple[int, ...] | None,
        dtype: torch.dtype = torch.float32,
        last: Mapping[str, str] | None = None,
        coarse: bool = False,
    ) -> None:
        super().__init__()
        self.session = session
        self.batch = batch
        self.shape = shape
        self.dtype = dtype
        self.input = session.get_inputs()[0].name
        tensors = [o.name for o in session.get_outputs() if o.type.startswith("tensor(")]
        self.outputs = tensors or [session.get_outputs()[0].name]
        self.last, self.coarse = dict(last or {}), coarse

    def forward(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        """The output, or a dict of several by name, on the CPU, without gradients.

        Raises:
            ModelError: the runtime refuses the input.
        """
        x = x.detach().to("cpu", self.dtype)
        if self.batch is None:
            return self._run(x)
        tensors: Tensor | dict[str, Tensor] = in_batches_of(self.batch, self._run, x)
        return tensors

    def _run(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        try:
            outputs = self.session.run(self.outputs, {self.input: x.contiguous().numpy()})
        except Exception as e:  # of the runtime's own classes
            raise ModelError(
                f"An ONNX file computes what it was exported for; on input of shape "
                f"{tuple(x.shape)} it fails: {_short(e)}. Check --size."
            ) from e
        tensors = {
            n: torch.from_numpy(np.asarray(a)) for n, a in zip(self.outputs, outputs, strict=True)
        }
        return tensors if len(tensors) > 1 else tensors[self.outputs[0]]

    def __deepcopy__(self, memo: dict[int, Any]) -> BlackBox:
        """Share the session: it has no mutable state."""
        return BlackBox(
            self.session,
            batch=self.batch,
            shape=self.shape,
            dtype=self.dtype,
            last=self.last,
            coarse=self.coarse,
        )


def load_onnx(path: Path) -> tuple[BlackBox, dict[str, str]]:
    """An ONNX file, and its metadata strings.

    Args:
        path: the file; external data beside it is read too.

    Raises:
        ModelError: ONNX Runtime is missing, the file cannot be read, or its input is
            not one tensor of floats, or its weights are not finite.
    """
    if not os.path.isfile(path):  # noqa: PTH113 (names too long are none)
        raise ModelError(
            f"A black box is an .onnx file; there is none at `{printable(path)}`. Check the path."
        )
    runtime = _runtime(path)
    options = runtime.SessionOptions()
    options.log_severity_level = _QUIET
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = runtime.InferenceSession(
            os.fspath(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as e:  # of the runtime's own classes
        raise ModelError(
            f"An .onnx file must be one that ONNX Runtime reads; `{printable(path)}` is not: "
            f"{_short(e)}. Copy it again or export it again."
        ) from e
    check_weights(path)
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in _TYPES or len(inputs[0].shape) < 2:
        tensors = ", ".join(f"`{printable(i.name)}` {i.type} {i.shape}" for i in inputs)
        raise ModelError(
            f"A model takes one tensor of floats, batch axis first; `{printable(path)}` takes "
            f"{tensors or 'nothing'}. Export it with pixels as its only input."
        )
    batch, *shape = (s if isinstance(s, int) and s > 0 else None for s in inputs[0].shape)
    whole = tuple(s for s in shape if s is not None)
    last, coarse = _graph(path)
    box = BlackBox(
        session,
        batch=batch,
        shape=whole if len(whole) == len(shape) else None,
        dtype=_TYPES[inputs[0].type],
        last=last,
        coarse=coarse,
    )
    return box, dict(session.get_modelmeta().custom_metadata_map)


_COPIES = frozenset(
    [
        "Identity",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Cast",
        "DequantizeLinear",
        "QuantizeLinear",
    ]
)
"""Operations that pass their input on."""


def _graph(path: Path) -> tuple[dict[str, str], bool]:
    """The operation that computes each output, and whether integers are used.

    Empty without the package onnx.
    """
    try:
        graph = importlib.import_module("onnx").load(os.fspath(path), load_external_data=False)
        makers = {name: node for node in graph.graph.node for name in node.output}
        tensors = {}
        for output in graph.graph.output:
            node, steps = makers.get(output.name), 0
            while node is not None and node.op_type in _COPIES and node.input and steps < 16:
                node, steps = makers.get(node.input[0]), steps + 1
            tensors[output.name] = "" if node is None else str(node.op_type)
        kinds = {str(node.op_type) for node in graph.graph.node}
    except Exception:  # of any kind: values show it too
        return {}, False
    return tensors, any("Quantize" in kind or "Integer" in kind for kind in kinds)


def _runtime(path: Path) -> Any:
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as e:
        raise ModelError(
            f"`{printable(path)}` needs ONNX Runtime, which cannot be imported "
            f"({printable(str(e))}). Install it with `pip install 'neocog[onnx]'`."
        ) from e


def _short(e: Exception) -> str:
    lines = [line for line in str(e).strip().splitlines() if line] or [type(e).__name__]
    return printable(lines[0][:240])
