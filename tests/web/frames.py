"""Reads the binary form of a step, as the page does."""

from __future__ import annotations

import json
from typing import Any

import numpy as np


def read(data: bytes) -> dict[str, Any]:
    """The header, with the numbers of every map beside its shape."""
    length = int.from_bytes(data[:4], "little")
    header: dict[str, Any] = json.loads(data[4 : 4 + length])
    start = 4 + length

    def cut(part: dict[str, Any]) -> dict[str, Any]:
        count = int(np.prod(part["shape"]))
        raw = np.frombuffer(data, np.uint8, count, start + part["offset"])
        values = part["lo"] + (part["hi"] - part["lo"]) * raw.astype(float) / 255
        return {**part, "values": values.reshape(part["shape"])}

    header["image"] = cut(header["image"])
    header["maps"] = [cut(m) for m in header["maps"]]
    header["cam"] = cut(header["cam"]) if header["cam"] else None
    return header
