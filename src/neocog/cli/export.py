"""`neocog export`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from neocog.cli.options import HELP, OUT_FILE, json_option, model_options, print_json
from neocog.cli.terminal import say

__all__ = ["command"]


@click.command("export", context_settings=HELP)
@click.argument("model")
@click.option(
    "--format",
    "kind",
    metavar="FORMAT",
    default="onnx",
    help="onnx, pt2 or torch (a state dict).  [onnx]",
)
@click.option(
    "--out", type=OUT_FILE, metavar="FILE", help="File to write.  [NAME.onnx, .pt2 or .pt]"
)
@model_options
@json_option
def command(
    model: str, kind: str, out: str | None, opening: Mapping[str, Any], as_json: bool
) -> None:
    """Export MODEL to one file and check that its outputs are equal.

    onnx and pt2 hold the whole model: the input is pixels in [0, 1], with any batch size. torch
    holds the state dict of the network and the spec. MODEL is a run folder, timm:NAME,
    torchvision:NAME, package.module:factory or a .pt2; see `neocog evaluate`.

    \b
    neocog export runs/digits
    neocog export runs/digits --format pt2 --out digits.pt2
    """
    from neocog.errors import printable
    from neocog.verbs.export import export

    done = export(model, format=kind, out=out, **opening)
    if as_json:
        print_json(done.to_json())
        return
    say(f"{printable(done.path)}: {done.format}, max |Δ output| {done.max_abs_difference:.1e}")
