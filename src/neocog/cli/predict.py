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
@click.option("-0", "--null", is_flag=True, help="Paths on standard input end with a zero byte.")
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
    """Answers of MODEL for files and for the images below folders.

    MODEL is a run folder, package.module:factory, a .pt2 or an .onnx file; see `neocog evaluate`.
    A path `-` stands for a list of paths on standard input, one a line. A file that cannot be
    used is named, the rest is answered. With --json each line is one JSON object.

    \b
    neocog predict runs/digits seven.png more/
    find . -name '*.jpg' -print0 | neocog predict runs/images -0 - --json
    """
    import json

    from neocog.errors import printable
    from neocog.runs.opened import open_model

    if not paths:
        raise UsageError("Name files or folders to predict, or `-` for a list on standard input.")
    trained = open_model(model, **opening)
    used = failed = 0
    for answer in trained.stream(_expand(paths, null), batch_size=batch_size):
        if as_json:
            plain = answer.to_json()
            if trained.doubts:
                plain["notes"] = list(trained.doubts)
            say(json.dumps(plain, ensure_ascii=True, allow_nan=False))
        elif answer.error is not None:
            say(f"{printable(answer.path)}\tnot used: {printable(answer.error)}", err=True)
        else:
            label = printable(str(answer.label))
            say(f"{label}\t{answer.probability:.4f}\t{printable(answer.path)}")
        used += answer.error is None
        failed += answer.error is not None
    if not used:
        raise DataError(
            f"Predicting needs an image that can be used; of {failed} files none can. "
            "Check the paths; `neocog data` names what is wrong with files of a folder."
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
