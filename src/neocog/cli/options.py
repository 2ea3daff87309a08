"""Option types and printers that several commands share."""

from __future__ import annotations

import functools
import json
import math
import re
import sys
from collections.abc import Callable
from typing import Any

import click

from neocog.cli.terminal import lines, say
from neocog.errors import UsageError, printable
from neocog.files import parse_toml
from neocog.models.declared import ModelOptions
from neocog.types import RESIZE_MODES, VALUES

__all__ = [
    "DEVICE",
    "HELP",
    "NUMBERS",
    "OUT_FILE",
    "OUT_FOLDER",
    "SECONDS",
    "SHAPE",
    "SIZE",
    "init_option",
    "json_option",
    "model_options",
    "parse_setting",
    "parse_value",
    "print_json",
    "print_result",
    "resize_mode_option",
    "strict_option",
    "task_option",
    "verbose_option",
]


_N = "([0-9]{1,9})"
"""An integer of at most nine digits."""


def _shortened(value: object) -> str:
    """A given value, printable and at most 60 characters long, for a message."""
    text = printable(str(value))
    return text if len(text) <= 60 else text[:60] + "…"


class _Seconds(click.ParamType):
    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        if isinstance(value, int | float):
            return float(value)
        match = re.fullmatch(
            r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(s|sec|m|min|h)?", str(value).strip()
        )
        if not match or float(match[1]) <= 0:
            self.fail(
                f"a time is a number with s, m or h, got `{_shortened(value)}`. Write 60s or 5m."
            )
        return float(match[1]) * {"m": 60, "h": 3600}.get((match[2] or "s")[0], 1)


class _Size(click.ParamType):
    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([0-9]{1,9})(?:[,x]([0-9]{1,9}))?", str(value).strip())
        if not match or not int(match[1]):
            self.fail(
                f"a size is S or H,W in pixels, got `{_shortened(value)}`. Write 64 or 48,64."
            )
        return int(match[1]), int(match[2] or match[1])


class _Shape(click.ParamType):
    name = "shape"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(rf"{_N}[,x]{_N}(?:[,x]{_N})?", re.sub(r"\s", "", str(value)))
        numbers = tuple(int(n) for n in match.groups() if n) if match else (0,)
        if not all(numbers):
            self.fail(
                f"the size of a sample is C,H,W, or C,N of a series, got `{_shortened(value)}`. "
                "Write 3,32,32."
            )
        return numbers


class _Numbers(click.ParamType):
    name = "numbers"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(v) for v in str(value).split(","))
        except ValueError:
            numbers = (math.nan,)
        if not all(map(math.isfinite, numbers)):
            self.fail(
                f"numbers are separated by commas, got `{_shortened(value)}`. Write .485,.456,.406."
            )
        return numbers


class _Classes(click.ParamType):
    name = "classes"

    def convert(self, value: Any, param: Any, ctx: Any) -> str | int:
        whole = re.fullmatch(r"[0-9]{1,9}", str(value)) is not None
        return int(value) if whole else str(value)


