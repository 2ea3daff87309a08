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
    "--format", "kind", metavar="FORMAT", default="onnx", help="onnx, pt2, torch.  [onnx]"
)
@click.option(
    "--out", type=OUT_FILE, metavar="FILE", help="What is written.  [NAME.onnx, .pt2 or .pt]"
)
@model_options
@json_option
def command(
    model: str, kind: str, out: str | None, opening: Mapping[str, Any], as_json: bool
) -> None:
    """Write MODEL as one file for other programs, and compare its answers.

    onnx and pt2 hold the whole model: pixels from 0 to 1 go in, any number of samples at once.
    torch holds the state dict of the network, and the spec beside it. MODEL is a run folder,
    package.module:factory or a .pt2; see `neocog evaluate`.

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
    say(
        f"{printable(done.path)}: {done.format}, answers differ by "
        f"{done.max_abs_difference:.1e} at most"
    )
