"""`neocog summary`."""

from __future__ import annotations

import re

import click

from neocog.cli.options import HELP, init_option, json_option, print_json

__all__ = ["command"]

WIDE = 130
"""Columns of a table that goes into a file or another program."""


class _Sample(click.ParamType):
    """Channels and one or two axes of space."""

    name = "sample"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        match = re.fullmatch(
            r"([0-9]{1,9})[,x]([0-9]{1,9})(?:[,x]([0-9]{1,9}))?", re.sub(r"\s", "", str(value))
        )
        numbers = tuple(int(n) for n in match.groups() if n) if match else (0,)
        if min(numbers) < 1:
            self.fail(
                f"The size of a sample is C,H,W (C,N for a series); {value} came.", param, ctx
            )
        return numbers


@click.command("summary", context_settings=HELP)
@click.argument("model")
@click.option("--size", type=_Sample(), metavar="C,H,W", help="Of a sample, as 3,224,224.")
@click.option(
    "--classes",
    type=click.IntRange(1, 10**7),
    metavar="N",
    help="Outputs of a named network.  [10]",
)
@init_option
@json_option
def command(
    model: str,
    size: tuple[int, ...] | None,
    classes: int | None,
    init: str | None,
    as_json: bool,
) -> None:
    """What MODEL costs and what each layer sees: no data is needed.

    Parameters, MACs and FLOPs; receptive field, jump and start of every layer;
    which sizes allow exact quarter turns and circular shifts. MODEL is a network's name, a run
    folder, package.module:factory, torchvision:NAME, timm:NAME, or a .pt2 program.

    \b
    neocog summary resnet50 --size 3,224,224 --classes 1000
    neocog summary runs/digits
    neocog summary nets.small:make --size 3,32,32 --json
    """
    from neocog.verbs.summary import summary

    found = summary(model, size=size, classes=classes, init=init)
    if as_json:
        print_json(found.to_json())
        return
    from neocog.cli.draw import draw, on_stdout

    console = on_stdout()
    if not console.is_terminal:
        console.width = max(console.width, WIDE)
    draw(console, found.exhibits(f"What {model} costs and sees"))
