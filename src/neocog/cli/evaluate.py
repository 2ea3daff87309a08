"""`neocog evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from neocog.cli.options import (
    HELP,
    OUT_FILE,
    batch_size_option,
    json_option,
    model_options,
    print_json,
    strict_option,
)
from neocog.cli.terminal import say

__all__ = ["command"]


@click.command("evaluate", context_settings=HELP)
@click.argument("model")
@click.argument("data")
@click.option(
    "--probe",
    is_flag=True,
    help="Nearest neighbors and a linear classifier on its frozen features instead.",
)
@strict_option
@batch_size_option
@click.option("--report", type=OUT_FILE, help="Write an HTML report.")
@model_options
@json_option
def command(
    model: str,
    data: str,
    probe: bool,
    strict: bool,
    report: str | None,
    batch_size: int | None,
    opening: Mapping[str, Any],
    as_json: bool,
) -> None:
    """Evaluate MODEL on DATA: accuracy with CI, loss, per class, confusion, calibration.

    DATA must be labeled. It is scored on its own test split, else whole; a run that was trained on
    it is scored on the samples held out. DATA:val names a split, DATA:all everything. Classes that
    MODEL does not know are left out. MODEL is a run folder, timm:NAME,
    torchvision:NAME, package.module:factory (a function that returns the network), a .pt2 program
    or an .onnx file. Give --size, --mean, --std and --classes for a model that does not state them.

    \b
    neocog evaluate runs/digits digits
    neocog evaluate timm:resnet18 images/:val --json
    neocog evaluate timm:resnet18 images/ --probe --report probe.html
    neocog evaluate nets.small:make images/ --weights w.pt --size 3,32,32 --mean .5 --std .25
    """
    from neocog.verbs.evaluate import evaluate

    score = evaluate(model, data, probe=probe, strict=strict, batch_size=batch_size, **opening)
    if report is not None:
        score.save_html(report)
        say(f"Report: {report}", err=True)
    if as_json:
        print_json(score.to_json())
        return
    from neocog.cli.draw import draw, on_stdout

    draw(on_stdout(), score.exhibits(f"{model} on {data}"))
