"""Compare the figures of every verb with those in tests/golden, or record them anew.

python scripts/golden.py                  what differs, case by case
python scripts/golden.py fix audit        two cases
python scripts/golden.py --accept audit   take over what differs there: say why in the commit
python scripts/golden.py --write audit    record a case as a whole, under the names of today
python scripts/golden.py --weights        the weights that all cases start from
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.golden.cases import CASES  # noqa: E402
from tests.golden.compare import compare  # noqa: E402
from tests.golden.paths import condensed  # noqa: E402
from tests.golden.recorded import accept, read, write  # noqa: E402
from tests.golden.workshop import SMALL, WEIGHTS, Workshop, machine  # noqa: E402


def main() -> int:
    """Returns the exit status: 1 where a figure is not as recorded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--write", action="store_true", help="record instead of compare")
    parser.add_argument("--accept", action="store_true", help="take over the figures that differ")
    parser.add_argument("--weights", action="store_true", help="train the weights anew first")
    given = parser.parse_args()
    if unknown := set(given.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        if given.weights:
            workshop.call(f"train digits {SMALL} --epochs 3 --out weights")
            trained = load_file(Path(folder) / "weights" / "model.safetensors")
            halved = {k: v.half() if v.is_floating_point() else v for k, v in trained.items()}
            save_file(halved, WEIGHTS)
        failed = [name for name in given.cases or CASES if not _one(name, workshop, given)]
    print(f"{len(failed)} of {len(given.cases or CASES)} cases differ" if failed else "as recorded")
    return int(bool(failed))


def _one(name: str, workshop: Workshop, given: argparse.Namespace) -> bool:
    case, began = CASES[name], time.process_time()
    if case.missing():
        print(f"{name}: left out, needs {', '.join(case.missing())} of ../shared")
        return True
    today = case.figures(workshop)
    seconds = f"{time.process_time() - began:.1f} s"
    if given.write:
        file = write(name, today, without=case.without)
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size:,} bytes, {seconds}", flush=True)
        return True
    where, recorded = read(name)
    close = None if where == machine() else case.close
    found = compare(name, recorded, condensed(today), close)
    print(f"{found.text()}  ({seconds})", flush=True)
    if given.accept and close is None and not found.kept:
        print(f"taken over into {accept(name, found).relative_to(ROOT)}")
        return not any(d.gone for d in found.differences)
    return found.kept


if __name__ == "__main__":
    sys.exit(main())
