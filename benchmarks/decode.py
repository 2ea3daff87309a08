"""Decoding a folder of images against a bare Pillow loop, and a second start against the same.

Protocol: rounds of measurements, one after the other, in an order that turns with each round;
medians over the rounds. All read the same files, from the page cache after one warm-up.

    pillow          np.asarray(Image.open(f).convert("RGB")), stretched to --size where that is
                    given; one thread
    pillow with draft   the same, but told of --size before it decodes, with `Image.draft`, so that
                    a JPEG file is decoded at a half, a quarter or an eighth, as our decoder does;
                    only where --size is given, as it changes nothing else; one thread
    decoder         the library's decoder, from the file to an array of that shape; it cuts the
                    middle out of images of another aspect instead of stretching; one thread
    look and decode all that a first start does before it splits, in parallel: sha256 and header of
                    each file, pixels, digest and thumbnail for finding copies
    first start     open_data with an empty cache: that, copies found, split, written to disk
    second start    open_data with that cache

Images a second and core are images over the seconds of processor time that all threads of the
process used: the share of other processes does not count.

`python benchmarks/decode.py [DATA] [--size S] [--photos N] [--rounds N]` prints its figures as
JSON and keeps nothing; `python benchmarks/run.py decode [DATA]` keeps them. With --photos, N
images of DATA are first enlarged to 640 × 480 and saved as JPEG, the size of a small photo.
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
from neocog.data.image_decode import decode, quiet
from neocog.data.open import open_data
from neocog.data.reading import RECORD, decode_into, inspect


def pillow(listing: Listing, size: int | None) -> None:
    for name in listing.names:
        im = Image.open(f"{listing.root}/{name}").convert("RGB")
        np.asarray(im if size is None else im.resize((size, size), Image.Resampling.BILINEAR))


def pillow_with_draft(listing: Listing, size: int) -> None:
    for name in listing.names:
        im = Image.open(f"{listing.root}/{name}")
        im.draft("RGB", (size, size))  # the smallest scale that is not below the size
        np.asarray(im.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))


def decoder(listing: Listing, out: np.ndarray) -> None:
    with quiet():
        for row, name in zip(out, listing.names, strict=True):
            data = Path(f"{listing.root}/{name}").read_bytes()
            x = decode(data, size=row.shape[:2], channels=3, guard=False, room=row)
            if x is not row:
                row[...] = x


def photos(data: str, n: int, folder: Path) -> Path:
    split = open_data(data, channels=3).splits["train"]
    for k in range(2):
        (folder / str(k)).mkdir()
    for i in range(n):
        im = Image.fromarray(split.x[i % len(split)]).resize((640, 480), Image.Resampling.BICUBIC)
        im.save(folder / str(i % 2) / f"{i}.jpg", quality=90)
    return folder


def look_and_decode(listing: Listing, out: np.ndarray) -> None:
    inspect(listing, np.zeros(0, RECORD), tick=lambda n: None)
    decode_into(
        out,
        listing,
        rows=range(len(listing.names)),
        channels=3,
        resize_mode="crop",
        tick=lambda n: None,
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
    parser.add_argument("--photos", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.photos:
            args.data = str(photos(args.data, args.photos, Path(folder)))
        print(json.dumps(run(args), indent=2))


def run(args: argparse.Namespace) -> dict[str, object]:
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
            ("decoder", lambda: decoder(listing, out)),
            ("look and decode", lambda: look_and_decode(listing, out)),
            ("first start", first),
            ("second start", lambda: open_data(args.data, size=size, channels=3)),
        ]
        if args.size is not None:
            steps.insert(1, ("pillow with draft", lambda: pillow_with_draft(listing, args.size)))
        for turn in range(args.rounds):
            k = turn % len(steps)
            for name, step in [*steps[k:], *steps[:k]]:
                found.setdefault(name, []).append(measure(step))
                print(f"{turn} {name}: {found[name][-1]}", file=sys.stderr)
    middle = {
        name: {k: statistics.median(r[k] for r in rounds) for k in rounds[0]}
        for name, rounds in found.items()
    }
    rate = {name: n / m["processor_seconds"] for name, m in middle.items()}
    return {
        "question": "decoding a folder, and the second start, against a bare Pillow loop",
        "images": n,
        "served": list(shape),
        "rounds": args.rounds,
        "images_per_second_and_core": rate,
        "over_pillow_per_core": {name: value / rate["pillow"] for name, value in rate.items()},
        "decoder_over_pillow_with_draft_per_core": rate["decoder"] / rate["pillow with draft"]
        if "pillow with draft" in rate
        else None,
        "second_start_over_pillow_by_the_clock": middle["pillow"]["seconds"]
        / middle["second start"]["seconds"],
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


if __name__ == "__main__":
    main()
