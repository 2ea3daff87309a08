"""`neocog predict`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click

from neocog.cli.options import HELP, batch_size_option, json_option, model_options
from neocog.cli.terminal import say
from neocog.errors import DataError, UsageError

__all__ = ["command"]


@click.command("predict", context_settings=HELP)
@click.argument("model")
@click.argument("paths", nargs=-1, metavar="PATH…")
@click.option(
    "-0", "--null", is_flag=True, help="Paths on standard input are separated by null bytes."
)
@batch_size_option
@model_options
@json_option
def command(
    model: str,
    paths: tuple[str, ...],
    null: bool,
    batch_size: int | None,
    opening: Mapping[str, Any],
    as_json: bool,
) -> None:
    """Predict the class of image files and of the images below folders, one line per image.

    MODEL is a run folder, timm:NAME, torchvision:NAME, package.module:factory, a .pt2 or an .onnx
    file; see `neocog evaluate`. PATH may be data: digits, images/:test, scans.npy, waves.npz. The
    path `-` reads a list of paths from standard input, one per line. Unreadable files are named and
    skipped. With --json each line is one JSON object.

    \b
    neocog predict runs/digits seven.png more/
    find . -name '*.jpg' -print0 | neocog predict runs/images -0 - --json
    """
    import json

    from neocog.errors import printable
    from neocog.runs.load import load

    if not paths:
        raise UsageError(
            "A prediction needs image files or folders, and none were given. Name some, or `-` for "
            "a list on standard input."
        )
    trained = load(model, **opening)
    used = failed = 0
    for prediction in trained.stream(_expand(paths, null), batch_size=batch_size):
        if as_json:
            plain = prediction.to_json()
            if trained.doubts:
                plain["notes"] = list(trained.doubts)
            say(json.dumps(plain, ensure_ascii=True, allow_nan=False))
        elif prediction.error is not None:
            say(f"{printable(prediction.path)}\tnot used: {printable(prediction.error)}", err=True)
        else:
            label = printable(str(prediction.label))
            say(f"{label}\t{prediction.probability:.4f}\t{printable(prediction.path)}")
        used += prediction.error is None
        failed += prediction.error is not None
    if not used:
        raise DataError(
            f"A prediction needs a readable image; of {failed} files none is. "
            "Check the paths; `neocog data FOLDER` says what is wrong with each file."
        )


def _expand(paths: tuple[str, ...], null: bool) -> Iterator[str]:
    for path in paths:
        if path != "-":
            yield path
            continue
        for raw in sys.stdin.buffer.read().split(b"\0" if null else b"\n"):
            name = raw if null else raw.rstrip(b"\r")
            if name:
                yield os.fsdecode(name)
