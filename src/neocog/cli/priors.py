"""`neocog priors`."""

from __future__ import annotations

import re
from typing import Any

import click

from neocog.cli.options import HELP, OUT_FILE, json_option, print_result, verbose_option

__all__ = ["command"]


class _Sizes(click.ParamType):
    name = "sizes"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        if not re.fullmatch(r"\s*[0-9]{1,9}(\s*,\s*[0-9]{1,9})*\s*", str(value)):
            self.fail("sizes are integers separated by commas. Write 100,300,1000.")
        return tuple(int(n) for n in str(value).split(","))


@click.command("priors", context_settings=HELP)
@click.argument("source", metavar="DATA")
@click.option("--full", is_flag=True, help="All twins at all sizes, 5 seeds, however long.")
@click.option("--seeds", type=click.IntRange(1, 1000), help="Random draws.  [3, more if they fit]")
@click.option("--sizes", type=_Sizes(), help="Training-set sizes: 100,300,1000.  [all images]")
@click.option("--strict", is_flag=True, help="Stop at the first unreadable file.")
@click.option("--report", type=OUT_FILE, help="Write an HTML report with the learning curves.")
@verbose_option
@json_option
def command(
    source: str,
    full: bool,
    seeds: int | None,
    sizes: tuple[int, ...] | None,
    strict: bool,
    report: str | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Measure what each prior is worth on DATA, in points of accuracy and in labels.

    Small networks of equal size are trained that differ in one assumption: dense, locally
    connected, convolutional, with anti-aliased downsampling; deep ones with and without residual
    connections and batch norm. Each is trained on the images as they are and with their pixels
    shuffled by one fixed permutation, where locality says nothing.

    By default it takes about a minute, and says what it left out. With --seeds, --sizes or --full
    nothing depends on the clock. Test images are left alone, unless DATA:PART names them.

    \b
    neocog priors digits
    neocog priors images/ --full --report priors.html
    neocog priors images/ --sizes 50,200,800 --seeds 5 --json
    """
    from neocog.verbs.priors import priors

    result = priors(source, sizes=sizes, seeds=seeds, full=full, strict=strict)
    print_result(result, report=report, verbose=verbose, as_json=as_json)
