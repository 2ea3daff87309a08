"""What does a template survive: raw, mean-free, normalized correlation, a network's features?

A square is cut from the middle of images of flowers and looked for in the changed image, by
`neocog.lectures.template_matching.search`. The features are those of the published ResNet-20
that was trained on CIFAR-10, images of other things. A place is
right that overlaps the piece by half.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import DATA, ROOT, Results, Row, mean
from PIL import Image

from neocog.explainers.features import Features, features_of
from neocog.explainers.top_activations import PatchGeometry
from neocog.graph.receptive_field import receptive_field
from neocog.lectures.image_changes import CHANGES
from neocog.lectures.template_matching import search
from neocog.runs.load import load

KINDS = ("daisy", "dandelion", "rose", "sunflower", "tulip")
LAYER = "network.layer2.0"
WAYS = ("raw", "mean_free", "normalized", "features")
SIDE = 36
LIGHT = ("as it is", "brighter", "less contrast", "darker", "uneven light")


def features() -> Features:
    """The external network up to its fourth block."""
    sys.path.insert(0, str(ROOT))
    weights = DATA.parent / "models" / "resnet20-cifar10" / "resnet20-12fca82f.th"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = load(
            "tests.strangers.resnet20:make",
            weights=weights,
            size=(3, 32, 32),
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
        )
    field = receptive_field(model.module, (3, 32, 32)).of(LAYER)
    seen = PatchGeometry(field.receptive_field, field.jump, field.start)
    return features_of(model.module, LAYER, seen, name="ResNet-20, fourth block")


def image(file: Path) -> torch.Tensor:
    """Values in [0, 1], the longer side 180 pixels."""
    opened = Image.open(file).convert("RGB")
    opened.thumbnail((180, 180))
    return torch.from_numpy(np.asarray(opened).copy()).permute(2, 0, 1).float() / 255


def measured(each: int) -> dict[str, Any]:
    """Share of right places, a number a change and way."""
    network = features()
    right: dict[str, dict[str, list[bool]]] = {c: {w: [] for w in WAYS} for c in CHANGES}
    for kind in KINDS:
        for file in sorted((DATA / "flowers5" / kind).glob("*.jpg"))[:each]:
            x = image(file)
            top, left = (n // 2 - SIDE // 2 for n in x.shape[1:])
            window = (top, top + SIDE, left, left + SIDE)
            for row in search(x, window, features=network).rows:
                right[row.change][row.method].append(row.right)
    return {
        "images": len(KINDS) * each,
        "right": {c: {w: float(np.mean(v)) for w, v in by.items()} for c, by in right.items()},
    }


def main() -> None:
    """Measure, keep, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=10)
    parser.add_argument("--fresh", action="store_true")
    given = parser.parse_args()
    kept = Results(
        "templates",
        "What does a template survive?",
        {"each": given.each, "side": SIDE, "layer": LAYER, "changes": list(CHANGES)},
        fresh=given.fresh,
    )
    part = kept.part("flowers", lambda: measured(given.each))
    rows = []
    found = dict(part["right"])
    light = [found.pop(change) for change in LIGHT]
    found = {
        "as it is and in other light": {w: mean([by[w] for by in light]) for w in WAYS}
    } | found
    for change, by in found.items():
        shares = ", ".join(f"{w.replace('_', '-')} {by[w]:.0%}" for w in WAYS)
        rows.append(
            Row(
                what=f"template of {SIDE}×{SIDE} found again in {part['images']} images of "
                f"flowers, {change}",
                reach="normalized better than raw",
                measured=shares,
                met=by["normalized"] > by["raw"],
            )
        )
    kept.write(rows)


if __name__ == "__main__":
    main()
