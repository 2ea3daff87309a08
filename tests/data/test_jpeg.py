"""Both ways to decode a JPEG agree."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from neocog.data import jpeg
from neocog.data.image_decode import decode


def test_simplejpeg_and_pillow_agree_bit_for_bit(image, encode, monkeypatch):
    """Sizes, subsamplings, progressive, gray, orientations, scaled decoding: the same pixels."""
    pytest.importorskip("simplejpeg")
    assert jpeg.simplejpeg() is not None
    cases = []
    for seed, (h, w) in enumerate([(40, 40), (97, 131), (260, 257), (300, 75)]):
        for mode in ("RGB", "L"):
            for options in ({"quality": 92}, {"subsampling": 0}, {"progressive": True}):
                exif = Image.Exif()
                exif[0x0112] = 1 + seed * 2 % 8
                data = encode(image(seed, h, w, mode), "JPEG", exif=exif, **options)
                for size in (None, (32, 32), (24, 48)):
                    cases += [(data, size, c) for c in (None, 1, 3)]
    fast = [decode(d, size=s, channels=c) for d, s, c in cases]
    assert jpeg.decode_fast(cases[0][0], jpeg.parse(cases[0][0]), size=None) is not None
    monkeypatch.setattr(jpeg, "simplejpeg", lambda: None)
    assert jpeg.decode_fast(cases[0][0], jpeg.parse(cases[0][0]), size=None) is None
    for a, (d, s, c) in zip(fast, cases, strict=True):
        np.testing.assert_array_equal(a, decode(d, size=s, channels=c))
