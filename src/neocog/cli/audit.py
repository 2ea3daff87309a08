"""`neocog audit`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from neocog.cli.options import (
    HELP,
    OUT_FILE,
    batch_size_option,
    json_option,
    model_options,
    print_json,
    strict_option,
    task_option,
)
from neocog.cli.series import opened_series, series_option
from neocog.cli.telling import telling
from neocog.cli.terminal import say

if TYPE_CHECKING:
    from neocog.runs.trained import TrainedModel
    from neocog.verbs.audited import AuditResult

__all__ = ["command"]

ALL = "circular,crop,zeros,subpixel"


@click.command("audit", context_settings=HELP)
@click.argument("model")
@click.argument("data")
@click.option("--shift", default=ALL, show_default=True, help="Ways of shifting, with commas.")
@click.option("--max-shift", type=click.IntRange(1), help="Largest shift in pixels; size / 8.")
@click.option("--all-shifts", is_flag=True, help="Try every circular shift on the map's samples.")
@click.option(
    "--map-samples", type=click.IntRange(1), help="Samples of the maps of shifts.  [6.4 % of N]"
)
@click.option("--rotation/--no-rotation", default=True, help="Turn and mirror.")
@click.option("--scale/--no-scale", default=True, help="Make larger and smaller.")
@click.option("--elastic/--no-elastic", default=True, help="Bend.")
@click.option("--layers/--no-layers", default=True, help="Look into every layer.")
@click.option(
    "--samples", "n", type=click.IntRange(1), default=1000, show_default=True, help="Samples."
)
@click.option("--all", "whole", is_flag=True, help="Every sample of the split.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of everything drawn.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "float64"]),
    default="float32",
    show_default=True,
    help="Of the arithmetic.",
)
@click.option(
    "--baseline",
    metavar="MODEL",
    help="Another model, on the same samples and shifts.",
)
@click.option("--baseline-weights", metavar="FILE", help="Of a baseline beside another model:make.")
@click.option("--require", multiple=True, metavar='"KEY OP NUMBER"', help="A bound; see above.")
@click.option("--report", type=OUT_FILE, help="Write an HTML page.")
@batch_size_option
@strict_option
@task_option
@series_option
@model_options
@json_option
def command(
    model: str,
    data: str,
    shift: str,
    rotation: bool,
    scale: bool,
    elastic: bool,
    layers: bool,
    whole: bool,
    n: int,
    baseline: str | None,
    baseline_weights: str | None,
    batch_size: int | None,
    require: tuple[str, ...],
    report: str | None,
    precision: str,
    strict: bool,
    task: str | None,
    series: tuple[int, int] | None,
    opening: Mapping[str, Any],
    as_json: bool,
    **rest: int | bool | None,
) -> None:
    """Whether the answers of MODEL change when the images of DATA move, and which layer does it.

    MODEL is a run folder; or, from elsewhere, package.module:factory, a .pt2 program or an .onnx
    file, which are told their --size, --mean and --std. With --series, MODEL is such a factory and
    DATA an .npz file of x, (B, C, N), and class indices y.

    With --baseline another model is measured on the same samples and shifts. --weights, --size,
    --mean, --std and --classes are told to the one that is no run folder; of two such models both
    are told them, but for the weights, and --baseline-weights are the second's. A fix knows from
    which model it was made, and how that was opened.

    A missed bound is exit status 1. Bounds are on any figure of the result, as --json prints it.
    A run folder keeps its last audit, as audit.json, for `neocog explore`.

    \b
    neocog audit runs/digits digits --report audit.html
    neocog audit runs/images images/:val --require "shift.circular.consistency>=0.99"
    neocog audit runs/fixed digits --baseline runs/digits
    neocog audit runs/fixed images/ --baseline nets.small:make --weights w.pt --size 3,32,32
    neocog audit nets.wave:make waves.npz --series 1,128
    """
    from neocog.audits.suite import AuditConfig
    from neocog.runs.pair import open_pair
    from neocog.verbs.audit import audit

    asked = AuditConfig(
        shift=tuple(part.strip() for part in shift.split(",") if part.strip()),
        rotation=rotation,
        scale=scale,
        elastic=elastic,
        layers=layers,
        n=None if whole else n,
        batch=batch_size,
        **rest,  # type: ignore[arg-type]  # max_shift, all_shifts, map_samples, seed, as they stand
    )
    with telling("audit") as tell:
        shown: Any
        values: Any
        other: Any
        if series is not None:
            shown, values, other = opened_series(model, data, baseline, series, opening)
        else:
            shown, other = open_pair(
                model, baseline, opening, baseline_weights=baseline_weights, task=task
            )
            values = data
        found = audit(
            shown,
            values,
            asked,
            baseline=other,
            task=task or "classify",
            require=require,
            report=report,
            precision=precision,
            strict=strict,
            allow_random="allow_random" in opening,
            tell=tell,
        )
    plain = found.to_json()
    if series is None:
        _keep(shown, data, plain, found)
    if as_json:
        print_json(plain)
    else:
        from neocog.cli.draw import draw, on_stdout

        for section in found.summary():
            draw(on_stdout(), section)
    if report is not None:
        say(f"Report: {report}", err=True)
    if not found.kept:
        raise click.exceptions.Exit(1)


def _keep(shown: TrainedModel, data: str, plain: Mapping[str, Any], found: AuditResult) -> None:
    """Leave the audit in the folder of a run; what was measured is told all the same."""
    from neocog.errors import RunError, printable
    from neocog.runs.kept import keep_audit

    try:
        keep_audit(shown, data=data, result=plain, sections=found.sections())
    except RunError as e:
        say(f"The audit is not kept in `{printable(shown.place)}`: {e}", err=True)
