"""How long does `neocog --help` take, and does it leave torch alone?"""

from __future__ import annotations

import statistics
import subprocess
import sys

from common import Results, Row, in_turns, neocog, ran, spread, usual_options

IMPORTED = (
    "import sys\n"
    "from neocog.cli.main import main\n"
    "try: main(['--help'])\n"
    "except SystemExit: pass\n"
    "sys.stderr.write(' '.join(m for m in ('torch', 'numpy') if m in sys.modules))\n"
)


def measure(runs: int) -> dict[str, object]:
    """Seconds of both processes, in turns, and the heavy modules that the help imports."""
    ways = {
        "help": lambda: ran([neocog(), "--help"]).seconds,
        "python": lambda: ran([sys.executable, "-c", "pass"]).seconds,
    }
    seconds = in_turns(ways, rounds=runs, warm_up=2)
    heavy = subprocess.run(
        [sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True
    ).stderr.split()
    return {**{name: spread(values) for name, values in seconds.items()}, "heavy_modules": heavy}


def main() -> None:
    options = usual_options(__doc__, trial="two runs, nothing kept")
    options.add_argument("--runs", type=int, default=20)
    given = options.parse_args()
    runs = 2 if given.trial else given.runs
    results = Results(
        "startup",
        "How long does `neocog --help` take, and is torch left alone?",
        {"runs": runs, "warm_up": 2},
        fresh=given.fresh,
        save=not given.trial,
    )
    part = results.part("help", lambda: measure(runs))
    middle, bare = (1000 * statistics.median(part[k]["values"]) for k in ("help", "python"))
    loaded = ", ".join(part["heavy_modules"]) or "neither torch nor numpy"
    results.write(
        [
            Row(
                what="`neocog --help`, whole process",
                reach="< 150 ms, torch not imported",
                measured=f"{middle:.0f} ms (`python -c pass`: {bare:.0f} ms); imports {loaded}",
                met=middle < 150 and "torch" not in part["heavy_modules"],
            )
        ]
    )


if __name__ == "__main__":
    main()
