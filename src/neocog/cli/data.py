"""`neocog data`."""

from __future__ import annotations

import click

from neocog.cli.options import (
    HELP,
    OUT_FILE,
    SIZE,
    json_option,
    print_json,
    print_result,
    resize_mode_option,
    verbose_option,
)
from neocog.cli.terminal import lines, say

__all__ = ["command"]


@click.command("data", context_settings=HELP)
@click.argument("source", metavar="DATA")
@click.option("--size", type=SIZE, help="Input size, S or H,W pixels.  [chosen from the images]")
@resize_mode_option
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, help="Random seed of the split.  [0]"
)
@click.option(
    "--symmetries",
    is_flag=True,
    help="Measure which rotations, flips, shifts, scales, changes of brightness, contrast and hue "
    "and erased squares keep the labels, and print the --augment for them.",
)
@click.option("--strict", is_flag=True, help="Stop at the first unreadable file.")
@click.option("--report", type=OUT_FILE, help="Write an HTML report with images.")
@verbose_option
@json_option
def command(
    source: str,
    size: tuple[int, int] | None,
    resize_mode: str | None,
    seed: int,
    symmetries: bool,
    strict: bool,
    report: str | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Inspect DATA: counts, sizes, unreadable files, duplicates, label conflicts, balance.

    DATA is `digits`, a folder of class folders (with train/, val/, test/ above them or not), a
    folder of idx files, an .npz, .npy or HDF5 file, or FILE:IMAGES,LABELS of arrays by name; a
    flat folder of images is unlabeled. DATA:test describes one split. Bring at least ten images of
    each class.

    \b
    neocog data digits
    neocog data images/ --report data.html
    neocog data images/ --json
    neocog data images/ --symmetries --report symmetries.html
    """
    from neocog.verbs.data import data

    if symmetries:
        _symmetries(source, size, resize_mode, seed, strict, report, verbose, as_json)
        return
    quality = data(
        source,
        size=size,
        seed=seed,
        strict=strict,
        resize_mode=resize_mode or "crop",
        report=report,
    )
    for warning in quality.warnings:
        say(f"warning  {warning}", err=True)
    if as_json:
        print_json(quality.to_json())
        return
    from neocog.data.findings import first_screen
    from neocog.data.open import parse_source

    lines(first_screen(quality, parse_source(source)[0]).text().split("\n"))
    if verbose:
        from neocog.cli.draw import draw_all

        draw_all(quality.sections())
    if report is not None:
        say(f"Report: {report}", err=True)


def _symmetries(
    source: str,
    size: tuple[int, int] | None,
    resize_mode: str | None,
    seed: int,
    strict: bool,
    report: str | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """`--symmetries`: a result of its own."""
    from neocog.targets import target_file
    from neocog.verbs.label_symmetries import symmetries

    if report is not None:
        target_file(report, option="report")
    result = symmetries(
        source, seed=seed, size=size, resize_mode=resize_mode or "crop", strict=strict
    )
    print_result(result, report=report, verbose=verbose, as_json=as_json)
