"""Write a module as an ONNX file, and compare the two."""

from __future__ import annotations

import importlib
import logging
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neocog.errors import ModelError, printable
from neocog.store.black_box import load_onnx
from neocog.store.tensors import write_bytes

__all__ = ["save_onnx"]

_NEEDED = ("onnx", "onnxscript", "onnxruntime")


def save_onnx(
    module: nn.Module,
    path: Path,
    example: Tensor,
    *,
    texts: Mapping[str, str] | None = None,
    output: str = "logits",
) -> float:
    """Write a module as an ONNX file that takes any number of samples, and compare.

    Its input is called `pixels`.

    Args:
        module: (B, C, H, W) to (B, K), in evaluation mode.
        path: the file, .onnx; whole or not at all.
        example: (B, C, H, W), two samples or more, like those that the file will be given.
        texts: kept in the file, name to text.
        output: what the output is called.

    Returns:
        The largest difference between the answers of the module and of the file.

    Raises:
        ModelError: the optional packages are missing, or the module cannot be exported.
        RunError: the file cannot be written.
    """
    for name in _NEEDED:
        try:
            importlib.import_module(name)
        except ImportError as e:
            raise ModelError(
                f"Writing ONNX needs the package {name}, which cannot be imported here "
                f"({printable(str(e))}). Install it with `pip install 'neocog[onnx]'`."
            ) from e
    with torch.no_grad():
        expected = module(example)
        write_bytes(path, _converted(module, example.contiguous(), texts or {}, output))
        return float((load_onnx(path)[0](example) - expected).abs().max())


def _converted(module: nn.Module, example: Tensor, texts: Mapping[str, str], output: str) -> bytes:
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it lists what of torchvision it does without
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of PyTorch's own workings
            program: Any = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                verbose=False,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=["pixels"],
                output_names=[output],
            )
        program.model.metadata_props.update(texts)
        for node in program.model.graph:
            node.metadata_props.clear()  # traces of where the code stood on this machine
        content: bytes = program.model_proto.SerializeToString()
    except MemoryError:
        raise
    except Exception as e:  # the exporter raises nearly everything
        lines = re.sub(r"\x1b\[[\d;]*m", "", str(e)).strip().splitlines() or [""]
        raise ModelError(
            "A network becomes an ONNX file where its steps do not depend on values and ONNX has "
            f"them all; this one does not ({type(e).__name__}: {printable(lines[0][:240])}). "
            "Try --format pt2."
        ) from e
    finally:
        logger.setLevel(level)
    return content
