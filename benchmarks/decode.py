"""Decoding a folder of pictures against a bare Pillow loop, and a second start against the same.

Protocol: rounds of four measurements, one after the other, in an order that turns with each
round; medians over the rounds. All read the same files, from the page cache after one warm-up.

    pillow          np.asarray(Image.open(f).convert("RGB")), resized where asked; one thread
    decode          the library's decoder over the same files: inspection (sha256 and header),
                    decoding, digest and thumbnail for finding copies
    first start     open_data with an empty cache: decode, find copies, split, write to disk
    second start    open_data with that cache

Pictures a second and core are pictures over the seconds of processor time that all threads of the
process used: the share of other processes does not count. The second start is compared by the
clock, as a user waits. `python benchmarks/decode.py [DATA] [--size S] [--rounds N]`
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from neocog.data import jpeg
from neocog.data.folder import Listing, scan
from neocog.data.open import open_data
from neocog.data.reading import RECORD, decode_into, inspect


def pillow(listing: Listing, size: int | None) -> None:
    for name in listing.names:
        im = Image.open(f"{listing.root}/{name}").convert("RGB")
        np.asarray(im if size is None else im.resize((size, size), Image.Resampling.BILINEAR))


def decode(listing: Listing, out: np.ndarray) -> None:
    inspect(listing, np.zeros(0, RECORD), lambda n: None)
    decode_into(
        out, listing, range(len(listing.names)), channels=3, fit="cover", tick=lambda n: None
    )


def measure(what: Callable[[], object]) -> dict[str, float]:
    clock, processor = time.perf_counter(), time.process_time()
    what()
    return {
        "seconds": time.perf_counter() - clock,
        "processor_seconds": time.process_time() - processor,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="?", default="../shared/data/flowers5")
    parser.add_argument("--size", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    listing = scan(args.data)
    n = len(listing.names)
    size = None if args.size is None else (args.size, args.size)
    shape = open_data(args.data, size=size, channels=3).splits["train"].x.shape[1:]
    out = np.zeros((n, *shape), np.uint8)
    kept = os.environ.get("NEOCOG_CACHE")
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(dir=kept and Path(kept).parent) as folder:

        def first() -> None:
            os.environ["NEOCOG_CACHE"] = tempfile.mkdtemp(dir=folder)
            open_data(args.data, size=size, channels=3)

        first()
        steps: list[tuple[str, Callable[[], object]]] = [
            ("pillow", lambda: pillow(listing, args.size)),
            ("decode", lambda: decode(listing, out)),
            ("first start", first),
            ("second start", lambda: open_data(args.data, size=size, channels=3)),
        ]
        for turn in range(args.rounds):
            k = 2 * turn % 4
            for name, step in [*steps[k:], *steps[:k]]:
                found.setdefault(name, []).append(measure(step))
                print(f"{turn} {name}: {found[name][-1]}", file=sys.stderr)
    middle = {
        name: {k: statistics.median(r[k] for r in rounds) for k in rounds[0]}
        for name, rounds in found.items()
    }
    rate = {name: n / m["processor_seconds"] for name, m in middle.items()}
    result = {
        "question": "decoding a folder, and the second start, against a bare Pillow loop",
        "pictures": n,
        "served": list(shape),
        "rounds": args.rounds,
        "pictures_per_second_and_core": rate,
        "decode_over_pillow_per_core": rate["decode"] / rate["pillow"],
        "first_start_over_pillow_per_core": rate["first start"] / rate["pillow"],
        "second_start_over_pillow": middle["pillow"]["seconds"] / middle["second start"]["seconds"],
        "seconds": {name: m["seconds"] for name, m in middle.items()},
        "all": found,
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
        },
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "pillow": PIL.__version__,
            "simplejpeg": jpeg.simplejpeg() is not None,
        },
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
