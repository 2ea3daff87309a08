"""`neocog summary`."""

from __future__ import annotations

import re

import click

from neocog.cli.options import HELP, init_option, json_option, print_json

__all__ = ["command"]

WIDE = 130
"""Width in columns of a table that is written to a file or pipe."""


class _Sample(click.ParamType):
    """Channels and one or two spatial axes."""

    name = "sample"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        match = re.fullmatch(
            r"([0-9]{1,9})[,x]([0-9]{1,9})(?:[,x]([0-9]{1,9}))?", re.sub(r"\s", "", str(value))
        )
        numbers = tuple(int(n) for n in match.groups() if n) if match else (0,)
        if min(numbers) < 1:
            self.fail(f"The size of a sample is C,H,W (C,N for a series); got {value}.", param, ctx)
        return numbers


@click.command("summary", context_settings=HELP)
@click.argument("model")
@click.option(
    "--size",
    type=_Sample(),
    metavar="C,H,W",
    help="Input size.  [of the model, where it states one]",
)
@click.option(
    "--classes",
    type=click.IntRange(1, 10**7),
    metavar="N",
    help="Outputs of a built-in model.  [10]",
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
    """Parameters, MACs, FLOPs and receptive fields of MODEL, layer by layer; needs no data.

    Lists jump and start of every layer and the sizes that allow exact equivariance to quarter
    turns and circular shifts. MODEL is a built-in name, a run folder, timm:NAME, torchvision:NAME,
    package.module:factory or a .pt2 program.

    \b
    neocog summary resnet50 --size 3,224,224 --classes 1000
    neocog summary runs/digits
    neocog summary nets.small:make --size 3,32,32 --json
    """
    from neocog.verbs.summary import summary

    result = summary(model, size=size, classes=classes, init=init)
    if as_json:
        print_json(result.to_json())
        return
    from neocog.cli.draw import draw, on_stdout

    console = on_stdout()
    if not console.is_terminal:
        console.width = max(console.width, WIDE)
    draw(console, result.exhibits(f"Summary of {model}"))
