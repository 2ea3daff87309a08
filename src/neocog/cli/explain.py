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
    verbose_option,
)
from neocog.cli.series import series_option, sized
from neocog.cli.terminal import lines, say
from neocog.errors import printable
from neocog.verbs.progress import progress_line

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
    name = "integers"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if not all(re.fullmatch(r"[0-9]{1,9}", p.strip()) for p in parts):
            given = printable(str(value)[:60])
            self.fail(f"integers are separated by commas, got `{given}`. Write 0,3,5.")
        return tuple(int(p) for p in parts)


@click.command("explain", context_settings=HELP)
@click.argument("model")
@click.argument("data", nargs=-1, metavar="DATA|IMAGE…")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="grad_cam",
    show_default=True,
    help="Method; see above.",
)
@click.option("--layer", metavar="NAME", help="Layer name.  [chosen; the reason is given]")
@click.option(
    "--class", "target", metavar="CLASS", help="Class name or index.  [the predicted class]"
)
@click.option(
    "--units",
    type=_Whole(),
    metavar="U,…",
    help="Channels, for activation-maximization and top-activations.",
)
@click.option(
    "--window",
    type=_Whole(),
    metavar="R0,R1,C0,C1",
    help="Template position: rows and columns in pixels.",
)
@click.option(
    "--samples",
    "n",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Maximum number of images.",
)
@click.option(
    "--sanity-checks/--no-sanity-checks",
    default=True,
    help="Sanity checks of attribution maps.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Random seed.  [0]")
@click.option(
    "--out",
    type=OUT_FOLDER,
    metavar="FOLDER",
    help="Output folder.  [explain-METHOD in the run folder]",
)
@strict_option
@task_option
@series_option
@model_options
@verbose_option
@json_option
def command(
    model: str,
    data: tuple[str, ...],
    out: str | None,
    task: str | None,
    series: tuple[int, int] | None,
    opening: Mapping[str, Any],
    verbose: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Attribution maps with sanity checks; filters, feature maps and top activations of MODEL.

    MODEL is a run folder, timm:NAME, torchvision:NAME, package.module:factory or a .pt2 program.
    DATA is a data set or a folder of images, labeled or not, of which --samples are chosen;
    DATA:val picks a split, DATA:all everything. IMAGE is a file, or one sample such as
    digits:test[17]. Of a model of series, DATA is an .npz file; one series is waves.npz[3].

    \b
    grad_cam                  signed Grad-CAM, with sanity checks
    hires_cam, layer_cam      contribution of each position; finer maps of shallow layers
    eigen_cam                 first principal component of the feature map, of no class
    filters                   kernels of every convolution; Gabor fits of the first layer
    features                  feature maps of each layer
    activation-maximization   images synthesized to maximize a unit or class
    top-activations           patches with the highest activation of a unit, in all of DATA
    backward                  backward pass of a convolution, written as convolutions
    template-matching         correlation of a patch with the whole image
    classic-filters           Gaussian, Sobel and other classic filters

    Writes PNG and SVG files, explain.html and explain.json into --out, and replaces an earlier
    explanation there.

    \b
    neocog explain runs/digits seven.png
    neocog explain runs/digits digits --method top-activations --layer stage2
    neocog explain runs/images photo.jpg --class tulip --out why
    neocog explain nets.wave:make waves.npz[3] --size 1,128
    """
    from neocog.verbs.explain import explain

    folder = out or _folder(model, options["method"])
    with progress_line("explain") as on_progress:
        opened = _opened(model, data, opening, task=task, series=series)
        result = explain(
            *opened[:2],
            images=opened[2],
            out=folder,
            progress=on_progress,
            allow_random="allow_random" in opening,
            **options,
        )
    if as_json:
        print_json(result.to_json())
        return
    lines(result.summary().split("\n"))
    if verbose:
        from neocog.cli.draw import draw_all

        draw_all(result.brief())
    known = getattr(opened[0], "card", {}).get("notes", ())  # printed at opening
    for note in (n for n in result.notes if n not in known):
        say(f"note     {note}", err=True)
    where = printable(folder)
    say("")
    say(f"{len(result.files)} files in {where}; open {where}/explain.html")


def _opened(
    model: str,
    data: tuple[str, ...],
    opening: Mapping[str, Any],
    *,
    task: str | None,
    series: tuple[int, int] | None,
) -> tuple[Any, Any, Any]:
    """The model, the data, and what of it is to be looked at: single series, where some are."""
    from neocog.runs.load import load

    opened = load(model, **sized(opening, series), task=task)
    single = [source for source in data if source.endswith("]")]
    if opened.spec.input.axes != 1 or not single:
        return opened, list(data) or None, None
    return opened, [source for source in data if source not in single] or single, single


def _folder(model: str, method: str) -> str:
    """In the run folder, or in the current folder for an external model."""
    run = Path(model)
    folder = run if (run / "model.json").is_file() else Path()
    return str(folder / f"explain-{method}")
