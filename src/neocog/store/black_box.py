"""ONNX files as black boxes: answers, but no layers and no gradients.

They are run by ONNX Runtime, an optional package, on the processor in the precision of the file.
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
"""What an input may hold."""

_QUIET = 4
"""Of ONNX Runtime's levels of talk: only what ends the process."""


class BlackBox(nn.Module):
    """An ONNX Runtime session as a module without parameters.

    Args:
        session: the runtime's.
        batch: samples at once; None for any number.
        shape: (C, H, W) of a sample, where the file says it.
        dtype: of the input.
        coarse: it computes with numbers of fewer than 32 bits, as far as the file could be read.
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
        """The output, or all of several by their names, on the processor, without gradients.

        Raises:
            ModelError: the runtime refuses the input.
        """
        x = x.detach().to("cpu", self.dtype)
        if self.batch is None:
            return self._run(x)
        found: Tensor | dict[str, Tensor] = in_batches_of(self.batch, self._run, x)
        return found

    def _run(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        try:
            answers = self.session.run(self.outputs, {self.input: x.contiguous().numpy()})
        except Exception as e:  # of the runtime's own classes
            raise ModelError(
                f"An ONNX file computes what it was exported for; on input of shape "
                f"{tuple(x.shape)} it fails: {_short(e)}. Check --size."
            ) from e
        found = {
            n: torch.from_numpy(np.asarray(a)) for n, a in zip(self.outputs, answers, strict=True)
        }
        return found if len(found) > 1 else found[self.outputs[0]]

    def __deepcopy__(self, memo: dict[int, Any]) -> BlackBox:
        """The same session: it holds nothing that changes."""
        return BlackBox(
            self.session,
            batch=self.batch,
            shape=self.shape,
            dtype=self.dtype,
            last=self.last,
            coarse=self.coarse,
        )


def load_onnx(path: Path) -> tuple[BlackBox, dict[str, str]]:
    """An ONNX file, and the texts in it.

    Args:
        path: the file; one that keeps its weights in files beside it finds them.

    Raises:
        ModelError: ONNX Runtime is missing, the file cannot be read, or it takes something else
            than one tensor of floats, or has weights that are no numbers.
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
            f"{_short(e)}. Copy it again or export it anew."
        ) from e
    check_weights(path)
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in _TYPES or len(inputs[0].shape) < 2:
        found = ", ".join(f"`{printable(i.name)}` {i.type} {i.shape}" for i in inputs)
        raise ModelError(
            f"A model takes one tensor of floats, samples first; `{printable(path)}` takes "
            f"{found or 'nothing'}. Export it so that it takes pixels alone."
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
"""Operations that hand on what came."""


def _graph(path: Path) -> tuple[dict[str, str], bool]:
    """Each output of a file to the operation that computes it, and whether integers are used.

    Nothing is known without the package onnx.
    """
    try:
        graph = importlib.import_module("onnx").load(os.fspath(path), load_external_data=False)
        makers = {name: node for node in graph.graph.node for name in node.output}
        found = {}
        for output in graph.graph.output:
            node, steps = makers.get(output.name), 0
            while node is not None and node.op_type in _COPIES and node.input and steps < 16:
                node, steps = makers.get(node.input[0]), steps + 1
            found[output.name] = "" if node is None else str(node.op_type)
        kinds = {str(node.op_type) for node in graph.graph.node}
    except Exception:  # of any kind: what it would have said is seen from values, too
        return {}, False
    return found, any("Quantize" in kind or "Integer" in kind for kind in kinds)


def _runtime(path: Path) -> Any:
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as e:
        raise ModelError(
            f"`{printable(path)}` needs ONNX Runtime, which cannot be imported here "
            f"({printable(str(e))}). Install it with `pip install 'neocog[onnx]'`."
        ) from e


def _short(e: Exception) -> str:
    lines = [line for line in str(e).strip().splitlines() if line] or [type(e).__name__]
    return printable(lines[0][:240])
