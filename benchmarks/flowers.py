"""Five kinds of flowers from scratch: our recipe against a ResNet-18 with default settings.

Both learn from the same seeded split, in which copies of an image stay on one side, at the same
size. The ResNet-18 is trained as `neocog train DATA --model resnet18` trains it: everything but
the size of the images is left to its default. Each seed is tested once, at the end.
"""

from __future__ import annotations

from common import Row, mean
from recipe import errors, options, results, runs, size, verdict

SIZE = "128,128"
"""Pixels a side for both."""

OTHER = ("--model", "resnet18", "--size", SIZE)


def main() -> None:
    given = options(__doc__, data="flowers5", seeds=1).parse_args()
    kept = results(
        "flowers",
        "Does our recipe beat a ResNet-18 with default settings on five kinds of flowers?",
        ["flowers"],
        given,
        other=list(OTHER),
    )
    ours = runs(kept, "flowers", given)
    other = runs(kept, "resnet18", given, more=OTHER)
    mine, theirs = (mean([d["error"] for d in done]) for done in (ours, other))
    kept.write(
        [
            Row(
                what=f"flowers5 from scratch, test error on {ours[0]['test']['n']} images, ours",
                reach="below ResNet-18 with default settings",
                measured=f"{errors(ours)}; {size(ours)}",
                met=verdict(mine < theirs, given),
            ),
            Row(
                what="the same split: ResNet-18, default settings",
                reach="",
                measured=f"{errors(other)}; {size(other)}",
                met=None,
            ),
        ]
    )


if __name__ == "__main__":
    main()
