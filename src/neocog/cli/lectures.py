"""`neocog lectures`."""

from __future__ import annotations

import sys

import click

from neocog.cli.options import HELP, OUT_FILE, json_option, print_result, verbose_option

__all__ = ["command"]


@click.command("lectures", context_settings=HELP)
@click.argument("ids", metavar="[ID…]", nargs=-1)
@click.option("--only", metavar="ID,…", help="Chapters and claims: A,E3.  [all]")
@click.option("--data", default="digits", metavar="DATA", help="Labeled images.  [digits]")
@click.option("--seed", type=click.IntRange(0, 2**31), default=0, help="Of all draws.  [0]")
@click.option(
    "--report",
    type=OUT_FILE,
    is_flag=False,
    flag_value="lectures.html",
    help="Write an HTML report with every figure.  [lectures.html]",
)
@verbose_option
@json_option
def command(
    ids: tuple[str, ...],
    only: str | None,
    data: str,
    seed: int,
    report: str | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Measure the claims of the lectures on convolutional networks, each with a verdict.

    Chapters: A the operation, B geometry and cost, C building blocks, D networks, E symmetry, F
    learning in practice, G seeing inside, H why priors. A verdict is computed from the numbers
    beside it; where the lectures print another number than their own formula gives, it says so.
    Exit status 1 if a claim is not met, or a part of it is not shown.

    \b
    neocog lectures
    neocog lectures --only A,E3 --verbose
    neocog lectures --report lectures.html
    """
    import neocog.lectures
    from neocog.verbs.progress import progress_line

    chosen = [*ids, *([only] if only else [])]
    with progress_line("lectures") as on_progress:
        result = neocog.lectures.run(chosen, data=data, seed=seed, progress=on_progress)
    print_result(result, report=report, verbose=verbose, as_json=as_json)
    if not result.all_met:
        sys.exit(1)
