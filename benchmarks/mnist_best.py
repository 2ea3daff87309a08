"""The lowest MNIST error of one network, without an ensemble, in at most ten minutes.

Each seed is one `neocog train` on all 60,000 training images, tested once, at its end; no seed is
left out. What counts is the mean.
"""

from __future__ import annotations

from common import Row, mean
from recipe import errors, options, results, runs, size, verdict


def main() -> None:
    given = options(__doc__, data="mnist", seeds=3).parse_args()
    kept = results(
        "mnist_best",
        "What is the lowest MNIST error of one network within ten minutes?",
        ["mnist-best"],
        given,
    )
    done = runs(kept, "mnist-best", given)
    error = mean([d["error"] for d in done])
    kept.write(
        [
            Row(
                what="MNIST test error, one network, no ensemble",
                reach="≤ 0.35 % (aim 0.25 %) in ≤ 10 min",
                measured=f"{errors(done)}; {size(done)}",
                met=verdict(error <= 0.35 and max(d["seconds"] for d in done) <= 600, given),
            )
        ]
    )


if __name__ == "__main__":
    main()
