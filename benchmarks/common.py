"""What every benchmark here needs: facts of the machine, timing in turns, results that are kept.

A result is one JSON file. Its `parts` are measurements that are kept as soon as they are made, so
that a run that was stopped goes on where it was; its `rows` are what the table shows.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results"
RECIPES = HERE / "recipes"
DATA = ROOT.parent / "shared" / "data"
"""Where the public data sets are looked for, unless an option says otherwise."""

THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "KMP_BLOCKTIME",
    "GOMP_SPINCOUNT",
)
"""Left out of the environment of timed processes: each takes the threads it takes by itself."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table.

    Args:
        what: was measured.
        reach: the number to reach, in words; empty where there is none.
        measured: in words, with its unit and spread.
        met: whether it was reached; None where nothing had to be.
    """

    what: str
    reach: str
    measured: str
    met: bool | None


def usual_options(about: str, *, trial: str = "nothing is kept") -> argparse.ArgumentParser:
    """A reader of options that knows `--trial` and `--fresh`, as `Results` wants them.

    Args:
        about: the benchmark; the first line is shown.
        trial: what a trial leaves out.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--trial", action="store_true", help=trial)
    parser.add_argument("--fresh", action="store_true", help="measure anew what is there")
    return parser


class Results:
    """The JSON file of one benchmark, written after every part.

    Args:
        name: of the file.
        question: that it answers, in a sentence.
        protocol: what was done, as names and numbers; parts of another protocol are dropped.
        fresh: drop the parts that are there.
        save: write the file; not for trials.
    """

    def __init__(
        self,
        name: str,
        question: str,
        protocol: Mapping[str, Any],
        *,
        fresh: bool = False,
        save: bool = True,
    ) -> None:
        self.name, self.question, self.save = name, question, save
        self.protocol = json.loads(json.dumps(protocol))
        self.path = RESULTS / f"{name}.json"
        self.parts: dict[str, Any] = {}
        if save and not fresh and self.path.exists():
            old = json.loads(self.path.read_text())
            if old["protocol"] == self.protocol:
                self.parts = old["parts"]
            else:
                say(f"{name}: measured under another protocol before; starts anew")

    def part(self, key: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """A part that is there, or one that is measured now and kept at once."""
        if key in self.parts:
            say(f"{self.name} / {key}: kept from {self.parts[key]['at']['utc']}")
        else:
            at = circumstances()
            say(f"{self.name} / {key} …")
            self.parts[key] = {**measure(), "at": at}
            self.write([])
        return self.parts[key]

    def write(self, rows: Sequence[Row]) -> None:
        """Keep everything; an interrupted write leaves the old file."""
        for row in rows:
            sign = {True: "met", False: "MISSED", None: ""}[row.met]
            say(f"  {row.what} | {row.reach} | {row.measured} | {sign}")
        if not self.save:
            return
        whole = {
            "name": self.name,
            "question": self.question,
            "protocol": self.protocol,
            "machine": machine(),
            "rows": [asdict(r) for r in rows],
            "parts": self.parts,
        }
        RESULTS.mkdir(exist_ok=True)
        beside = self.path.with_suffix(".tmp")
        beside.write_text(json.dumps(whole, indent=1) + "\n")
        beside.replace(self.path)


def say(text: str) -> None:
    """A line on standard error, at once."""
    print(text, file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    """What the figures depend on: processor, memory, versions."""
    return {
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "versions": {
            name: version(name) for name in ("torch", "numpy", "pillow", "simplejpeg", "neocog")
        },
    }


def circumstances() -> dict[str, Any]:
    """What one part depends on beside the machine: the code, and what else was running."""
    return {
        "utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cores": len(os.sched_getaffinity(0)),
        "commit": _git("rev-parse", "--short=12", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--", "src", "benchmarks/*.py")),
        "load": round(os.getloadavg()[0], 2),
    }


def version(package: str) -> str | None:
    """The installed version of a package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """Model name, and the instructions that decide how fast bfloat16 is."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    lines = [line.partition(":") for line in text.splitlines()]
    facts = {key.strip(): value.strip() for key, _, value in lines}
    flags = facts.get("flags", "").split()
    fast = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in flags]
    return " ".join([facts.get("model name", platform.machine()), *fast])


def _git(*args: str) -> str:
    done = subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median, quartiles, extremes and the values themselves, to four digits."""
    ordered = sorted(values)
    low, high = ordered[0], ordered[-1]
    quarters = statistics.quantiles(ordered, n=4, method="inclusive") if len(ordered) > 1 else []
    return {
        "median": _short(statistics.median(ordered)),
        "quartiles": [_short(quarters[0]), _short(quarters[2])] if quarters else [],
        "range": [_short(low), _short(high)],
        "values": [_short(v) for v in values],
    }


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def in_turns(
    ways: Mapping[str, Callable[[], float]], *, rounds: int, warm_up: int = 1
) -> dict[str, list[float]]:
    """Call every way once a round, in alternating order; what they return, less the warm-up.

    Whatever slows the machine for a while falls on all ways alike.
    """
    values: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(warm_up + rounds):
        names = list(ways) if turn % 2 == 0 else list(reversed(ways))
        for name in names:
            value = ways[name]()
            if turn >= warm_up:
                values[name].append(value)
    return values


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A process that has ended.

    Args:
        seconds: from its start to its end.
        cpu: seconds of processor time, of it and its children.
        status: exit status; negative for a signal.
        cut: it was ended because it took longer than its limit.
        out: what it wrote to standard output.
        err: the end of what it wrote to standard error.
    """

    seconds: float
    cpu: float
    status: int
    cut: bool
    out: str
    err: str


def ran(
    command: Sequence[str | os.PathLike[str]],
    *,
    limit: float = 3600,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
) -> Ran:
    """Run a process, start to finish, in a process group of its own that ends with it.

    Args:
        command: program and arguments.
        limit: seconds after which it is ended.
        env: set beside the environment, from which settings of threads are taken out.
        cwd: where it runs.
    """
    surroundings = {k: v for k, v in os.environ.items() if k not in THREADS} | dict(env or {})
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen(
            [os.fspath(c) for c in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=cwd,
            env=surroundings,
            process_group=0,  # not a session of its own, which would lose the priority of this one
        )
        cut = threading.Event()

        def end() -> None:
            cut.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(limit, end)
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            os.wait4(process.pid, 0)
            raise
        finally:
            timer.cancel()
            process.returncode = 0  # has been waited for above
        seconds = time.perf_counter() - start
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    return Ran(
        seconds=seconds,
        cpu=usage.ru_utime + usage.ru_stime,
        status=os.waitstatus_to_exitcode(status),
        cut=cut.is_set(),
        out=texts[0],
        err=texts[1][-2000:],
    )


def neocog() -> Path:
    """The program as it is installed beside this Python."""
    return Path(sys.executable).parent / "neocog"


def trained(
    place: str | os.PathLike[str],
    *options: str,
    seed: int,
    limit: float = 7200,
    cache: Path | None = None,
) -> dict[str, Any]:
    """`neocog train` as a user calls it: what it says, and the seconds of the whole process.

    Args:
        place: of the data.
        options: of the command.
        seed: of the training.
        limit: seconds after which it is ended.
        cache: folder of decoded data; an empty one of its own, that is removed, if left out.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        kept = cache or Path(folder) / "cache"
        done = ran(
            [neocog(), "train", place, *options, "--seed", str(seed), "--out", run, "--json"],
            env={"NEOCOG_CACHE": str(kept)},
            limit=limit,
        )
        if done.status:
            raise RuntimeError(f"neocog train left with {done.status}: {done.err}")
        said = json.loads(done.out)
        recipe = (run / "recipe.toml").read_text()
    keep = ("epochs", "steps", "images_per_second", "params", "macs")
    return {
        "seed": seed,
        "seconds": round(done.seconds, 2),
        "cpu_seconds": round(done.cpu, 2),
        "training_seconds": said["seconds"],
        "error": round(100 * (1 - said["test"]["accuracy"]), 3),
        "test": said["test"],
        "val": said.get("val"),
        **{k: said[k] for k in keep},
        "recipe": _without_place(recipe),
    }


def _without_place(recipe: str) -> str:
    """A recipe less the folder that the data lay in, which is of no other machine."""
    lines = recipe.splitlines()
    return "\n".join(line for line in lines if not line.startswith("path = "))


def warm_up_cache(path: Path) -> None:
    """Read the files of a data set once, so that no contestant pays for a cold disk."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        file.read_bytes()


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean."""
    return statistics.fmean(values)
