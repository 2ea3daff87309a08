"""Runs benchmarks and writes the table of results: `quick`, `NAME` or `table`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

from common import DATA, HERE, RESULTS, ROOT, Results, Row, say

NAMES = (
    "startup",
    "loop",
    "flops",
    "decode",
    "samplers",
    "mnist_seconds",
    "lenet5",
    "mnist_best",
    "fashion",
    "flowers",
    "cifar10",
    "transfer",
    "few_labels",
    "priors",
    "audit_throughput",
    "fix_resnet20",
    "fix_default",
    "fixed_inference",
    "fix_symmetry",
    "rotated_mnist",
    "grad_cam",
    "explore",
    "explore_page",
    "correlate",
    "templates",
    "patches",
)
"""In the order of the table."""

QUICK = ("startup", "loop", "flops", "decode")

PAGES = (HERE / "README.md", ROOT / "docs" / "reference" / "benchmarks.md")
BEGIN, END = "<!-- table: written by `benchmarks/run.py table` -->", "<!-- end of the table -->"


def run(name: str, options: list[str]) -> int:
    """One benchmark in a process of its own; its exit status."""
    if name == "decode":
        return decode(options)
    command = [sys.executable, str(HERE / f"{name}.py"), *options]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


DECODE = {"as they are": [], "from 640×480": ["--photos", "400", "--size", "128"]}
"""Part to the options of `decode.py`, which prints its figures."""


def decode(options: list[str]) -> int:
    """`decode.py` on one folder, in both ways; other options come first."""
    rest = [o for o in options if o != "--fresh"]
    kept = Results(
        "decode",
        "How fast is a folder decoded, and opened a second time, beside a bare Pillow loop?",
        {"options": rest, "parts": DECODE},
        fresh=rest != options,
    )
    rows = []
    for name, own in DECODE.items():
        rows += _decode_rows(name, kept.part(name, lambda own=own: _decoded([*rest, *own])))
    kept.write(rows)
    return 0


def _decoded(options: list[str]) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "decode.py"), *options]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout)
    return {k: v for k, v in found.items() if k not in ("machine", "question")}


def _decode_rows(name: str, part: dict[str, Any]) -> list[Row]:
    rate, ratio = part["images_per_second_and_core"], part["over_pillow_per_core"]
    again = part["second_start_over_pillow_by_the_clock"]
    height, width, _ = part["served"]
    what = f"{part['images']:,} JPEG files to {height}×{width} ({name})"
    careful = part.get("decoder_over_pillow_with_draft_per_core")
    beside = f"; against Pillow told to scale while it decodes {careful:.2f}×" if careful else ""
    return [
        Row(
            what=f"decoding {what}, images/s and core, against bare Pillow",
            reach="≥ 1.5×",
            measured=f"{ratio['decoder']:.2f}× ({rate['decoder']:,.0f} / {rate['pillow']:,.0f}); "
            f"with hashing and search for copies {ratio['look and decode']:.2f}×{beside}",
            met=ratio["decoder"] >= 1.5,
        ),
        Row(
            what=f"second start, {what}, against the same Pillow loop",
            reach="≥ 50×",
            measured=f"{again:,.0f}×",
            met=again >= 50,
        ),
    ]


def table() -> str:
    """All rows of all results, as Markdown, under the machines that they were measured on."""
    results = [
        json.loads((RESULTS / f"{name}.json").read_text())
        for name in NAMES
        if (RESULTS / f"{name}.json").exists()
    ]
    lines = ["| what | reach | measured | verdict | file |", "|---|---|---|---|---|"]
    for result in results:
        for row in result["rows"]:
            verdict = {True: "met", False: "**missed**", None: ""}[row["met"]]
            cells = (row["what"], row["reach"], row["measured"], verdict, f"`{result['name']}`")
            lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    return "\n".join([*lines, "", *_machines(results)])


def _machines(results: list[dict[str, Any]]) -> list[str]:
    groups: dict[str, list[str]] = {}
    for result in results:
        m = result["machine"]
        named = ", ".join(f"{k} {v}" for k, v in m["versions"].items() if v)
        text = f"{m['cpu']}, {m['cores']} cores, {m['memory_gb']} GB, {m['system']}, "
        groups.setdefault(f"{text}Python {m['python']}, {named}", []).append(result["name"])
    return [f"{', '.join(f'`{n}`' for n in names)}: {text}." for text, names in groups.items()]


def placed(page: str) -> str:
    """A page with the table as it should be."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"A page with the table holds the lines {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def write_tables(*, check: bool) -> int:
    """Put the table into every page; with `check`, only say whether one is stale."""
    stale = []
    for page in PAGES:
        old = page.read_text()
        new = placed(old)
        if new != old:
            stale.append(page.relative_to(ROOT))
            if not check:
                page.write_text(new)
    for page in stale:
        say(f"{page}: {'stale' if check else 'written'}")
    return int(check and bool(stale))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("what", choices=("quick", "table", *NAMES))
    options.add_argument("--check", action="store_true", help="table: say whether it is stale")
    given, rest = options.parse_known_args()
    if given.what == "table":
        sys.exit(write_tables(check=given.check))
    names = QUICK if given.what == "quick" else (given.what,)
    worst = 0
    for name in names:
        if name == "decode" and given.what == "quick" and not (DATA / "flowers5").exists():
            say("decode: left out, it needs a folder of images; see benchmarks/README.md")
            continue
        worst = max(worst, run(name, rest if given.what != "quick" else []))
    write_tables(check=False)
    sys.exit(worst)


if __name__ == "__main__":
    main()
