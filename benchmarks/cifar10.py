"""CIFAR-10 from scratch on a processor: how accurate after so many minutes?

`neocog train cifar10.npz --budget B` with its defaults, whole processes, one after the other: the
command chooses the network by what the budget can train (`runs/capacity.py`). Each is tested once,
at its end; nothing else should run. A wider network (64, 128, 256 channels, 115 M MACs, without
whitening) had been measured before in the same way, test images included: 88.31 % in 17.5 min.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from common import DATA, Results, Row, say, trained, usual_options, warm_up_cache
from fix_resnet20 import packed

BUDGETS = ("3m", "6m", "20m")
REACH, MINUTES = 0.90, 20.0


def main() -> None:
    parser = usual_options(__doc__ or "", trial="with a tenth of each budget; nothing is kept")
    parser.add_argument("--data", type=Path, default=DATA / "cifar10")
    parser.add_argument("--budgets", nargs="*", default=list(BUDGETS), help="such as 3m")
    given = parser.parse_args()
    kept = Results(
        "cifar10",
        "How accurate is a network on CIFAR-10 after so many minutes, from scratch?",
        {"command": "neocog train cifar10.npz --budget B", "seed": 0},
        fresh=given.fresh,
        save=not given.trial,
    )
    with tempfile.TemporaryDirectory() as folder:
        data = packed(Path(folder), given.data)
        warm_up_cache(data)
        for budget in given.budgets:
            seconds = 60 * float(budget.removesuffix("m")) / (10 if given.trial else 1)
            part = kept.part(
                f"budget {budget}",
                lambda s=seconds: trained(data, "--budget", f"{s:g}s", seed=0),  # type: ignore[misc]
            )
            say(f"    {budget}: error {part['error']} % in {part['seconds']} s")
    kept.write(_rows(kept))


def _rows(kept: Results) -> list[Row]:
    """One a budget, the shortest first; the number to reach stands beside the longest."""
    parts = {k: p for k, p in kept.parts.items() if k.startswith("budget ")}
    order = sorted(parts, key=lambda k: parts[k]["seconds"])
    rows = []
    for name in order:
        part = parts[name]
        accuracy, minutes = part["test"]["accuracy"], part["seconds"] / 60
        low, high = part["test"]["accuracy_ci"]
        last = name == order[-1]
        rows.append(
            Row(
                what=f"CIFAR-10 from scratch, test accuracy, `--{name}`, process start to finish",
                reach=f"≥ {100 * REACH:.0f} % in ≤ {MINUTES:.0f} min" if last else "",
                measured=f"{100 * accuracy:.2f} % (95 % CI {100 * low:.2f} to {100 * high:.2f} %) "
                f"in {minutes:.1f} min, {part['epochs']:.1f} epochs, {part['params']:,} "
                f"parameters, {part['macs'] / 1e6:.1f} M MACs",
                met=accuracy >= REACH and minutes <= MINUTES if last else None,
            )
        )
    return rows


if __name__ == "__main__":
    main()
