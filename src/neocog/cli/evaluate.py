"""`neocog evaluate`."""

from __future__ import annotations

import click

from neocog.cli.options import json_option, print_json

__all__ = ["command"]


@click.command("evaluate")
@click.argument("model")
@click.argument("data")
@click.option("--strict", is_flag=True, help="Stop at the first picture that cannot be used.")
@json_option
def command(model: str, data: str, strict: bool, as_json: bool) -> None:
    """Score MODEL, a run folder, on DATA: its test split, or another as DATA:val.

    \b
    neocog evaluate runs/digits digits
    neocog evaluate runs/pictures pictures/:val --json
    """
    from neocog.verbs.evaluate import evaluate

    score = evaluate(model, data, strict=strict)
    if as_json:
        print_json(score.to_json())
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from neocog.errors import printable

    console = Console(highlight=False, soft_wrap=True)
    low, high = score.accuracy_ci
    console.print(f"accuracy {score.accuracy:.2%} (95 % interval {low:.2%} to {high:.2%})")
    console.print(f"loss {score.loss:.4f}  calibration error {score.ece:.2%}  samples {score.n:,}")
    table = Table("class", "samples", "recall", "precision")
    for row in score.per_class:
        shares = [f"{v:.2%}" if v is not None else "–" for v in (row["recall"], row["precision"])]
        table.add_row(escape(printable(row["class"])), f"{row['n']:,}", *shares)
    console.print(table)
