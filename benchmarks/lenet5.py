"""The error of LeNet-5 as published on MNIST, without and with distortions, mean of five seeds.

Each seed is one `neocog train` on all 60,000 training images for a number of epochs that was
fixed before, and is tested once, at its end.
"""

from __future__ import annotations

from common import Row, mean
from recipe import errors, options, results, runs, size, verdict

GOALS = {"lenet5": ("no distortions", 0.95), "lenet5-distorted": ("with distortions", 0.8)}
"""Recipe to what it does and the largest error, in percent, which are the paper's figures."""


def main() -> None:
    parser = options(__doc__, data="mnist", seeds=5)
    parser.add_argument("--goal", nargs="*", default=list(GOALS), choices=list(GOALS))
    given = parser.parse_args()
    kept = results(
        "lenet5", "What is the error of LeNet-5, as published, on MNIST?", list(GOALS), given
    )
    rows = []
    for recipe, (form, most) in GOALS.items():
        if recipe not in given.goal and f"{recipe} {given.seeds[0]}" not in kept.parts:
            continue
        done = runs(kept, recipe, given)
        rows.append(
            Row(
                what=f"LeNet-5 as published, MNIST test error, {form}",
                reach=f"≤ {most} % (mean of 5 seeds)",
                measured=f"{errors(done)}; {size(done)}",
                met=verdict(mean([d["error"] for d in done]) <= most, given),
            )
        )
    kept.write(rows)


if __name__ == "__main__":
    main()
