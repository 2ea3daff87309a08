"""Are our downsamplers faster than those of others, forward and backward?

Each layer of others is compared with ours of the same kernel and border, on the same maps, in both
layouts. Ours run in this environment, the others in that of `peers.sh`; both through
`peers/serve.py`, by turns. The layers of APS and LPS are in no package: unpack their repositories
(achaman2/truly_shift_invariant_cnns and raymondyeh07/learnable_polyphase_sampling on GitHub) and
name the folders with `--aps` and `--lps`; without them their rows say so.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import HERE, ROOT, THREADS, Results, Row, in_turns, spread, usual_options

PYTHON = ROOT / ".venv-peers" / "bin" / "python"

SHAPES = ((32, 64, 56, 56), (64, 128, 16, 16))
LAYOUTS = ("channels_last", "contiguous")

PAIRS = {
    "antialiased-cnns, 4 taps, reflect": "blur, 4 taps, reflect",
    "antialiased-cnns, 3 taps, reflect": "blur, 3 taps, reflect",
    "kornia, 3 taps, zero": "blur, 3 taps, zero",
    "kornia, 5 taps, zero": "blur, 5 taps, zero",
    "APS, 1 taps, circular": "polyphase",
    "APS, 3 taps, circular": "polyphase_blur, 3 taps, circular",
    "LPS, largest norm": "polyphase",
    "LPS, learned, circular": "learned_polyphase",
}
"""A layer of others to ours that does the same."""

BLURS = ("blur, 3 taps, reflect", "blur, 4 taps, reflect")
"""What the cost of a polyphase layer is compared with: blur-pools as they are published."""


def ours() -> None:
    """Serves our layers; run in a process of its own."""
    sys.path.insert(0, str(HERE / "peers"))
    from serve import serve

    from neocog.layers.blur import BlurPool
    from neocog.layers.polyphase import LearnedChoice, PolyphaseDown

    def blurred(channels: int) -> PolyphaseDown:
        blur = BlurPool(2, taps=3, padding="circular", keep=True)
        return PolyphaseDown(2, prepare=blur)

    serve(
        {
            **{
                f"blur, {taps} taps, {padding}": functools.partial(
                    lambda c, taps, padding: BlurPool(2, taps=taps, padding=padding),
                    taps=taps,
                    padding=padding,
                )
                for taps, padding in ((3, "reflect"), (4, "reflect"), (3, "zeros"), (5, "zeros"))
            },
            "polyphase": lambda c: PolyphaseDown(2),
            "polyphase_blur, 3 taps, circular": blurred,
            "learned_polyphase": lambda c: PolyphaseDown(2, choose=LearnedChoice(c, (2, 2))),
        }
    )


class Server:
    """A process that times layers."""

    def __init__(self, command: list[str | os.PathLike[str]]) -> None:
        env = {k: v for k, v in os.environ.items() if k not in THREADS}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=env, cwd=HERE / "peers"
        )

    def ask(self, **what: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("A timing process has ended; its message stands above.")
        return json.loads(line)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def measure(
    us: Server, them: Server, shape: tuple[int, ...], layout: str, *, rounds: int, repeats: int
) -> dict[str, Any]:
    """Milliseconds of every layer on one map, in turns."""
    wrong: dict[str, str] = {}
    sizes: dict[str, list[int]] = {}

    def way(server: Server, name: str) -> Callable[[], float]:
        def once() -> float:
            said = server.ask(way=name, shape=shape, layout=layout, repeats=repeats)
            if "error" in said:
                wrong[name] = said["error"]
                return float("nan")
            sizes[name] = said["shape"]
            return 1000 * said["both"]

        return once

    ways = {name: way(us, name) for name in dict.fromkeys((*PAIRS.values(), *BLURS))}
    ways |= {name: way(them, name) for name in PAIRS}
    values = in_turns(ways, rounds=rounds)
    return {
        "milliseconds": {n: spread(v) for n, v in values.items() if n not in wrong},
        "not_run": wrong,
        "shapes": sizes,
    }


def versions() -> dict[str, str]:
    """What the peers' environment holds."""
    command = [PYTHON, HERE / "peers" / "samplers_peers.py", "--versions"]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(line.split() for line in said.splitlines())


def ratio(part: dict[str, Any], one: str, two: str) -> float:
    """Cost of one over cost of another, round by round, in the middle."""
    values = [part["milliseconds"][n]["values"] for n in (one, two)]
    return statistics.median(a / b for a, b in zip(*values, strict=True))


def rows(parts: dict[str, dict[str, Any]]) -> list[Row]:
    lines = []
    for theirs, mine in PAIRS.items():
        faults = {p["not_run"].get(theirs) for p in parts.values()} - {None}
        what = f"{mine} against {theirs}: forward + backward"
        if faults:
            lines.append(
                Row(what=what, reach="faster", measured=f"not run: {min(faults)}", met=None)
            )
            continue
        gains = {name: ratio(p, theirs, mine) for name, p in parts.items()}
        told = ", ".join(f"{g:.2f}× ({name})" for name, g in gains.items())
        lines.append(Row(what=what, reach="faster", measured=told, met=min(gains.values()) > 1))
    for blur in BLURS:
        costs = {name: ratio(p, "polyphase", blur) for name, p in parts.items()}
        told = ", ".join(f"{c:.2f}× ({name})" for name, c in costs.items())
        lines.append(
            Row(
                what=f"polyphase against our {blur}: forward + backward",
                reach="≤ 1.5× the cost",
                measured=told,
                met=max(costs.values()) <= 1.5,
            )
        )
    return lines


def main() -> None:
    options = usual_options(__doc__, trial="one short round, nothing kept")
    options.add_argument("--aps", default="", help="folder of the APS repository")
    options.add_argument("--lps", default="", help="folder of the LPS repository")
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--repeats", type=int, default=9)
    options.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.serve:
        ours()
        return
    if not PYTHON.exists():
        raise SystemExit("The peers have no environment yet: run benchmarks/peers.sh first.")
    counts = {"rounds": given.rounds, "repeats": given.repeats}
    if given.trial:
        counts = {"rounds": 1, "repeats": 2}
    results = Results(
        "samplers",
        "Are our downsamplers faster than those of others, forward and backward?",
        {**counts, "shapes": SHAPES, "layouts": LAYOUTS, "peers": versions()},
        fresh=given.fresh,
        save=not given.trial,
    )
    folders: list[str | os.PathLike[str]] = []
    for name in ("aps", "lps"):
        if folder := getattr(given, name):
            folders += [f"--{name}", Path(folder).resolve()]
    us = Server([sys.executable, HERE / "samplers.py", "--serve"])
    them = Server([PYTHON, HERE / "peers" / "samplers_peers.py", *folders])
    try:
        for shape in SHAPES:
            for layout in LAYOUTS:
                name = f"{'×'.join(map(str, shape))} {layout}"
                results.part(name, lambda s=shape, la=layout: measure(us, them, s, la, **counts))
    finally:
        us.close()
        them.close()
    results.write(rows(results.parts))


if __name__ == "__main__":
    main()
