"""Write a module as an ONNX file, and compare outputs."""

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
from neocog.targets import write_bytes

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
    """Write a module as an ONNX file with any batch size, and compare outputs.

    Its input is called `pixels`.

    Args:
        module: (B, C, H, W) to (B, K), in evaluation mode.
        path: the file, .onnx; whole or not at all.
        example: (B, C, H, W), two samples or more, like later inputs.
        texts: strings stored in the file, by name.
        output: name of the output.

    Returns:
        The max absolute difference between the outputs of module and file.

    Raises:
        ModelError: the optional packages are missing, or the module cannot be exported.
        RunError: the file cannot be written.
    """
    for name in _NEEDED:
        try:
            importlib.import_module(name)
        except ImportError as e:
            raise ModelError(
                f"Writing ONNX needs the package {name}, which cannot be imported "
                f"({printable(str(e))}). Install it with `pip install 'neocog[onnx]'`."
            ) from e
    with torch.no_grad():
        expected = module(example)
        write_bytes(path, _converted(module, example.contiguous(), texts or {}, output))
        return float((load_onnx(path)[0](example) - expected).abs().max())


def _converted(module: nn.Module, example: Tensor, texts: Mapping[str, str], output: str) -> bytes:
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it lists missing parts of torchvision
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of PyTorch's internals
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
            node.metadata_props.clear()  # source paths of this machine
        content: bytes = program.model_proto.SerializeToString()
    except MemoryError:
        raise
    except Exception as e:  # the exporter raises nearly everything
        lines = re.sub(r"\x1b\[[\d;]*m", "", str(e)).strip().splitlines() or [""]
        raise ModelError(
            "A network can be written as ONNX if its control flow does not depend on values and "
            f"ONNX has all its operators; this one fails ({type(e).__name__}: "
            f"{printable(lines[0][:240])}). "
            "Try --format pt2."
        ) from e
    finally:
        logger.setLevel(level)
    return content
