"""`neocog audit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from neocog.audits.table import MEASURES
from neocog.cli.options import (
    HELP,
    OUT_FILE,
    SECONDS,
    batch_size_option,
    json_option,
    model_options,
    print_json,
    strict_option,
    task_option,
    verbose_option,
)
from neocog.cli.series import series_option, sized
from neocog.cli.terminal import lines, say
from neocog.verbs.progress import progress_line

if TYPE_CHECKING:
    from neocog.models.model import Model
    from neocog.verbs.audit_result import AuditResult

__all__ = ["command"]

_ALL = "circular,crop,zeros,subpixel"


class _Modes(click.ParamType):
    name = "modes"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        named = {"all": _ALL, "none": ""}.get(str(value).strip(), str(value))
        return tuple(part.strip() for part in named.split(",") if part.strip())


def measure_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each line of the table of measures."""
    for m in reversed(MEASURES):
        flags = "/".join(f"--{name}" for name in (m.option, f"no-{m.option}"))
        command = click.option(flags, m.name, default=None, help=f"{m.help}  [no]")(command)
    return command


@click.command("audit", context_settings=HELP)
@click.argument("model")
@click.argument("data")
@click.option("--full", is_flag=True, help="All measures, however long they take.")
@click.option("--budget", type=SECONDS, help="Time limit, as 90s or 5m.  [60s; up to 64x64: 30s]")
@click.option("--samples", "n", type=click.IntRange(1), help="Sample size.  [what fits, ≤ 1000]")
@click.option("--all", "every_sample", is_flag=True, help="All samples of the split.")
@click.option(
    "--shift", type=_Modes(), help="Kinds of shift, comma-separated; all.  [circular,crop]"
)
@click.option("--max-shift", type=click.IntRange(1), help="Largest shift in pixels.  [size / 8]")
@click.option("--all-shifts", is_flag=True, help="Map all circular shifts.")
@click.option("--maps", type=_Modes(), help="Shifts to map; all, none.  [what fits]")
@click.option("--map-samples", type=click.IntRange(1), help="Sample size of maps.  [what fits]")
@measure_options
@click.option("--layers/--no-layers", default=None, help="Equivariance error of layers.  [yes]")
@click.option("--layer-samples", type=click.IntRange(1), help="Sample size for layers.  [≤ 32]")
@click.option("--lie/--no-lie", default=None, help="Lie derivatives of layers.  [no]")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Random seed.  [0]")
@click.option(
    "--precision",
    type=click.Choice(["float32", "float64"]),
    default="float32",
    show_default=True,
    help="Floating-point precision.",
)
@click.option("--baseline", metavar="MODEL", help="Model to compare with, on the same samples.")
@click.option("--baseline-weights", metavar="FILE", help="Weights of a baseline module:factory.")
@click.option("--require", multiple=True, metavar='"KEY OP NUMBER"', help="A bound, see above.")
@click.option("--report", type=OUT_FILE, help="Write an HTML report.")
@batch_size_option
@strict_option
@task_option
@series_option
@model_options
@verbose_option
@json_option
def command(
    model: str,
    data: str,
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
    verbose: bool,
    as_json: bool,
    **measures: Any,
) -> None:
    """Measure how often predictions of MODEL flip when images of DATA are shifted, and which layers
    break shift equivariance.

    By default an audit takes about a minute: flip rates under circular shifts and crops with
    95 % CIs, layers by cause, and maps of shifts if they fit. A timed forward pass decides the
    sample size. What is left out is listed with the option that measures it; --full measures
    everything, and an option given explicitly always counts. With --samples nothing depends on the
    clock.

    MODEL is a run folder, timm:NAME, torchvision:NAME, package.module:factory, a .pt2 program or an
    .onnx file. External models take --size, --mean, --std and --classes unless they state them.
    Of a model of series, --size is C,N and DATA an .npz, .npy or HDF5 file of x, (B, C, N), and
    class indices y.

    DATA needs no labels: a flat folder will do, and so do classes that MODEL does not know.
    DATA:val picks a split, DATA:all everything. By default its own test split, else everything; for
    a run that was trained on it, the samples held out.

    With --baseline both models are measured on the same samples and shifts. --weights, --size,
    --mean, --std and --classes go to the external one; of two external models both get them except
    the weights: --baseline-weights are those of the baseline. With --init none, two networks of
    libraries both have random weights. A fix knows which model it was made from, and how that was
    opened.

    Bounds are on any figure of the result, as --json prints it; a missed one is exit status 1. A
    run folder keeps its last audit as audit.json, for `neocog explore`.

    \b
    neocog audit runs/digits digits --report audit.html
    neocog audit runs/images images/:val --require "shift.circular.consistency>=0.99"
    neocog audit runs/fixed digits --baseline runs/digits
    neocog audit runs/fixed images/ --baseline nets.small:make --weights w.pt --size 3,32,32
    neocog audit nets.wave:make waves.npz --size 1,128
    """
    from neocog.audits.config import AuditConfig
    from neocog.runs.model_pair import open_pair
    from neocog.verbs.audit import audit

    chosen = AuditConfig(batch=batch_size, **measures)
    with progress_line("audit") as on_progress:
        opening = sized(opening, series)
        first, other = open_pair(
            model, baseline, opening, baseline_weights=baseline_weights, task=task
        )
        result = audit(
            first,
            data,
            chosen,
            baseline=other,
            require=require,
            report=report,
            precision=precision,
            strict=strict,
            allow_random="allow_random" in opening,
            progress=on_progress,
            began=click.get_current_context().obj,
        )
    plain = result.to_json()
    _keep(first, data, plain, result)
    if as_json:
        print_json(plain)
    elif verbose:
        from neocog.cli.draw import draw_all

        draw_all(result.sections())
    else:
        lines(result.lines())
    if report is not None:
        say(f"Report: {report}", err=True)
    if not result.kept:
        raise click.exceptions.Exit(1)


def _keep(model: Model, data: str, plain: Mapping[str, Any], result: AuditResult) -> None:
    """Leave the audit in the folder of a run; the result is printed all the same."""
    from neocog.errors import RunError, printable
    from neocog.runs.saved_audit import keep_audit

    try:
        keep_audit(model, data=data, result=plain, sections=(result.opening(), *result.sections()))
    except RunError as e:
        say(f"The audit is not kept in `{printable(model.path)}`: {e}", err=True)
