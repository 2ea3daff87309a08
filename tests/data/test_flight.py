"""Small files that keep a decoder busy for minutes, or fill the memory: bounded, in a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image
from tests.field.images_by_hand import bmp, chunk, encoded, exif, gif, png, smooth, tiff

from neocog.data.flight import PIXELS_IN_FLIGHT, Flight, large_blocks
from neocog.data.image_decode import decode, head
from neocog.errors import DataError

X = np.arange(64).reshape(8, 8)


GRAYS = [(v, v, v) for v in range(64)]


SECONDS = 5
"""Of the processor, for each file, head and pixels together; most take hundredths."""


def grown(data: bytes, at: int, more: bytes) -> bytes:
    return data[:at] + more + data[at:]


def scanned(n: int, **options: object) -> bytes:
    """A progressive JPEG of n scans: its last one again and again."""
    data = encoded(smooth(0, 64, 64), "JPEG", progressive=True, **options)
    starts = [i for i in range(len(data)) if data[i : i + 2] == b"\xff\xda"]
    return data[:-2] + data[starts[-1] : -2] * (n - len(starts)) + data[-2:]


PNG = png(X, color=0)


GIF = gif(X, GRAYS)


IMAGE = GIF.rindex(b"\x2c\0\0\0\0\x08\0")


JPEG = encoded(smooth(0, 64, 64), "JPEG")


FRAME = JPEG.index(b"\xff\xc0")


LARGE = 1 << 20


NAMED = {
    "scans of a JPEG": (scanned(2000), "goes over its pixels 2,000 times"),
    "scans within a TIFF": (
        tiff(X, tags={259: (3, [7])}, raw=scanned(300)),
        "goes over its pixels 300 times",
    ),
    "segments of a JPEG": (grown(JPEG, 2, b"\xff\xfe\0\2" * LARGE), "4,096 segments"),
    "padding of a JPEG": (grown(JPEG, 2, b"\xff" * 4 * LARGE), "4,096 segments"),
    "chunks of a PNG": (grown(PNG, 33, chunk(b"abCd", b"") * LARGE), "131,072 chunks"),
    "pieces of pixels of a PNG": (grown(PNG, 33, chunk(b"IDAT", b"") * LARGE), "131,072 chunks"),
    "comments of a GIF": (grown(GIF, IMAGE, b"\x21\xfe\1a\0" * 2 * LARGE), "1,048,576 blocks"),
    "blocks of a comment": (grown(GIF, IMAGE, b"!\xfe" + b"\1a" * 2 * LARGE), "1,048,576 blocks"),
    "nothing in a GIF": (grown(GIF, IMAGE, b"\1" * 2 * LARGE), "1,048,576 blocks"),
    "tiles of a TIFF": (
        tiff(X, tags={322: (3, [1]), 323: (3, [1]), 324: (4, [8] * LARGE), 325: (4, [1] * LARGE)}),
        "cut into 1,048,576 pieces",
    ),
    "a tile of a TIFF": (
        tiff(X, tags={322: (4, [40_000]), 323: (4, [40_000]), 324: (4, [8]), 325: (4, [64])}),
        "tiles of 40,000 x 40,000",
    ),
    "tags of a TIFF": (
        tiff(X, tags={1000 + k: (3, [0]) for k in range(5000)}),
        "tags in one directory, at most 4,096",
    ),
    "runs of a BMP": (bmp(b"\1\0" * 2 * LARGE, size=(2000, 2000), bits=8, packing=1), "of runs"),
    "comments of a PNM": (b"P5 " + b"#\n" * LARGE + b"4 4 255\n" + bytes(16), "header of a PNM"),
    "digits of a PNM": (b"P5 4 4 " + b"9" * LARGE + b"\n" + bytes(16), "header of a PNM"),
    "sides of a PNM": (b"P5 99999999999999999999 9 255\n" + bytes(99), "too large"),
}  # fmt: skip


@pytest.mark.parametrize("what", NAMED)
def test_what_would_take_minutes_is_named_at_once(what):
    data, reason = NAMED[what]
    start = time.process_time()
    for read in (head, decode):
        with pytest.raises(DataError, match=reason):
            read(data)
    assert time.process_time() - start < SECONDS


def long_chain() -> bytes:
    return tiff(X, pages=30_000)


TAKEN = {
    "pages of a TIFF": long_chain,
    "a circle of pages": lambda: tiff(X, pages=1)[:-4] + (8 + 64).to_bytes(4, "little"),
    "frames of a GIF": lambda: gif(X, GRAYS, more=3000),
    "texts of a PNG": lambda: png(X, color=0, before=[(b"zTXt", b"a\0\0" + bytes(9999))] * 99),
    "a profile of a PNG": lambda: png(X, color=0, before=[(b"iCCP", b"sRGB\0\0" + bytes(99))]),
    "a large tag of a TIFF": lambda: tiff(X, tags={700 + k: (7, [0] * 5000) for k in range(500)}),
    "notes of a camera": lambda: png(X, color=0, before=[(b"eXIf", exif(1) + bytes(60_000))]),
}


@pytest.mark.parametrize("what", TAKEN)
def test_what_no_pixel_needs_is_passed_over(what):
    data = TAKEN[what]()
    start = time.process_time()
    head(data)
    np.testing.assert_array_equal(decode(data)[:, :, 0], X)
    assert time.process_time() - start < SECONDS


def test_pixels_in_flight_are_bounded_whatever_the_threads():
    flight, lock = Flight(100), threading.Lock()
    now, most, alone = 0, 0, []

    def work(n: int) -> None:
        nonlocal now, most
        with flight.room(n):
            with lock:
                now += n
                most = max(most, now)
                if n > 100:
                    alone.append(now)
            time.sleep(0.002)
            with lock:
                now -= n

    threads = [threading.Thread(target=work, args=(n,)) for n in [40, 30, 500, 99, 1, 100, 60] * 6]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert alone == [500] * 6
    assert max(m for m in [most] if m) == 500


def test_room_is_given_back_after_an_error():
    flight = Flight(10)
    for _ in range(3):
        with pytest.raises(ValueError, match="no"), flight.room(10):
            raise ValueError("no")
    with flight.room(10):
        pass


def test_decoding_asks_for_room(monkeypatch):
    """A large image is counted by its pixels, a JPEG by those it is shrunk to."""
    from neocog.data import flight as module

    asked = []

    class Counted(Flight):
        def room(self, n):
            asked.append(n)
            return super().room(n)

    monkeypatch.setattr(module, "_FLIGHT", Counted(PIXELS_IN_FLIGHT))
    decode(encoded(smooth(0, 160, 160)), size=(20, 20))
    decode(encoded(smooth(0, 160, 160), "JPEG"), size=(20, 20))
    decode(encoded(smooth(0, 160, 160), "JPEG", progressive=True), size=(20, 20))
    assert asked == [160 * 160, 20 * 20, 160 * 160]


def test_large_blocks_are_a_setting_that_is_put_back():
    before = Image.core.get_block_size()
    with large_blocks():
        assert Image.core.get_block_size() > before
    assert Image.core.get_block_size() == before


MEMORY = """
import sys
import neocog.data.reading as reading
from neocog.data.open import open_data
reading._cores, reading._CHUNK = (lambda: int(sys.argv[2])), 1
open_data(sys.argv[1], size=(32, 32))
status = open("/proc/self/status").read()
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is asked of Linux")
def test_memory_does_not_grow_with_the_threads(tmp_path):
    """Images of 70 million pixels on one thread and on four: each is decoded alone."""
    for name in "ab":
        (tmp_path / "data" / name).mkdir(parents=True)
        for k in range(2):
            image = Image.new("RGBA", (10_000, 7000), (90 * k, 200 * (name == "b"), 9, 128))
            image.paste(smooth(k + 9 * (name == "b"), 700, 1000, "RGBA"), (2000 * k + 500, 900))
            image.save(tmp_path / "data" / name / f"{k}.png", compress_level=1)
    peaks = []
    for threads in (1, 4):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(tmp_path / "data"), str(threads)],
            capture_output=True, text=True, check=True,
            env={**os.environ, "NEOCOG_CACHE": str(tmp_path / str(threads))},
        )  # fmt: skip
        peaks.append(int(done.stdout))
    assert peaks[0] < 1000
    assert peaks[1] < 1.3 * peaks[0]


