"""Few labels: 100 labels of MNIST, and features of CIFAR-10 that no label was used for.

- MNIST, ten labels a class and 59,900 images without: `neocog train --labels 10 --semi fixmatch`, a
  draw a seed; in the same session, from the same draws, the labels alone (`--semi none`), and a
  linear classifier on features that `neocog pretrain` made without labels. Nothing is chosen on the
  test set; each draw is tested once, after the last step.
- CIFAR-10, nearest neighbors (20 of the 50,000 training images, cosine similarity) on features of a
  ResNet-18 whose stem keeps the full size, or of a smaller network, after so many minutes of
  pretraining. On two processor cores: `--sets cifar`, 60 minutes, with the network that the command
  chooses for this budget. On a GPU: `--sets gpu`, FastSiam,
  200 epochs, batches of 256 (published: 90.6 % for nearest neighbors, Pototzky et al. 2022).

The peers are published figures, as no other program here does either: ladder networks, 1.06 % of
MNIST with 100 labels (Rasmus et al. 2015). `--trial` does each of the first two for a minute or
less.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import DATA, Results, Row, mean, neocog, ran, say, trained, usual_options, warm_up_cache
from fix_resnet20 import packed

A_CLASS, DRAWS = 10, 5
WAYS = ("fixmatch", "labels alone", "linear on features")
BUDGETS = {"fixmatch": "15m", "pretrain": "10m", "cifar": "60m"}
TRIAL = {"fixmatch": "40s", "pretrain": "15s", "cifar": "30s"}
GPU = ("--model", "resnet18", "--method", "fastsiam", "--epochs", "200", "--batch-size", "256",
       "--optimizer", "sgd", "--lr", "0.06", "--set", "optimizer.weight_decay=5e-4")  # fmt: skip


def main() -> None:
    parser = usual_options(__doc__ or "", trial="a minute each; nothing is kept")
    parser.add_argument("--sets", nargs="*", default=["mnist", "cifar"], help="mnist, cifar, gpu")
    parser.add_argument("--draws", type=int, default=DRAWS, help="of labels")
    parser.add_argument("--ways", nargs="*", default=WAYS, choices=WAYS, help="of MNIST")
    parser.add_argument("--method", default="vicreg", help="of CIFAR-10 on a processor")
    given = parser.parse_args()
    budgets = TRIAL if given.trial else BUDGETS
    draws = 1 if given.trial else given.draws
    kept = Results(
        "few_labels",
        "How good is a model of 100 labels, and how good are features of no label at all?",
        {"a_class": A_CLASS, "draws": draws, "budgets": budgets, "method": given.method},
        fresh=given.fresh,
        save=not given.trial,
    )
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        if "mnist" in given.sets:
            rows += _mnist(kept, root, budgets, draws, given.ways)
        if {"cifar", "gpu"} & set(given.sets):
            data = packed(root, DATA / "cifar10")
            if "cifar" in given.sets:
                options = ("--method", given.method, "--budget", budgets["cifar"])
                rows.append(_cifar(kept, root, data, "cifar", options, 0.70))
            if "gpu" in given.sets:
                rows.append(_cifar(kept, root, data, "gpu", (*GPU, "--device", "cuda"), 0.906))
    kept.write(rows)


def _mnist(
    kept: Results, root: Path, budgets: dict[str, str], draws: int, wanted: Sequence[str]
) -> list[Row]:
    place, cache = DATA / "mnist", root / "cache"
    warm_up_cache(place)
    labels = ("--labels", str(A_CLASS))
    run = root / "pretrained"
    if "linear on features" in wanted:
        features = kept.part(
            "mnist, pretrained",
            lambda: _pretrained(place, "--budget", budgets["pretrain"], out=run, cache=cache),
        )
    ways = {
        "fixmatch": (*labels, "--semi", "fixmatch", "--budget", budgets["fixmatch"]),
        "labels alone": labels,
        "linear on features": (*labels, "--init", str(run)),
    }
    errors: dict[str, list[float]] = {way: [] for way in ways}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    tested: set[int] = set()
    for draw in range(draws):
        for way, options in ways.items():
            if way not in wanted:
                continue
            if way == "linear on features" and not run.is_dir():
                continue  # kept from before, and its weights are gone
            part = kept.part(
                f"mnist, {way}, draw {draw}",
                lambda o=options, d=draw: trained(place, *o, seed=d, cache=cache),  # type: ignore[misc]
            )
            say(f"    {way}, draw {draw}: error {part['error']} % in {part['seconds']} s")
            errors[way].append(part["error"])
            seconds[way].append(part["seconds"])
            if way == "fixmatch":
                tested.add(part["test"]["n"])
    rows: list[Row] = []
    best, alone, linear = (errors[way] for way in WAYS)
    if best:
        longest = max(seconds["fixmatch"])
        against = f"; the labels alone {mean(alone):.2f} %" if alone else ""
        rows.append(
            Row(
                what=f"MNIST, 100 labels and 59,900 images without, FixMatch, {len(best)} draws",
                reach="error ≤ 2 % in ≤ 20 min, aim ≤ 1.1 %",
                measured=f"{mean(best):.2f} % ({', '.join(f'{e:.2f}' for e in best)}), at most "
                f"{longest / 60:.1f} min{against}; tested on {_span(tested)} of 10,000 images, "
                "as many as the budget left time for",
                met=mean(best) <= 2 and longest <= 1200,
            )
        )
    if linear and alone:
        minutes = features["seconds"] / 60
        rows.append(
            Row(
                what="MNIST, 100 labels: pretrained without labels against the labels alone",
                reach="pretrained is better (claim F2)",
                measured=f"error {mean(linear):.2f} % after {minutes:.1f} min of pretraining, "
                f"{mean(alone):.2f} % alone",
                met=mean(linear) < mean(alone),
            )
        )
    return rows


def _span(counts: set[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _cifar(
    kept: Results, root: Path, data: Path, name: str, options: tuple[str, ...], reach: float
) -> Row:
    part = kept.part(
        f"{name}, nearest neighbors",
        lambda: _pretrained(data, *options, out=root / name, cache=root / "cache"),
    )
    low, high = part["knn_accuracy_ci"]
    return Row(
        what=f"CIFAR-10, nearest neighbors after {part['method']} without labels ({name})",
        reach=f"≥ {100 * reach:.1f} %",
        measured=f"{100 * part['knn_accuracy']:.1f} % ({100 * low:.1f} to {100 * high:.1f} %; "
        f"on validation images {100 * part['knn_validation']:.1f} %, with random weights "
        f"{100 * part['knn_validation_random']:.1f} %), {part['epochs']:.1f} "
        f"epochs, {part['process_seconds'] / 60:.1f} min",
        met=part["knn_accuracy"] >= reach,
    )


def _pretrained(place: Path, *options: str, out: Path, cache: Path) -> dict[str, Any]:
    """`neocog pretrain` as a user calls it, and the seconds of the whole process."""
    done = ran(
        [neocog(), "pretrain", place, *options, "--out", out, "--json"],
        env={"NEOCOG_CACHE": str(cache)},
        limit=12 * 3600,
    )
    if done.status:
        raise RuntimeError(f"neocog pretrain left with {done.status}: {done.err}")
    result: dict[str, Any] = json.loads(done.out)
    result.pop("run")
    return {**result, "process_seconds": round(done.seconds, 2)}


if __name__ == "__main__":
    sys.exit(main())
