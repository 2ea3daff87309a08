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
    verbose_option,
)
from neocog.cli.terminal import lines, say
from neocog.errors import printable

__all__ = ["command"]


@click.command("fix", context_settings=HELP)
@click.argument("model")
@click.argument("data")
@click.option(
    "--downsampling",
    default="",
    help="blur, polyphase, ….  [blur; polyphase with --padding circular]",
)
@click.option("--padding", default="keep", help="Padding mode: keep or circular.  [keep]")
@click.option(
    "--symmetry",
    default="",
    metavar="GROUP",
    help="Make predictions invariant: c4 to quarter turns, d4 to mirror images too, c2, c8, ….",
)
@click.option(
    "--by",
    default="averaging",
    help="With --symmetry: averaging over poses, or canonical: one pass.  [averaging]",
)
@click.option(
    "--finetune",
    type=float,
    metavar="EPOCHS",
    help="Fine-tune this many epochs; 0 for none.  [12, or what --budget allows]",
)
@click.option("--budget", type=SECONDS, help="Time limit for the whole command: 60s, 5m.  [15m]")
@click.option("--lr", type=float, default=0.0, help="Peak learning rate.  [chosen by short trials]")
@click.option(
    "--consistency-weight",
    type=float,
    help="Weight of the consistency loss, 0 to 20.  [chosen by short trials]",
)
@click.option(
    "--keep",
    default="better",
    help="Keep the better model; fixed: always the fixed one.  [better]",
)
@click.option(
    "--shift", default="", help="Kinds of shift, comma-separated; the first decides.  [crop]"
)
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="GROUP",
    help="Replace only this group of layers; repeatable.",
)
@click.option(
    "--rank-layers", is_flag=True, help="Rank groups by flips saved per extra MAC; fix nothing."
)
@click.option(
    "--samples", "n", type=click.IntRange(1), default=1000, help="Test samples to shift.  [1000]"
)
@click.option("--seed", type=int, default=0, help="Random seed.  [0]")
@click.option(
    "--device", type=DEVICE, default="", help="cpu, cuda, cuda:1 or mps.  [the fastest available]"
)
@click.option(
    "--out",
    type=OUT_FOLDER,
    metavar="FOLDER",
    help="Run folder to write.  [runs/NAME-DOWNSAMPLING]",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing run folder.")
@model_options
@verbose_option
@json_option
def command(
    model: str,
    data: str,
    opening: Mapping[str, Any],
    verbose: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Replace the aliasing downsamplers of MODEL, fine-tune on DATA, and keep the better model.

    With --symmetry the predictions become invariant to rotations and mirror images instead, or as
    well: exact at once for quarter turns, whatever MODEL was trained on.

    MODEL itself is not changed. Batch norms are recalibrated without labels; learning rate,
    consistency weight and checkpoint are chosen on validation samples; of checkpoints of the
    fine-tune within one standard error of the best, the latest. Better means: higher consistency
    under the first of --shift and no lower accuracy, by 95 % CIs on the test samples; with
    --symmetry: under its poses, and accuracy is that in a random pose. If nothing is
    better, the run folder holds the original model, and the headline states it. Every command takes
    the run folder. Skipped layers are listed with the reason.

    DATA may be a flat folder of images without labels.

    \b
    neocog fix runs/digits digits --budget 60s
    neocog fix runs/images images/ --padding circular --finetune 5
    neocog fix runs/images unlabeled/ --finetune 0
    neocog fix runs/cells cells/ --symmetry d4
    neocog fix nets.small:make images/ --weights w.pt --size 3,32,32 --rank-layers
    """
    from neocog.runs.load import load
    from neocog.verbs.fix import fix

    given["layers"] = given["layers"] or None
    given["shift"] = tuple(part.strip() for part in given["shift"].split(",") if part.strip())
    done = fix(load(model, **opening), data, **given)
    if as_json:
        print_json(done.to_json())
        return
    lines(done.summary().split("\n"))
    if verbose:
        from neocog.cli.draw import draw, on_stdout

        draw(on_stdout(), done.exhibits())
    say(f"run {shlex.quote(printable(done.run))}, with report.html")
