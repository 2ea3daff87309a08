"""PNM and PFM: the maximum value is white."""

from __future__ import annotations

import numpy as np
import pytest
from tests.data.numbers_by_hand import RNG, SIZE, numbers, same

from neocog.data.image_decode import decode
from neocog.errors import DataError


@pytest.mark.parametrize("white", [1, 15, 100, 255, 256, 1023, 4095, 65534, 65535])
@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("bands", [1, 3])
def test_the_maximum_value_of_a_pnm_is_white(white, text, bands):
    x = RNG.integers(0, white + 1, (*SIZE, bands))
    x[0, 0], x[0, 1] = 0, white
    number = {(1, False): 5, (1, True): 2, (3, False): 6, (3, True): 3}[bands, text]
    raw = x.astype(np.uint8 if white < 256 else ">u2").tobytes()
    body = " ".join(map(str, x.reshape(-1).tolist())).encode() + b"\n" if text else raw
    data = b"P%d\n# a note 9 9\n%d %d\n%d\n" % (number, SIZE[1], SIZE[0], white) + body
    full, dtype = (255, np.uint8) if white < 256 else (65535, np.uint16)
    same(data, np.floor(x * full / white + 0.5).astype(dtype))


def test_one_is_black_in_a_pbm():
    x = numbers(1)
    bits = np.packbits(x.astype(np.uint8), axis=1).tobytes()
    same(b"P4 %d %d\n" % SIZE[::-1] + bits, ((1 - x) * 255).astype(np.uint8))
    text = "".join(map(str, x.reshape(-1).tolist())).encode()
    same(b"P1 %d %d\n" % SIZE[::-1] + text, ((1 - x) * 255).astype(np.uint8))


def test_a_pixel_above_the_maximum_is_named():
    with pytest.raises(DataError, match="a pixel is 16, above its maximum of 15"):
        decode(b"P5 4 4 15\n" + bytes([16] * 16))
    with pytest.raises(DataError, match="a pixel is 300, above its maximum of 255"):
        decode(b"P2 4 4 255\n" + b"300 " * 16)
    for white in (0, 65536, 10**9):
        with pytest.raises(DataError, match="maximum value of a PNM is 1 to 65535"):
            decode(b"P5 4 4 %d\n" % white + bytes(64))
    with pytest.raises(DataError, match="not an integer"):
        decode(b"P2 4 4 255\n" + b"-3 " * 16)
    with pytest.raises(DataError, match="damaged or truncated: 15 of 16 bytes"):
        decode(b"P5 4 4 255\n" + bytes(15))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bands", [1, 3])
def test_a_pfm_is_read_from_below(order, bands):
    x = RNG.random((*SIZE, bands)).astype(np.float32)
    header = b"P%s\n%d %d\n%s1.0\n" % (b"fF"[bands // 2 : bands // 2 + 1], SIZE[1], SIZE[0],
                                       b"-" if order == "<" else b"")  # fmt: skip
    same(
        header + x[::-1].astype(order + "f4").tobytes(),
        np.rint(x * np.float32(65535)).astype(np.uint16),
    )
    with pytest.raises(DataError, match="floating-point pixels from 0 to 255"):
        decode(b"Pf 4 4 -1\n" + np.linspace(0, 255, 16, dtype="<f4").tobytes())
