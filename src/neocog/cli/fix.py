"""`neocog fix`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import click

from neocog.cli.options import HELP, json_option, model_options, print_json
from neocog.errors import printable

__all__ = ["command"]


@click.command("fix", context_settings=HELP)
@click.argument("model")
@click.argument("data")
@click.option("--sampling", default="polyphase", help="blur, polyphase, ….  [polyphase]")
@click.option("--padding", default="keep", help="keep the borders, or circular.  [keep]")
@click.option("--finetune", type=float, default=1.0, metavar="EPOCHS", help="0 for none.  [1]")
@click.option("--lr", type=float, default=0.0, help="Highest rate; a third of a training's.")
@click.option("--steady", type=float, default=0.0, help="Draw two views together, 0 to 20.  [0]")
@click.option("--only", multiple=True, metavar="GROUP", help="Replace this group; may be repeated.")
@click.option("--advice", is_flag=True, help="Try each group alone: which to fix first.")
@click.option("--n", type=click.IntRange(1), default=1000, help="Samples to shift.  [1000]")
@click.option("--seed", type=int, default=0, help="Of everything that is drawn.  [0]")
@click.option("--device", default="", help="cpu, cuda, mps; the best if left out.")
@click.option("--out", metavar="FOLDER", help="The run folder.  [runs/NAME-SAMPLING]")
@click.option("--overwrite", is_flag=True, help="Replace a run that is there.")
@model_options
@json_option
def command(model: str, data: str, opening: Mapping[str, Any], as_json: bool, **given: Any) -> None:
    """Change how MODEL drops samples, fine-tune it on DATA, and say what came of it.

    Its weights are kept, and MODEL itself stays as it is. What cannot be replaced is named with
    the reason. The result is a run folder that every verb takes.

    \b
    neocog fix runs/digits digits --sampling blur
    neocog fix runs/pictures pictures/ --sampling polyphase --padding circular --finetune 5
    neocog fix nets.small:make pictures/ --weights w.pt --size 3,32,32 --advice
    """
    from neocog.cli.watch import Watch
    from neocog.runs.opened import open_model
    from neocog.verbs.fix import fix

    given["only"] = given["only"] or None
    with Watch() as watch:
        done = fix(open_model(model, **opening), data, listen=_Told(watch), **given)
    if as_json:
        print_json(done.to_json())
        return
    from neocog.cli.draw import draw, on_stdout

    draw(on_stdout(), done.exhibits())
    click.echo(f"run {shlex.quote(printable(done.run))}, with report.html")


class _Told:
    """Shows what a fix says, on standard error."""

    def __init__(self, watch: Any) -> None:
        self.watch = watch

    def __call__(self, event: Any) -> None:
        """Words, a row an epoch, or a step, which the bar shows."""
        from neocog.runs.train import Epoch

        if isinstance(event, str):
            self.watch.say(event)
        elif isinstance(event, dict):
            self.watch(Epoch(row=event))
        else:
            self.watch(event)
