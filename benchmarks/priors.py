"""F4: dense against convolutional twin at equal parameters, 1,000 digits, five seeds.

`neocog priors digits` as a user calls it, with the sizes and seeds named so that nothing depends on
the clock. Each seed draws 1,000 images to train on and 1,000 others to measure, from the 4,000
training and validation images; intervals are of Student's t over seeds. The same pair is trained on
images whose pixels are shuffled by one fixed permutation.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from common import Results, Row, neocog, ran, usual_options

SIZE, SEEDS = 1000, 5


def main() -> None:
    given = usual_options(__doc__ or "").parse_args()
    kept = Results(
        "priors",
        "What are weight sharing and locality worth on 1,000 digits?",
        {"data": "digits", "size": SIZE, "seeds": SEEDS},
        fresh=given.fresh,
        save=not given.trial,
    )
    part = kept.part("digits", _measured)
    kept.write(_rows(part))


def _measured() -> dict[str, Any]:
    words = ["priors", "digits", "--sizes", str(SIZE), "--seeds", str(SEEDS), "--json"]
    done = ran([neocog(), *words], limit=3600)
    if done.status:
        raise RuntimeError(f"neocog priors left with {done.status}: {done.err}")
    return {
        "seconds": round(done.seconds, 2),
        "cpu_seconds": round(done.cpu, 2),
        "result": json.loads(done.out),
    }


def _rows(part: dict[str, Any]) -> list[Row]:
    result = part["result"]
    by = {p["prior"]: p for p in result["priors"]}
    both = by["weight sharing and locality"]
    params = [result["params"][name] for name in ("dense", "convolutional")]
    low = both["shuffled"]["interval"][0]
    accuracy = {
        c["twin"]: c["accuracy"][c["n"].index(SIZE)] for c in result["curves"] if not c["shuffled"]
    }
    parts = "; ".join(
        f"{name} {_points(by[name]['as_they_are'])}"
        for name in ("locality", "weight sharing", "anti-aliased downsampling")
    )
    return [
        Row(
            what=f"F4: convolutional less dense twin ({params[1]:,} and {params[0]:,} "
            f"parameters), {SIZE:,} digits, {SEEDS} seeds",
            reach="above 0 with its 95 % CI",
            measured=f"{_points(both['as_they_are'])}: {accuracy['convolutional']:.1%} against "
            f"{accuracy['dense']:.1%}, as good as {_times(both['labels'])} the labels",
            met=both["as_they_are"]["interval"][0] > 0,
        ),
        Row(
            what="the same on pixels shuffled by one fixed permutation",
            reach="no gain: the 95 % CI holds 0 or lies below",
            measured=_points(both["shuffled"]),
            met=low <= 0,
        ),
        Row(
            what="the same digits: other priors",
            reach="",
            measured=parts,
            met=None,
        ),
    ]


def _points(difference: dict[str, Any]) -> str:
    low, high = difference["interval"]
    return f"{100 * difference['difference']:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"


def _times(labels: dict[str, Any] | None) -> str:
    if labels is None:
        return "an unknown number of times"
    bound = {"at least": "more than ", "at most": "less than "}.get(labels["bound"], "")
    return f"{bound}{labels['times']:.1f}×"


if __name__ == "__main__":
    sys.exit(main())
