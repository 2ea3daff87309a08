"""`neocog evaluate`."""

from __future__ import annotations

import click

from neocog.cli.options import HELP, json_option, print_json

__all__ = ["command"]


@click.command("evaluate", context_settings=HELP)
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
    from neocog.cli.draw import draw, on_stdout

    draw(on_stdout(), score.exhibits(f"What {model} scores on {data}"))
