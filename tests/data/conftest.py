"""Made data: folders of small images that no two tests share."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Encode = Callable[..., bytes]


def _image(seed: int, height: int = 40, width: int = 40, mode: str = "RGB") -> Image.Image:
    """A smooth random image: like a photo it survives being saved again."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC).convert(mode)


@pytest.fixture(scope="session")
def image() -> Callable[..., Image.Image]:
    """image(seed, height, width, mode) -> Image."""
    return _image


@pytest.fixture(scope="session")
def encode() -> Encode:
    """encode(image, format, **options) -> bytes."""

    def save(im: Image.Image, kind: str = "PNG", **options: object) -> bytes:
        out = io.BytesIO()
        im.save(out, kind, **options)
        return out.getvalue()

    return save


@pytest.fixture
def folder(tmp_path: Path, encode: Encode) -> Callable[..., Path]:
    """folder(classes, each, …) -> a folder of class folders."""

    def make(
        classes: tuple[str, ...] = ("cat", "dog"),
        each: int = 10,
        *,
        where: str = "set",
        kind: str = "PNG",
        seed: int = 0,
        size: tuple[int, int] = (40, 40),
        mode: str = "RGB",
    ) -> Path:
        root = tmp_path / where
        for k, name in enumerate(classes):
            (root / name).mkdir(parents=True, exist_ok=True)
            for i in range(each):
                im = _image(seed + 1000 * k + i, *size, mode)
                (root / name / f"{i:03d}.{kind.lower()}").write_bytes(encode(im, kind))
        return root

    return make
