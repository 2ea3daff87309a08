"""Rotated digits: networks with and without rotation built in, on 12,000 training images.

The set is made here, by a written protocol; it is *not* the classic file set of H. Larochelle et
al. ("An empirical evaluation of deep architectures on problems with many factors of variation",
ICML 2007), whose figures are not comparable to the digit. So every row is run on this one.

    originals   the 70,000 images of MNIST, permuted by a seed: the first 12,000 are trained on, the
                next 50,000 tested on; no original is in both
    rotated     by an angle drawn uniformly from [0°, 360°) for each image: enlarged four times and
                rotated, both bilinear, then averaged over 4×4 pixels; 28×28, rounded to integers
    checksum    SHA-256 of all pixels and labels, which is part of the result

Two protocols: `rotated` trains and tests on rotated digits; `upright` trains on the same digits as
they are and tests on the rotated ones.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from common import DATA, Results, Row, mean, say, trained, usual_options

SEED, TRAINED_ON, TESTED_ON, FINER = 0, 12_000, 50_000, 4

WAYS: dict[str, tuple[str, ...]] = {
    "plain CNN": ("--augment", "none"),
    "plain CNN, rotations as augmentation": ("--augment", "rotate=180"),
}
"""Row to the options of `neocog train`."""

PROTOCOLS = ("rotated", "upright")


def originals(place: Path) -> tuple[np.ndarray, np.ndarray]:
    """All 70,000 images, (N, 28, 28), and labels of MNIST."""
    parts = []
    for kind, skip in (("images-idx3", 16), ("labels-idx1", 8)):
        files = [place / f"{split}-{kind}-ubyte.gz" for split in ("train", "t10k")]
        raw = [np.frombuffer(gzip.decompress(f.read_bytes()), np.uint8)[skip:] for f in files]
        parts.append(np.concatenate(raw))
    return parts[0].reshape(-1, 28, 28), parts[1].astype(np.int64)


def rotated(images: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Images, (N, 28, 28) uint8, each rotated by its angle in degrees, counterclockwise."""
    out = []
    for start in range(0, len(images), 500):
        x = torch.from_numpy(images[start : start + 500].astype(np.float64))[:, None]
        a = torch.deg2rad(torch.from_numpy(angles[start : start + 500]))
        fine = F.interpolate(x, scale_factor=FINER, mode="bilinear", align_corners=False)
        zero, cos, sin = torch.zeros_like(a), torch.cos(a), torch.sin(a)
        theta = torch.stack([cos, -sin, zero, sin, cos, zero], 1).view(-1, 2, 3)
        grid = F.affine_grid(theta, list(fine.shape), align_corners=False)
        turned = F.grid_sample(fine, grid, mode="bilinear", align_corners=False)
        out.append(F.avg_pool2d(turned, FINER)[:, 0].round().to(torch.uint8).numpy())
    return np.concatenate(out)


def made(place: Path, folder: Path) -> tuple[dict[str, Path], str]:
    """Both protocols as .npz files, and the checksum."""
    x, y = originals(place)
    rng = np.random.default_rng(SEED)
    order = rng.permutation(len(x))[: TRAINED_ON + TESTED_ON]
    angles = rng.uniform(0, 360, len(order))
    x, y = x[order], y[order]
    turned = rotated(x, angles)
    checksum = hashlib.sha256(turned.tobytes() + y.tobytes()).hexdigest()
    files = {}
    for protocol, pixels in (("rotated", turned), ("upright", x)):
        files[protocol] = folder / f"{protocol}.npz"
        np.savez(
            files[protocol],
            x_train=pixels[:TRAINED_ON],
            y_train=y[:TRAINED_ON],
            x_test=turned[TRAINED_ON:],
            y_test=y[TRAINED_ON:],
        )
    return files, checksum


def run(way: str, protocol: str, file: Path, given: argparse.Namespace) -> dict[str, Any]:
    """One training a seed, tested once."""
    options = (*WAYS[way], "--epochs", str(given.epochs))
    done = [trained(file, *options, seed=seed) for seed in given.seeds]
    return {"runs": done, "error": mean([d["error"] for d in done])}


def rows(parts: dict[str, Any], given: argparse.Namespace) -> list[Row]:
    """The table's lines."""
    out = []
    length = f"{given.epochs:g} epochs, {len(given.seeds)} seed{'s' * (len(given.seeds) > 1)}"
    short = "" if given.epochs >= 100 else ": a short schedule"
    for key, part in sorted(parts.items(), key=lambda item: item[1]["error"]):
        protocol, way = key.split(": ")
        what = "trained upright, tested rotated" if protocol == "upright" else "rotated MNIST"
        first = part["runs"][0]
        out.append(
            Row(
                what=f"{what} (12,000 to train on, 50,000 to test on, our set), {way}: error",
                reach="",
                measured=f"{part['error']:.2f} %; {first['params']:,} parameters, "
                f"{first['macs'] / 1e6:.2f} M MACs; {length}{short}",
                met=None,
            )
        )
    return out


def main() -> None:
    options = usual_options(__doc__)
    options.add_argument("--data", type=Path, default=DATA / "mnist", help="the four idx files")
    options.add_argument("--epochs", type=float, default=3.0)
    options.add_argument("--seeds", type=int, nargs="*", default=[0])
    options.add_argument("--way", choices=tuple(WAYS), help="one row alone")
    options.add_argument("--protocol", choices=PROTOCOLS, help="one protocol alone")
    options.add_argument("--make", type=Path, metavar="FOLDER", help="only write both sets there")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        files, checksum = made(given.data, given.make or Path(temporary))
        say(f"rotated_mnist: SHA-256 {checksum}")
        if given.make:
            return
        kept = Results(
            "rotated_mnist",
            "How well does a network learn digits in every orientation from 12,000 images?",
            {
                "set": {"seed": SEED, "train": TRAINED_ON, "test": TESTED_ON, "sha256": checksum},
                "epochs": given.epochs,
                "seeds": given.seeds,
                "ways": WAYS,
            },
            fresh=given.fresh,
            save=not given.trial,
        )
        for protocol in (given.protocol,) if given.protocol else PROTOCOLS:
            for way in (given.way,) if given.way else WAYS:
                kept.part(
                    f"{protocol}: {way}",
                    lambda p=protocol, w=way: run(w, p, files[p], given),
                )
        kept.write(rows(kept.parts, given))


if __name__ == "__main__":
    main()
