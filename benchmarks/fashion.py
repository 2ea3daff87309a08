"""The accuracy of one network on Fashion-MNIST in at most twenty minutes.

Each seed is one `neocog train` on all 60,000 training images, tested once, at its end; no seed is
left out. What counts is the mean.
"""

from __future__ import annotations

from common import Row, mean
from recipe import errors, options, results, runs, size, verdict


def main() -> None:
    given = options(__doc__, data="fashion-mnist", seeds=1).parse_args()
    kept = results(
        "fashion",
        "What accuracy does one network reach on Fashion-MNIST within twenty minutes?",
        ["fashion"],
        given,
    )
    done = runs(kept, "fashion", given)
    accuracy = 100 - mean([d["error"] for d in done])
    kept.write(
        [
            Row(
                what="Fashion-MNIST test accuracy, one network",
                reach="≥ 93.5 % (aim 94.5 %) in ≤ 20 min",
                measured=f"{accuracy:.2f} %; error {errors(done)}; {size(done)}",
                met=verdict(accuracy >= 93.5 and max(d["seconds"] for d in done) <= 1200, given),
            )
        ]
    )


if __name__ == "__main__":
    main()
