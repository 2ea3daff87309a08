"""Two networks of others, fixed by the default command: what it gains, what it costs.

One was published with its weights (ResNet-20); the other is trained by a plain script of this
folder (`peers/plain_mobilenet.py`), and downsamples in depthwise convolutions. Both are given to
`fix` with a budget and nothing else: sampling, learning rate, weight, length and the state that is
kept are its own. Every test image counts, for accuracy and under shifts.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from common import DATA, HERE, Results, Row, say, usual_options
from fix_resnet20 import external_resnet20, packed

from neocog.cli.memory import keep_freed_memory
from neocog.models.model import Model
from neocog.runs.load import load
from neocog.verbs.fix import fix

PARTS = {
    "resnet20": "the published ResNet-20",
    "mobilenet": "a MobileNet (depthwise) of a plain script",
}


def mobilenet(weights: Path) -> Model:
    """The network of the plain script, as that normalizes."""
    sys.path.insert(0, str(HERE / "peers"))
    from plain_mobilenet import MEAN, STD

    place = "plain_mobilenet:SmallMobileNet"
    return load(place, weights=weights, size=(3, 32, 32), mean=MEAN, std=STD, classes=10)


def measure(model: Model, data: Path, folder: Path, budget: float) -> dict[str, Any]:
    """One fix, and what came of it."""
    done = fix(
        model,
        data,
        budget=budget,
        n=None,
        shift=("crop", "circular"),
        out=folder,
        progress=lambda event: say(f"  {event}") if isinstance(event, (str, dict)) else None,
    )
    plain = done.to_json()
    plain.pop("run")
    return plain


def rows(parts: dict[str, Any]) -> list[Row]:
    """The table's lines."""
    out = []
    for name, part in parts.items():
        a, b = part["before"], part["candidate"]
        flips = [p["shift"]["crop"]["flip_rate"] for p in (a, b)]
        low, high = part["accuracy_difference_ci"]
        spent = part["finetune"]
        out.append(
            Row(
                what=f"{PARTS[name]} on CIFAR-10, `fix` with its defaults: predictions that flip "
                "between two crops; accuracy; time of a sample",
                reach="fewer flips, accuracy not lower (95 %)",
                measured=f"{flips[1]:.2%} (before {flips[0]:.2%}); {b['accuracy']:.2%} (before "
                f"{a['accuracy']:.2%}, 95 % {low * 100:+.2f} to {high * 100:+.2f} pp); "
                f"{part['cost']['ms']['ratio']:.2f}×; {spent['epochs']:.1f} passes, "
                f"{spent['total_seconds'] / 60:.0f} min, load {part['at']['load']:.0f}; "
                f"kept: {part['kept']}",
                met=part["better"],
            )
        )
    return out


def main() -> None:
    options = usual_options(__doc__)
    options.add_argument("--data", type=Path, default=DATA / "cifar10", help="sheets, or an .npz")
    weights = DATA.parent / "models" / "resnet20-cifar10" / "resnet20-12fca82f.th"
    options.add_argument("--resnet20", type=Path, default=weights, help="its weights")
    options.add_argument("--mobilenet", type=Path, help="weights from peers/plain_mobilenet.py")
    options.add_argument("--network", choices=tuple(PARTS), help="one network alone")
    options.add_argument("--budget", type=float, default=900.0, help="seconds a fix")
    given = options.parse_args()
    keep_freed_memory()
    kept = Results(
        "fix_default",
        "What does `fix` make of networks of others when nobody chooses anything for them?",
        {"shift": ["crop", "circular"], "samples": "all test images"},
        fresh=given.fresh,
        save=not given.trial,
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data = packed(folder, given.data)
        models = {"resnet20": lambda: external_resnet20(given.resnet20)}
        if given.mobilenet is not None:
            models["mobilenet"] = lambda: mobilenet(given.mobilenet)
        for name, opened in models.items():
            if given.network not in (None, name):
                continue
            kept.part(
                name,
                lambda name=name, opened=opened: measure(
                    opened(), data, folder / name, given.budget
                ),
            )
    kept.write(rows(kept.parts))


if __name__ == "__main__":
    main()
