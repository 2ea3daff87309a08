"""The binary form of a step: numbers as JSON, maps as bytes behind it.

    4 bytes        length n of the header, little-endian
    n bytes        the header, JSON in UTF-8
    the rest       arrays of bytes, located by the header; offsets count from the header's end

A byte b of a map stands for lo + (hi - lo) · b / 255.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["Frame", "plain"]


class Frame:
    r"""A step that is being put together.

    Example:
        >>> frame = Frame()
        >>> frame.add(torch.tensor([[-1.0, 1.0]]))
        {'shape': [1, 2], 'offset': 0, 'lo': -1.0, 'hi': 1.0}
        >>> frame.bytes({"ms": 1.5})[:4]
        b'\n\x00\x00\x00'
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def add(self, values: Tensor, *, most: float = 0.0, least: float = 0.0) -> dict[str, Any]:
        """Put a map or an image in.

        Args:
            values: any shape.
            most: that the scale reaches up to, at least.
            least: that it reaches down to, at least.

        Returns:
            Where it is and what its bytes stand for. The scale goes from 0 up where nothing is
            negative, and as far down as up where something is.
        """
        x = torch.nan_to_num(values.detach().float().cpu(), nan=0.0, posinf=3e38, neginf=-3e38)
        high = max(float(x.max()) if x.numel() else 0.0, most, 0.0)
        low = min(float(x.min()) if x.numel() else 0.0, least, 0.0)
        if low < 0:
            high = max(high, -low)
            low = -high
        if high <= low:
            high = low + 1.0
        scaled = ((x - low) * (255.0 / (high - low))).round_().clamp_(0, 255)
        data = scaled.to(torch.uint8).contiguous().numpy().tobytes()
        entry = {"shape": list(values.shape), "offset": self._length, "lo": low, "hi": high}
        self._parts.append(data)
        self._length += len(data)
        return entry

    def bytes(self, header: Mapping[str, Any]) -> bytes:
        """The whole, with its header."""
        text = json.dumps(plain(header), allow_nan=False, separators=(",", ":")).encode()
        return b"".join([len(text).to_bytes(4, "little"), text, *self._parts])


def plain(value: Any) -> Any:
    """Numbers that JSON has: none that are infinite, float32 as short as they are exact.

    Example:
        >>> plain({"a": (float(torch.tensor(0.1)), float("nan"))})
        {'a': [0.100000001, None]}
    """
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value
