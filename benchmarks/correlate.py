"""From which kernel size on is a correlation faster by way of the spectra?

`neocog.signal.correlate` in both methods, by turns, on one image, with square kernels of rising
size; in double precision as template matching uses it, and in single precision. Processor time of
one thread, so that what else runs on the machine says little.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from common import Results, Row, in_turns, spread

from neocog.signal.correlate import FFT_FROM, correlate

SIZES = (128, 256, 512)
KERNELS = (3, 5, 7, 9, 11, 13, 15, 19, 23, 31)
PRECISIONS = {"float64": torch.float64, "float32": torch.float32}


def timed(x: torch.Tensor, kernel: torch.Tensor, method: str) -> Callable[[], float]:
    """Processor seconds of one correlation, from as many as take a twentieth of a second."""

    def once() -> float:
        count, start = 0, time.process_time()
        while time.process_time() - start < 0.05:
            correlate(x, kernel, method=method)
            count += 1
        return (time.process_time() - start) / count

    return once


def measured(size: int, precision: torch.dtype, rounds: int) -> dict[str, Any]:
    """Both methods at every kernel size, and the size from which the transform stays ahead."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand((size, size), generator=generator, dtype=precision)
    kept: dict[str, Any] = {}
    for k in KERNELS:
        kernel = torch.rand((k, k), generator=generator, dtype=precision)
        ways = {m: timed(x, kernel, m) for m in ("direct", "fft")}
        kept[str(k)] = {m: spread(v) for m, v in in_turns(ways, rounds=rounds).items()}
    ahead = [kept[str(k)]["fft"]["median"] < kept[str(k)]["direct"]["median"] for k in KERNELS]
    behind = [k for k, better in zip(KERNELS, ahead, strict=True) if not better]
    crossover = next((k for k in KERNELS if not behind or k > max(behind)), None)
    return {"seconds": kept, "crossover": crossover}


def main() -> None:
    """Measure, keep, print."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fresh", action="store_true")
    given = parser.parse_args()
    kept = Results(
        "correlate",
        "From which kernel size on is a correlation faster by way of the spectra?",
        {"sizes": SIZES, "kernels": KERNELS, "rounds": given.rounds, "threads": 1},
        fresh=given.fresh,
    )
    rows = []
    for name, precision in PRECISIONS.items():
        for size in SIZES:
            part = kept.part(
                f"{name}, {size}", lambda s=size, p=precision: measured(s, p, given.rounds)
            )
            k = part["crossover"]
            large = part["seconds"]["31"]
            gain = large["direct"]["median"] / large["fft"]["median"]
            found = f"from {k}×{k} on" if k else "at none of these"
            rows.append(
                Row(
                    what=f"correlation by FFT is faster than by sums, one image {size}×{size}, "
                    f"{name}",
                    reach="",
                    measured=f"{found}; {gain:.1f}× at 31×31 (`auto` changes at {FFT_FROM} taps)",
                    met=None,
                )
            )
    kept.write(rows)


if __name__ == "__main__":
    main()
