"""A good model in a minute: `neocog train FOLDER` against scratch and against a plain linear probe.

Three sets, each split once into train and test folders that both sides are given:

- flowers5, all images, the split of the other benchmarks of flowers5;
- cells: crops of white cells and platelets of bccd at their native sizes, cut here by the boxes of
  the data set, 125 of each to train on, the others to test;
- flowers5 with 20 images per class, five draws, tested on the same images as above.

The peer (`peers/linear_probe.py`, scikit-learn in an environment of its own: `--peer PYTHON`) gets
the same backbone and the same size of images; both are timed as whole processes. Defaults of ours
were chosen on validation images of flowers5 and on digits, never on the test images here.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
from common import DATA, HERE, Results, Row, mean, ran, say, trained, usual_options
from PIL import Image

BACKBONE, SEED = "efficientnet_lite1", 0
DRAWS, A_CLASS = 5, 20
TRAINED = 125
SCRATCH = 76.0
"""Accuracy of the recipe for flowers5 from random weights (`flowers.py`), percent."""


def main() -> None:
    parser = usual_options(__doc__ or "")
    parser.add_argument("--peer", type=Path, help="Python with torch, pillow and scikit-learn")
    parser.add_argument("--sets", nargs="*", default=["flowers", "frozen", "cells", "draws"])
    parser.add_argument("--budget", default="15m", help="of the longer training on flowers5")
    given = parser.parse_args()
    kept = Results(
        "transfer",
        "How good a model does `neocog train FOLDER` make in a minute or three?",
        {"backbone": BACKBONE, "draws": DRAWS, "a_class": A_CLASS, "cells": TRAINED},
        fresh=given.fresh,
        save=not given.trial,
    )
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        flowers = root / "flowers"
        _flowers(flowers)
        if "flowers" in given.sets:
            rows += _on_flowers(kept, flowers, given)
        if "frozen" in given.sets:
            options = ("--freeze", "all")
            rows += _against_probe(
                kept, "flowers frozen", flowers, given, within=0.5, options=options
            )
        if "cells" in given.sets:
            _cells(root / "cells")
            rows += _against_probe(kept, "cells", root / "cells", given, within=1.0, times=1.2)
        if "draws" in given.sets:
            rows += _on_draws(kept, root, flowers, given)
    kept.write(rows)


def _on_flowers(kept: Results, folder: Path, given: Any) -> list[Row]:
    ours = _ours(kept, "flowers", folder)
    longer = _ours(kept, f"flowers {given.budget}", folder, "--budget", given.budget)
    accuracy, best = 100 - ours["error"], 100 - longer["error"]
    return [
        Row(
            what=f"flowers5, `neocog train FOLDER`, {ours['test']['n']} test images",
            reach=f"above {SCRATCH} % (from scratch, 17 min) in ≤ 3 min",
            measured=f"{accuracy:.1f} % in {ours['seconds']:.0f} s",
            met=accuracy > SCRATCH and ours["seconds"] <= 180,
        ),
        Row(
            what=f"flowers5, `neocog train FOLDER --budget {given.budget}`",
            reach="≥ 88 % in ≤ 15 min",
            measured=f"{best:.1f} % in {longer['seconds'] / 60:.1f} min",
            met=best >= 88 and longer["seconds"] <= 900,
        ),
    ]


def _against_probe(
    kept: Results,
    name: str,
    folder: Path,
    given: Any,
    *,
    within: float,
    times: float | None = None,
    options: tuple[str, ...] = (),
) -> list[Row]:
    ours = _ours(kept, name, folder, *options)
    accuracy = 100 - ours["error"]
    if not given.peer:
        return [Row(what=f"{name}, ours alone", reach="", measured=f"{accuracy:.1f} %", met=None)]
    peer = _peer(kept, name, folder, ours["size"], given)
    theirs, ratio = 100 * peer["accuracy"], ours["seconds"] / peer["seconds"]
    limit = f", ≤ {times} × its time" if times else ""
    return [
        Row(
            what=f"{name}: against a linear probe in PyTorch and scikit-learn, same backbone",
            reach=f"within {within:g} points{limit}",
            measured=f"{accuracy:.1f} % in {ours['seconds']:.0f} s; the probe {theirs:.1f} % in "
            f"{peer['seconds']:.0f} s ({ratio:.2f} ×); {peer['n']} test images",
            met=accuracy >= theirs - within and (times is None or ratio <= times),
        )
    ]


def _on_draws(kept: Results, root: Path, flowers: Path, given: Any) -> list[Row]:
    ours, theirs = [], []
    for draw in range(DRAWS):
        folder = root / f"draw{draw}"
        _draw(flowers, folder, draw)
        done = _ours(kept, f"draw {draw}", folder)
        ours.append(100 - done["error"])
        if given.peer:
            peer = _peer(kept, f"draw {draw}", folder, done["size"], given)
            theirs.append(100 * peer["accuracy"])
        shutil.rmtree(folder)
    if not theirs:
        return []
    each = ", ".join(f"{a:.1f}/{b:.1f}" for a, b in zip(ours, theirs, strict=True))
    return [
        Row(
            what=f"flowers5, {A_CLASS} images per class, {DRAWS} draws, against the same probe",
            reach="within 2 points in the mean",
            measured=f"{mean(ours):.1f} %, the probe {mean(theirs):.1f} % ({each})",
            met=mean(ours) >= mean(theirs) - 2,
        )
    ]


def _ours(kept: Results, name: str, folder: Path, *options: str) -> dict[str, Any]:
    def measure() -> dict[str, Any]:
        done = trained(folder, *options, seed=SEED)
        size = next(x for x in done["recipe"].splitlines() if x.startswith("    "))
        return {**done, "size": int(size.strip(" ,"))}

    part = kept.part(f"ours, {name}", measure)
    say(f"    ours, {name}: {100 - part['error']:.2f} % in {part['seconds']} s")
    return part


def _peer(kept: Results, name: str, folder: Path, size: int, given: Any) -> dict[str, Any]:
    def measure() -> dict[str, Any]:
        program = folder / "backbone.pt"
        _write_program(program, size)
        script = HERE / "peers" / "linear_probe.py"
        done = ran([given.peer, script, folder, program, str(size)], env={}, limit=7200)
        program.unlink()
        if done.status:
            raise RuntimeError(f"the peer left with {done.status}: {done.err}")
        return {**json.loads(done.out), "seconds": round(done.seconds, 2)}

    part = kept.part(f"probe, {name}", measure)
    say(f"    probe, {name}: {100 * part['accuracy']:.2f} % in {part['seconds']:.1f} s")
    return part


def _write_program(path: Path, size: int) -> None:
    """The backbone, from pixels in [0, 1] to features, as a TorchScript program."""
    import torch
    from torch import nn

    from neocog.networks.model import SpecifiedNetwork
    from neocog.networks.pretrained import load_pretrained

    loaded = load_pretrained(BACKBONE, size=(size, size))
    loaded.network.classifier = nn.Identity()
    model = SpecifiedNetwork(loaded.network, loaded.spec).eval()
    with torch.inference_mode():
        program = torch.jit.trace(model, torch.rand(2, 3, size, size), check_trace=False)
    torch.jit.save(program, str(path))


def _flowers(to: Path) -> None:
    """flowers5 in folders train/ and test/, by the split that `neocog train` would draw."""
    from neocog.data.open import open_data

    source = open_data(DATA / "flowers5")
    for part, splits in {"train": ("train", "val"), "test": ("test",)}.items():
        for split in splits:
            for name in source.splits[split].names:
                file = to / part / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.symlink_to(DATA / "flowers5" / name)


def _draw(flowers: Path, to: Path, seed: int) -> None:
    """Some images per class to train on, and the same test images."""
    rng = np.random.default_rng([seed, 0xD4A])
    for folder in sorted((flowers / "train").iterdir()):
        (to / "train" / folder.name).mkdir(parents=True)
        files = sorted(folder.iterdir())
        for i in rng.permutation(len(files))[:A_CLASS]:
            (to / "train" / folder.name / files[i].name).symlink_to(files[i].resolve())
    (to / "test").symlink_to(flowers / "test")


def _cells(to: Path) -> None:
    """Crops of white cells and platelets at native size, by the boxes; whole images in one part."""
    rng = np.random.default_rng(0)
    files = sorted((DATA / "bccd" / "Annotations").glob("*.xml"))
    count = {"WBC": 0, "Platelets": 0}
    for i in rng.permutation(len(files)):
        root = ET.parse(files[i]).getroot()
        image = Image.open(DATA / "bccd" / "JPEGImages" / f"{files[i].stem}.jpg").convert("RGB")
        for n, thing in enumerate(root.iter("object")):
            kind, box = thing.findtext("name", ""), thing.find("bndbox")
            if box is None or kind not in count:
                continue
            x0, y0, x1, y1 = (int(box.findtext(k, "0")) for k in ("xmin", "ymin", "xmax", "ymax"))
            if x1 - x0 < 8 or y1 - y0 < 8:
                continue
            part = "train" if count[kind] < TRAINED else "test"
            count[kind] += 1
            folder = to / part / kind
            folder.mkdir(parents=True, exist_ok=True)
            image.crop((x0 - 1, y0 - 1, x1, y1)).save(folder / f"{files[i].stem}-{n}.png")


if __name__ == "__main__":
    sys.exit(main())
