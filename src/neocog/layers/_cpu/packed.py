"""Convolutions whose kernels are laid out for the processor once, not at every call.

Before a convolution oneDNN brings the kernels into blocks that suit the instructions of the
processor. For one image that takes a fifth of the time of a large network. A network that is run
many times with the same weights keeps them in that order.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["PackedConvolution"]

_CONVOLUTION = torch.ops.aten.convolution.default

_LEAST = 2**12
"""Weights of a layer from which on it is worth the memory."""

_TOLERANCE = 1e-5
"""Largest difference of outputs, as a fraction of the largest: sums are taken in another order."""


class PackedConvolution:
    """The convolution of one layer with kernels that are packed, for channels_last maps.

    Args:
        args: of `aten.convolution`: input, weight, bias, stride, padding, dilation, ….

    Raises:
        RuntimeError, AttributeError: this build of PyTorch, or this processor, has no such kernels.
    """

    def __init__(self, args: tuple[Any, ...]) -> None:
        x, self.weight, _, stride, padding, dilation, _, _, groups = args
        self.shape, self.version = x.shape, self.weight._version
        self._geometry = list(padding), list(stride), list(dilation), groups
        self._packed = torch.ops.mkldnn._reorder_convolution_weight(
            self.weight.detach(), *self._geometry, list(x.shape)
        )

    @classmethod
    def of(cls, func: Any, args: tuple[Any, ...], out: Tensor) -> PackedConvolution | None:
        """For a call whose output is known; None where it is none, or where outputs would differ.

        Args:
            func: what was called.
            args: with which.
            out: its output.
        """
        if func is not _CONVOLUTION or len(args) != 9 or args[6] or args[1].is_inference():
            return None
        x, weight = args[:2]
        floats = x.dtype == weight.dtype == torch.float32 and x.device.type == "cpu"
        if not floats or x.dim() != 4 or weight.numel() < _LEAST:
            return None
        try:
            packed = cls(args)
            again = packed(args)
        except (RuntimeError, AttributeError, TypeError):
            return None
        near = float((again - out).abs().amax()) <= _TOLERANCE * float(out.abs().amax())
        return packed if near and again.stride() == out.stride() else None

    def suits(self, args: tuple[Any, ...]) -> bool:
        """Whether a call is of the same weights, unchanged, and of a sample of the same size."""
        return bool(
            args[1] is self.weight
            and self.weight._version == self.version
            and args[0].shape == self.shape
        )

    def __call__(self, args: tuple[Any, ...]) -> Tensor:
        """The output, channels_last, of arguments that `suits` holds for."""
        out: Tensor = torch.ops.mkldnn._convolution_pointwise(
            args[0], self._packed, args[2], *self._geometry, "none", [], ""
        )
        return out
