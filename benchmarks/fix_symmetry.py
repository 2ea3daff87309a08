"""An external ResNet-20, made invariant to quarter turns: flips, accuracy, time.

The weights and the data are those of `fix_resnet20.py`; the network was trained upright. It is
fixed in three ways: by averaging over four poses without any training, by averaging with a
fine-tune, and by a canonical pose at the cost of the network itself. All 10,000 test images are
shown, once.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from common import DATA, Results, Row, say, usual_options
from fix_resnet20 import external_resnet20, packed

from neocog.cli.memory import keep_freed_memory
from neocog.data.batches import pixels
from neocog.models.model import Model
from neocog.symmetry.groups import group_of
from neocog.symmetry.poses import poses_of
from neocog.verbs.fix import fix

WAYS: dict[str, dict[str, Any]] = {
    "at once": {"finetune": 0},
    "averaging": {"budget": 1200.0},
    "canonical": {"by": "canonical", "budget": 1200.0},
}
"""Part to what is asked of the fix."""

PLAIN = 2000
"""Images of which the plain mean of logits is measured."""


@torch.no_grad()
def plain_mean(model: Model, data: Path) -> float:
    """Accuracy of the plain mean of the logits over the four poses, on the first images."""
    split = model.samples(data).split
    correct = 0
    for start in range(0, PLAIN, 250):
        x = pixels(split, slice(start, start + 250))
        logits = torch.stack([model.module(pose(x)) for pose in poses_of(group_of("c4"))]).mean(0)
        correct += int((logits.argmax(1).numpy() == split.y[start : start + 250]).sum())
    return correct / PLAIN


def measure(way: str, weights: Path, data: Path, folder: Path) -> dict[str, Any]:
    """One fix, and what came of it."""
    began = time.monotonic()
    model = external_resnet20(weights)
    done = fix(
        model,
        data,
        symmetry="c4",
        keep="fixed",
        shift=("crop",),
        n=None,
        out=folder / way.replace(" ", "-"),
        progress=lambda event: say(f"  {event}") if isinstance(event, (str, dict)) else None,
        **WAYS[way],
    )
    plain = done.to_json()
    plain.pop("run")
    plain["minutes"] = (time.monotonic() - began) / 60
    if way == "at once":
        plain["plain_mean"] = plain_mean(model, data)
    return plain


def rows(parts: dict[str, Any]) -> list[Row]:
    """The table's lines."""
    out = []
    for way, part in parts.items():
        a, b, posed = part["before"], part["after"], part["symmetry"]
        flips = [posed["flip_rate"][k] for k in ("before", "candidate")]
        by = "canonical --budget 20m" if way == "canonical" else "averaging"
        by = {"at once": "averaging --finetune 0", "averaging": "averaging --budget 20m"}.get(
            way, by
        )
        more = ""
        if way == "at once":
            more = f"; the plain mean of logits: {part['plain_mean']:.1%} of {PLAIN:,}"
        reach, met = "", None
        if way == "averaging":
            reach = "0 % flips; accuracy upright within 0.5 points; ≤ 20 min on two cores"
            met = flips[1] == 0 and b["accuracy"] >= a["accuracy"] - 0.005 and part["minutes"] <= 21
        if way == "canonical":
            reach = "0 % flips; accuracy upright within 2 points at equal MACs"
            met = flips[1] == 0 and b["accuracy"] >= a["accuracy"] - 0.02
        low, high = (f"{100 * v:+.1f}" for v in part["accuracy_difference_ci"])
        out.append(
            Row(
                what=f"an external ResNet-20 on CIFAR-10 after `fix --symmetry c4 --by {by}`: "
                "predictions that flip between two quarter turns; accuracy upright",
                reach=reach,
                measured=f"{flips[1]:.2%} (before {flips[0]:.2%}); {b['accuracy']:.2%} (before "
                f"{a['accuracy']:.2%}, 95 % {low} to {high} pp){more}; "
                f"{part['cost']['macs']['ratio']:.2f}× the MACs; {part['minutes']:.0f} min, "
                f"{part['finetune']['epochs']:.2g} passes, load {part['at']['load']:.0f}",
                met=met,
            )
        )
    return out


def main() -> None:
    options = usual_options(__doc__)
    options.add_argument("--data", type=Path, default=DATA / "cifar10", help="sheets, or an .npz")
    weights = DATA.parent / "models" / "resnet20-cifar10" / "resnet20-12fca82f.th"
    options.add_argument("--weights", type=Path, default=weights)
    options.add_argument("--part", choices=tuple(WAYS), help="one part alone")
    given = options.parse_args()
    keep_freed_memory()
    kept = Results(
        "fix_symmetry",
        "What does invariance to quarter turns make of an external trained ResNet-20?",
        {"ways": WAYS, "plain": PLAIN},
        fresh=given.fresh,
        save=not given.trial,
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data = packed(folder, given.data)
        for way in (given.part,) if given.part else WAYS:
            kept.part(way, lambda way=way: measure(way, given.weights, data, folder))
    kept.write(rows(kept.parts))


if __name__ == "__main__":
    main()