def test_whatever_the_bytes_head_and_pixels_agree_or_are_refused():
    """Bytes changed, left out and put in, most of them in headers, of every format."""
    rng = np.random.default_rng(11)
    image = smooth(0, 24, 24)
    seeds = [encoded(image, kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")]
    seeds += [scanned(12), tiff(X, big=True, order=">"), tiff(X, photometric=0), GIF, PNG]
    seeds += [encoded(image, "TIFF", compression="tiff_lzw"), b"Pf 4 4 -1\n" + bytes(64)]
    outcomes = []
    for k in range(50 * len(seeds)):
        data = bytearray(seeds[k % len(seeds)])
        for _ in range(1 + k % 3):
            at = int(rng.integers(min(len(data), 150) if k % 4 else len(data)))
            if k % 7 == 0:
                del data[at : at + 3]
            else:
                data[at : at + k % 2] = bytes([int(rng.choice([0, 127, 255, rng.integers(256)]))])
        start, facts = time.process_time(), None
        try:
            facts = head(bytes(data))
            x = decode(bytes(data))
            assert x.shape == (facts.height, facts.width, facts.channels)
            assert 8 * x.dtype.itemsize == facts.bits
            outcomes.append("taken")
        except DataError as e:
            outcomes.append(str(e))
        assert time.process_time() - start < SECONDS
    assert not any("\n" in o for o in outcomes)
    assert 50 < outcomes.count("taken") < 600
