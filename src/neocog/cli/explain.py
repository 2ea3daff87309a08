"""`neocog explain`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from neocog.cli.options import (
    HELP,
    OUT_FOLDER,
    json_option,
    model_options,
    print_json,
    strict_option,
    task_option,
)
from neocog.cli.series import explained_series, samples_of_series, series_option
from neocog.cli.telling import telling
from neocog.cli.terminal import say
from neocog.errors import printable

__all__ = ["METHODS", "command"]

METHODS = (
    "grad_cam",
    "hires_cam",
    "layer_cam",
    "eigen_cam",
    "filters",
    "features",
    "activation-maximization",
    "top-activations",
    "backward",
    "template-matching",
    "classic-filters",
)
"""The keys of `neocog.verbs.explain_ways.WAYS`, which a test compares with these."""


class _Whole(click.ParamType):
    name = "whole numbers"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if not all(re.fullmatch(r"[0-9]{1,9}", p.strip()) for p in parts):
            shown = printable(str(value)[:60])
            self.fail(f"whole numbers are separated by commas, got `{shown}`. Write 0,3,5.")
        return tuple(int(p) for p in parts)


@click.command("explain", context_settings=HELP)
@click.argument("model")
@click.argument("images", nargs=-1, metavar="IMAGE…")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="grad_cam",
    show_default=True,
    help="What is shown; see below.",
)
@click.option("--layer", metavar="NAME", help="A layer; chosen, with the reason, if left out.")
@click.option("--class", "target", metavar="CLASS", help="Name or number; the model's own answer.")
@click.option(
    "--units",
    type=_Whole(),
    metavar="U,…",
    help="Channels, for activation-maximization, top-activations.",
)
@click.option("--window", type=_Whole(), metavar="R0,R1,C0,C1", help="Of a template, in pixels.")
@click.option("--data", metavar="DATA", help="To look through; images where no IMAGE is named.")
@click.option(
    "--samples", "n", type=click.IntRange(1), default=8, show_default=True, help="Images, at most."
)
@click.option("--sanity-checks/--no-sanity-checks", default=True, help="Put maps to the test.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of everything drawn.")
@click.option("--out", type=OUT_FOLDER, metavar="FOLDER", help="For the files.")
@strict_option
@task_option
@series_option
@model_options
@json_option
def command(
    model: str,
    images: tuple[str, ...],
    data: str | None,
    out: str | None,
    task: str | None,
    series: tuple[int, int] | None,
    opening: Mapping[str, Any],
    as_json: bool,
    **asked: Any,
) -> None:
    """Where an answer of MODEL comes from, and whether to trust that; what its layers and units do.

    MODEL is a run folder; or, from elsewhere, package.module:factory or a .pt2 program, which are
    told their --size, --mean and --std. IMAGE is a file, a folder, or a sample of data as
    digits:test[17]. With --series, IMAGE and DATA are .npz files; one series is waves.npz[3].

    \b
    grad_cam   where the answer comes from, signed, and whether to trust it
    hires_cam, layer_cam, eigen_cam   relatives that answer other questions
    filters    of every convolution; the first layer's fitted with Gabor functions
    features   what each layer makes of an image
    activation-maximization   images made to excite a unit or class
    top-activations   the real patches that excite a unit most; needs --data
    backward   the backward pass of a convolution, as convolutions
    template-matching   a piece of the image, looked for in it
    classic-filters   the classic filters on the image

    Written into --out: PNG and SVG files, one page, explain.html, and explain.json. What an earlier
    explanation left there goes.

    \b
    neocog explain runs/digits seven.png
    neocog explain runs/digits --data digits --method top-activations --layer stage2
    neocog explain runs/images photo.jpg --class tulip --out why
    neocog explain nets.wave:make waves.npz[3] --series 1,128
    """
    from neocog.verbs.explain import explain

    place = out or _folder(model, asked["method"])
    with telling("explain") as tell:
        opened = _opened(model, images, data, opening, task=task, series=series)
        found = explain(
            *opened[:2],
            data=opened[2],
            out=place,
            tell=tell,
            allow_random="allow_random" in opening,
            **asked,
        )
    if as_json:
        print_json(found.to_json())
        return
    from neocog.cli.draw import draw, on_stdout

    for section in found.summary():
        draw(on_stdout(), section)
    said = getattr(opened[0], "card", {}).get("notes", ())  # at opening
    for note in (n for n in found.notes if n not in said):
        say(f"note     {note}", err=True)
    where = printable(place)
    say("")
    say(f"{len(found.files)} files in {where}; open {where}/explain.html")


def _opened(
    model: str,
    images: tuple[str, ...],
    data: str | None,
    opening: Mapping[str, Any],
    *,
    task: str | None,
    series: tuple[int, int] | None,
) -> tuple[Any, Any, Any]:
    """The model, what it is shown, the data: of images by their places, of series as values."""
    if series is None:
        from neocog.runs.opened import open_model

        return open_model(model, **opening, task=task), list(images), data
    of = explained_series(model, series, opening, task)
    shown = samples_of_series(images, series) if images else None
    return of, shown, None if data is None else samples_of_series([data], series)


def _folder(model: str, method: str) -> str:
    """Beside the model where that is a run folder, else here."""
    run = Path(model)
    folder = run if (run / "model.json").is_file() else Path()
    return str(folder / f"explain-{method}")