class _Target(click.ParamType):
    """An output file or folder, checked before the command begins."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        from neocog.targets import target_file, target_folder

        check = target_file if self.name == "file" else target_folder
        check(value, option=param.name if param is not None else "out")
        return str(value)


class _Device(click.ParamType):
    name = "device"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        from neocog.training.machine import check_device

        check_device(str(value))
        return str(value)


HELP = {"help_option_names": ["-h", "--help"]}
"""Context settings of every command."""

SECONDS = _Seconds()
"""60, 60s, 5m, 1h: to seconds."""

SIZE = _Size()
"""64 or 48,64: to (H, W)."""

SHAPE = _Shape()
"""3,32,32 or 1,128: to (C, H, W) or (C, N)."""

NUMBERS = _Numbers()
"""0.5 or .485,.456,.406: to numbers."""

DEVICE = _Device()
"""cpu, cuda, cuda:1, mps; a missing device is refused before the command begins."""

OUT_FILE = _Target("file")
"""An output file; a path that cannot be written is refused before the command begins."""

OUT_FOLDER = _Target("folder")
"""An output folder; one that cannot be written is refused before the command begins."""

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON on stdout."
)

verbose_option = click.option(
    "--verbose", "-v", is_flag=True, help="Print everything, like the report."
)

strict_option = click.option(
    "--strict", is_flag=True, help="Stop at the first unreadable image instead of skipping it."
)

batch_size_option = click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    help="Samples per forward pass.  [chosen by sample size]",
)

task_option = click.option(
    "--task",
    type=click.Choice(["classify", "segment", "regress"]),
    help="What an external model predicts.  [classify]",
)


init_option = click.option(
    "--init",
    type=click.Choice(["pretrained", "none"]),
    help="Weights of a timm: or torchvision: model; none: random.  [pretrained]",
)

resize_mode_option = click.option(
    "--resize-mode",
    type=click.Choice(RESIZE_MODES),
    help="How images are resized to the input size.  [crop]",
)

_MODEL = (
    click.option(
        "--weights", metavar="FILE", help="Weights of module:factory: safetensors or a state dict."
    ),
    click.option(
        "--size",
        type=SHAPE,
        metavar="C,H,W",
        help="Input size of an external model: 3,224,224; C,N of series.",
    ),
    click.option(
        "--mean", type=NUMBERS, metavar="M,…", help="Mean per channel of pixels in [0, 1].  [0]"
    ),
    click.option(
        "--std",
        type=NUMBERS,
        metavar="S,…",
        help="Standard deviation per channel of pixels in [0, 1].  [1]",
    ),
    click.option(
        "--classes",
        type=_Classes(),
        metavar="FILE",
        help="Class names, one per line; or their number.",
    ),
    init_option,
    click.option(
        "--output",
        metavar="NAME",
        help="Which tensor is the prediction, where several are returned.",
    ),
    click.option(
        "--allow-random",
        is_flag=True,
        default=None,
        help="Accept a model whose predictions are random or depend on the batch.",
    ),
    resize_mode_option,
    click.option(
        "--values",
        type=click.Choice(VALUES),
        help="raw: an external model of arrays of any range, taken as they are.  [pixels]",
    ),
)


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of an external MODEL, passed to a command as one mapping, `opening`.

    Its keys are keyword arguments of `neocog.load`; options that were not given
    are left out.
    """

    @functools.wraps(command)
    def collected(**given: Any) -> Any:
        options = {name: given.pop(name) for name in ModelOptions.__annotations__}
        opening = {name: value for name, value in options.items() if value is not None}
        return command(opening=opening, **given)

    for option in reversed(_MODEL):
        collected = option(collected)
    return collected


def parse_value(text: str) -> Any:
    """A value parsed as TOML; anything that is not TOML is a string.

    Example:
        >>> parse_value("0.1"), parse_value("true"), parse_value("[3, 4]"), parse_value("cosine")
        (0.1, True, [3, 4], 'cosine')
    """
    try:
        return parse_toml(f"value = {text}", source="a value", error=UsageError)["value"]
    except UsageError:
        return text


def parse_setting(text: str, *, table: str = "") -> tuple[str, Any]:
    """Parse KEY=VALUE into a pair.

    Raises:
        UsageError: there is no `=`.

    Example:
        >>> parse_setting("shift=2", table="augment")
        ('augment.shift', 2)
    """
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise UsageError(f"A setting is KEY=VALUE, got `{text}`. Write `shift=2`, for example.")
    key = key.strip()
    return (f"{table}.{key}" if table else key), parse_value(value.strip())


def print_json(value: Any) -> None:
    """One JSON value on standard output; odd bytes in names become escapes, NaN becomes null."""
    from neocog.jsonable import jsonable

    json.dump(jsonable(value), sys.stdout, indent=2, ensure_ascii=True, allow_nan=False)
    sys.stdout.write("\n")


def print_result(result: Any, *, report: str | None, verbose: bool, as_json: bool) -> None:
    """A result of data: warnings, report, and its first screen, all of it or JSON.

    Args:
        result: a `neocog.render.notebook.Result` with warnings.
        report: an HTML file to write.
        verbose: print all sections.
        as_json: print JSON instead.
    """
    for warning in result.warnings:
        say(f"warning  {warning}", err=True)
    if report is not None:
        result.save_html(report)
    if as_json:
        print_json(result.to_json())
        return
    lines(result.summary().split("\n"))
    if verbose:
        from neocog.cli.draw import draw_all

        draw_all(result.sections())
    if report is not None:
        say(f"Report: {report}", err=True)
