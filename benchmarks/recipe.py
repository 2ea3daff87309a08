"""What the benchmarks that run a recipe share: options, parts, and figures of several seeds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import DATA, RECIPES, Results, mean, say, trained, usual_options, warm_up_cache


def options(about: str, *, data: str, seeds: int) -> argparse.ArgumentParser:
    """The options of every benchmark of this kind."""
    parser = usual_options(about)
    parser.add_argument("--data", type=Path, default=DATA / data)
    parser.add_argument("--seeds", type=int, nargs="*", default=list(range(seeds)))
    parser.set_defaults(planned=seeds)
    parser.add_argument("--epochs", type=float, help="other than the recipe's, for trials")
    return parser


def results(
    name: str, question: str, recipes: Sequence[str], given: argparse.Namespace, **more: Any
) -> Results:
    """The result file; another recipe is another protocol."""
    texts = {r: (RECIPES / f"{r}.toml").read_text() for r in recipes}
    return Results(
        name,
        question,
        {"recipes": texts, "epochs": given.epochs, **more},
        fresh=given.fresh,
        save=not given.trial,
    )


def runs(
    kept: Results, recipe: str, given: argparse.Namespace, *, more: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """One training a seed, with what its recipe says or, for a name without one, `more`."""
    warm_up_cache(given.data)
    file = RECIPES / f"{recipe}.toml"
    given_recipe = ["--recipe", str(file)] if file.exists() else []
    epochs = ["--epochs", str(given.epochs)] if given.epochs else []
    done = []
    for seed in given.seeds:
        part = kept.part(
            f"{recipe} {seed}",
            lambda s=seed: trained(given.data, *given_recipe, *more, *epochs, seed=s),
        )
        say(f"    seed {seed}: error {part['error']} %, {part['seconds']} s")
        done.append(part)
    return done


def errors(done: Sequence[dict[str, Any]]) -> str:
    """Mean error and the errors of the seeds, in words."""
    each = [d["error"] for d in done]
    if len(each) == 1:
        return f"{each[0]:.2f} % (seed {done[0]['seed']})"
    return f"{mean(each):.3f} % mean of {len(each)} seeds ({', '.join(f'{e:.2f}' for e in each)})"


def verdict(reached: bool, given: argparse.Namespace) -> bool | None:
    """Reached or missed; open where it is reached on some of the planned seeds only."""
    if reached and (set(given.seeds) < set(range(given.planned)) or given.epochs):
        return None
    return reached


def size(done: Sequence[dict[str, Any]]) -> str:
    """Seconds of the whole process, parameters and MACs, in words."""
    seconds = [d["seconds"] for d in done]
    longest = max(seconds)
    return (
        f"{longest / 60:.1f} min at most, {done[0]['params']:,} parameters, "
        f"{done[0]['macs'] / 1e6:.2f} M MACs"
    )
