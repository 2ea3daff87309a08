"""`--series C,N`: an alias of `--size C,N`, the earlier name of the option."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import click

__all__ = ["series_option", "sized"]


class _Series(click.ParamType):
    name = "series"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([0-9]{1,9})[,x]([0-9]{1,9})", re.sub(r"\s", "", str(value)))
        if not match or not all(int(n) for n in match.groups()):
            self.fail(f"the size of a series is C,N, got `{value}`. Write 1,128.")
        return int(match[1]), int(match[2])


series_option = click.option(
    "--series", type=_Series(), metavar="C,N", help="Sample size of a model of series."
)


def sized(opening: Mapping[str, Any], series: tuple[int, int] | None) -> Mapping[str, Any]:
    """Options of an external model, with the size of a series.

    Args:
        opening: as `cli.options.model_options` collects it.
        series: (C, N) of a sample, where `--series` was given.

    Raises:
        click.UsageError: `--size` was given too.
    """
    if series is None:
        return opening
    if "size" in opening:
        raise click.UsageError("--size C,N and --series C,N mean the same; give one of them.")
    return {**opening, "size": series}
