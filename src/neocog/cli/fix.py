"""`neocog fix`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import click

from neocog.cli.options import (
    DEVICE,
    HELP,
    OUT_FOLDER,
    SECONDS,
    json_option,
    model_options,
    print_json,
)
from neocog.cli.terminal import say
from neocog.errors import printable

__all__ = ["command"]


@click.command("fix", context_settings=HELP)
@click.argument("model")
@click.argument("data")
@click.option("--downsampling", default="", help="blur, polyphase, ….  [blur; circular: polyphase]")
@click.option("--padding", default="keep", help="keep the borders, or circular.  [keep]")
@click.option("--finetune", type=float, metavar="EPOCHS", help="0 for none.  [12 or the budget]")
@click.option("--budget", type=SECONDS, help="For everything, as 60s or 5m.  [15m]")
@click.option("--lr", type=float, default=0.0, help="Highest rate; found by short trials.")
@click.option(
    "--consistency-weight", type=float, help="Weight of consistency, 0 to 20; found likewise."
)
@click.option("--keep", default="better", help="What is better, or fixed in any case.  [better]")
@click.option("--shift", default="", help="Ways of shifting, with commas; the first is asked for.")
@click.option(
    "--layer", "layers", multiple=True, metavar="GROUP", help="Replace this group; may be repeated."
)
@click.option("--rank-layers", is_flag=True, help="Try each group alone: which to fix first.")
@click.option(
    "--samples", "n", type=click.IntRange(1), default=1000, help="Samples to shift.  [1000]"
)
@click.option("--seed", type=int, default=0, help="Of everything that is drawn.  [0]")
@click.option("--device", type=DEVICE, default="", help="cpu, cuda, mps; the best if left out.")
@click.option(
    "--out", type=OUT_FOLDER, metavar="FOLDER", help="The run folder.  [runs/NAME-DOWNSAMPLING]"
)
@click.option("--overwrite", is_flag=True, help="Replace a run that is there.")
@model_options
@json_option
def command(model: str, data: str, opening: Mapping[str, Any], as_json: bool, **given: Any) -> None:
    """Change how MODEL downsamples, fine-tune it on DATA, and hand on what is better.

    MODEL itself stays as it is. Batch norms are recalibrated without labels; rate, weight and the
    state that is kept are chosen on validation samples. Better means: consistency under the first
    of --shift is higher and accuracy is not lower, both by their 95 % intervals on the test
    samples. Where nothing got better the result holds the model as it was, and says so. It is a
    run folder that every verb takes. What cannot be replaced is named with the reason.

    DATA may be a flat folder of images without labels.

    \b
    neocog fix runs/digits digits --budget 60s
    neocog fix runs/images images/ --padding circular --finetune 5
    neocog fix runs/images unlabeled/ --finetune 0
    neocog fix nets.small:make images/ --weights w.pt --size 3,32,32 --rank-layers
    """
    from neocog.runs.opened import open_model
    from neocog.verbs.fix import fix

    given["layers"] = given["layers"] or None
    given["shift"] = tuple(part.strip() for part in given["shift"].split(",") if part.strip())
    done = fix(open_model(model, **opening), data, **given)
    if as_json:
        print_json(done.to_json())
        return
    from neocog.cli.draw import draw, on_stdout

    draw(on_stdout(), done.exhibits())
    say(f"run {shlex.quote(printable(done.run))}, with report.html")
