"""MNIST from its four files, for the scripts that are compared with; and how they report."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np

TARGET = 0.99


def read(folder: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 28, 28) and labels (N,), as bytes; part is `train` or `t10k`."""
    images = _bytes(folder, f"{part}-images-idx3-ubyte")
    labels = _bytes(folder, f"{part}-labels-idx1-ubyte")
    return (
        np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28),
        np.frombuffer(labels, np.uint8, offset=8),
    )


def _bytes(folder: str, name: str) -> bytes:
    plain, packed = Path(folder) / name, Path(folder) / f"{name}.gz"
    return plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())


def report(epoch: int, accuracy: float) -> bool:
    """A line an epoch on standard output; whether the target is reached."""
    print(json.dumps({"epoch": epoch, "accuracy": round(accuracy, 5)}), flush=True)
    return accuracy >= TARGET
