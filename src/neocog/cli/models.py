"""`neocog models`."""

from __future__ import annotations

import click

from neocog.cli.options import HELP, json_option, print_json
from neocog.cli.terminal import screen

__all__ = ["command"]


class Numbers(click.ParamType):
    """Three integers with commas: C,H,W."""

    name = "C,H,W"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """The three numbers; anything else is refused."""
        try:
            numbers = tuple(int(part) for part in str(value)[:60].split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != 3 or max(numbers) >= 10**9:
            self.fail(f"A size is channels, rows, columns, like 3,32,32; got {value}.", param, ctx)
        return numbers


@click.command("models", context_settings=HELP)
@click.option("--size", type=Numbers(), default="1,28,28", show_default=True, help="Input size.")
@click.option(
    "--classes",
    type=click.IntRange(1, 10**7),
    default=10,
    show_default=True,
    help="Number of outputs.",
)
@json_option
def command(size: tuple[int, ...], classes: int, as_json: bool) -> None:
    """List the models that can be trained: parameters, MACs and FLOPs per image, options.

    \b
    neocog models
    neocog models --size 3,224,224 --classes 1000 --json
    """
    from neocog.verbs.models import networks, offers_table, options_table

    offers = networks(size=size, num_classes=classes)
    if as_json:
        print_json([o.to_json() for o in offers])
        return
    from rich.table import Table

    console = screen(soft_wrap=False)
    costs = offers_table(offers)
    table = Table()
    for column in costs.columns:
        table.add_column(column, justify="left" if column == "name" else "right", no_wrap=True)
    for row in costs.rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    console.print(table)
    console.print(f"{costs.note} Options and their defaults:")
    for names, about, options in options_table(offers).rows:
        console.print(f"\n{names}: {about}\n  {options}", soft_wrap=True, markup=False)
