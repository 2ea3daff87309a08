"""Exported programs (.pt2): any network as a graph of ATen operators, with its weights.

Files that could run code when PyTorch reads them are refused first, see `archive.py`.
"""

from __future__ import annotations

import copy
import io
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from neocog.errors import ModelError, printable
from neocog.store.archive import check_archive
from neocog.store.fixed_batch import in_batches_of
from neocog.store.readable import make_readable
from neocog.targets import write_bytes

__all__ = ["Exported", "load_exported", "save_exported"]

_LOGGERS = ("torch.export", "torch._export", "torch.fx.experimental.symbolic_shapes")
"""Loggers of PyTorch that repeat what is then raised."""


class Exported(nn.Module):
    """An exported program as a module; submodules keep their names.

    A program computes the same in training and in evaluation mode: it was fixed when it was
    exported. One with a fixed batch size takes any.

    Args:
        program: the graph module.
        batch: the fixed batch size; None for any.
        shape: (C, H, W) of a sample, where the program has one input of fixed size.
        dtype: of the exported input; if it is not float32, inputs are cast to the type of the
            weights, and outputs are cast back.
    """

    program: nn.Module

    def __init__(
        self,
        program: nn.Module,
        *,
        batch: int | None = None,
        shape: tuple[int, ...] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        # The program's own parts are this module's: their names have nothing in front.
        object.__setattr__(self, "program", program)
        self._modules = program._modules
        self._parameters = program._parameters
        self._buffers = program._buffers
        self._non_persistent_buffers_set = program._non_persistent_buffers_set
        self.batch = batch
        self.shape = shape
        self.dtype = dtype

    def forward(self, x: Tensor) -> Any:
        """The outputs of the program."""
        x = x.contiguous()  # a program expects the strides it was exported with
        if self.dtype == torch.float32:
            return self._run(x)
        own = (p.dtype for p in self.parameters() if p.is_floating_point())
        out = self._run(x.to(next(own, self.dtype)))
        return pytree.tree_map_only(Tensor, lambda t: t.to(x.dtype), out)

    def _run(self, x: Tensor) -> Any:
        if self.batch is None:
            return self.program.forward(x)
        return in_batches_of(self.batch, self.program.forward, x)

    def __deepcopy__(self, memo: dict[int, Any]) -> Exported:
        """A copy; PyTorch warns of its own descriptions of inputs when these are copied."""
        with _quietly():
            program = copy.deepcopy(self.program, memo)
        result = Exported(program, batch=self.batch, shape=self.shape, dtype=self.dtype)
        result.training = self.training
        return result


def load_exported(path: Path) -> tuple[Exported, dict[str, str]]:
    """A program from disk, and the strings that were saved with it.

    Args:
        path: a .pt2 file of `torch.export.save`, PyTorch 2.9 or later.

    Raises:
        UnsafeWeights: the file could execute code.
        ModelError: it cannot be read, or its input is not one tensor.
    """
    if not os.path.isfile(path):  # noqa: PTH113 (names too long are none)
        raise ModelError(
            f"An exported program is a .pt2 file; there is none at `{printable(path)}`. "
            "Check the path."
        )
    texts = check_archive(path)
    try:
        with _quietly():
            program = torch.export.load(str(path))
            batch, shape, dtype = _input_of(program, path)
            module = _with_parts(program)
    except (ModelError, MemoryError):
        raise
    except Exception as e:  # PyTorch raises nearly everything for a program it does not know
        lines = str(e).strip().splitlines() or [""]
        raise ModelError(
            f"An exported program must be one that this PyTorch ({torch.__version__}) reads; "
            f"`{printable(path)}` is not ({type(e).__name__}: {printable(lines[0][:160])}). "
            "Export it again with this version."
        ) from e
    for p in module.parameters():
        p.requires_grad_(p.is_floating_point())
    return Exported(module, batch=batch, shape=shape, dtype=dtype), texts


def save_exported(
    module: nn.Module, path: Path, example: Tensor, *, texts: Mapping[str, str] | None = None
) -> float:
    """Write a module as an exported program with any batch size, and compare outputs.

    Source paths of this machine are left out of the file.

    Args:
        module: (B, C, H, W) to outputs; exported in evaluation mode.
        path: the file, .pt2; whole or not at all.
        example: (B, C, H, W), two samples or more, like later inputs.
        texts: strings stored with the program, by name.

    Returns:
        The max absolute difference between the outputs of module and file.

    Raises:
        ModelError: the module cannot be exported; the message has PyTorch's reason.
        RunError: the file cannot be written.
    """
    modes = [(m, m.training) for m in module.modules()]
    module.eval()
    try:
        with torch.no_grad(), _quietly():
            expected = module(example)
            content = _exported(module, example.contiguous(), texts or {})
    finally:
        for m, mode in modes:
            m.training = mode
    write_bytes(path, content)
    with torch.no_grad():
        back = load_exported(path)[0](example)
    return _apart(back, expected)


def _apart(one: Any, other: Any) -> float:
    """The max absolute difference of two outputs: a tensor, or several in the same order."""
    pairs = zip(pytree.tree_leaves(one), pytree.tree_leaves(other), strict=True)
    differences = [(a - b).abs().max() for a, b in pairs if isinstance(a, Tensor) and a.numel()]
    return max((float(d) for d in differences), default=0.0)


def _exported(module: nn.Module, example: Tensor, texts: Mapping[str, str]) -> bytes:
    batch = torch.export.Dim("batch", min=1)
    try:
        program = torch.export.export(module, (example,), dynamic_shapes=({0: batch},))
    except MemoryError:
        raise
    except Exception as e:
        lines = str(e).strip().splitlines() or [""]
        raise ModelError(
            "A network can be exported if its control flow depends neither on values nor on the "
            f"batch size; this one fails ({type(e).__name__}: {printable(lines[0][:300])}). "
            "Change its forward, or use it as a factory with weights."
        ) from e
    for part in program.graph_module.modules():
        for node in part.graph.nodes if isinstance(part, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)
    program.example_inputs = ((torch.zeros_like(example),), {})
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files=dict(texts))
    return buffer.getvalue()


def _input_of(program: Any, path: Path) -> tuple[int | None, tuple[int, ...] | None, torch.dtype]:
    """Batch, shape and type of the one input, None where they may vary."""
    inputs = set(program.graph_signature.user_inputs)
    values = [
        n.meta["val"] for n in program.graph.nodes if n.op == "placeholder" and n.name in inputs
    ]
    if len(values) != 1 or not isinstance(values[0], Tensor) or values[0].ndim < 2:
        raise ModelError(
            f"A model takes one tensor, batch axis first; the program in `{printable(path)}` takes "
            f"{len(values)} inputs. Export a module with pixels as its only input."
        )
    shape: list[Any] = list(values[0].shape)  # symbols where sizes may vary
    batch, *sample = (s if isinstance(s, int) else None for s in shape)
    whole = tuple(s for s in sample if s is not None)
    return batch, whole if len(whole) == len(sample) else None, values[0].dtype


def _with_parts(program: Any) -> nn.Module:
    """The program with its submodules nested as before; it can be copied and moved."""
    module: nn.Module = torch.export.unflatten(program)
    for part in module.modules():
        graph = getattr(part, "graph", None)
        if isinstance(graph, torch.fx.Graph):
            make_readable(graph)
            for node in graph.nodes:
                node.meta.clear()  # tensors without values, which cannot be copied
    return module


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence PyTorch's exporter, which warns of its internals and logs what it then raises."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
