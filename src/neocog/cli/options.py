"""Option types and ways of printing that several verbs share."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import click

from neocog.errors import UsageError

__all__ = ["HELP", "SECONDS", "SIZE", "json_option", "parse_setting", "parse_value", "print_json"]


class _Seconds(click.ParamType):
    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        if isinstance(value, int | float):
            return float(value)
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|sec|m|min|h)?", str(value).strip())
        if not match or float(match[1]) <= 0:
            self.fail(f"a time is a number with s, m or h, got `{value}`. Write 60s or 5m.")
        return float(match[1]) * {"m": 60, "h": 3600}.get((match[2] or "s")[0], 1)


class _Size(click.ParamType):
    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d+)(?:[,x](\d+))?", str(value).strip())
        if not match or not int(match[1]):
            self.fail(f"a size is S or H,W in pixels, got `{value}`. Write 64 or 48,64.")
        return int(match[1]), int(match[2] or match[1])


HELP = {"help_option_names": ["-h", "--help"]}
"""Settings of every verb."""

SECONDS = _Seconds()
"""60, 60s, 5m, 1h: to seconds."""

SIZE = _Size()
"""64 or 48,64: to (H, W)."""

json_option = click.option("--json", "as_json", is_flag=True, help="The result as JSON on stdout.")


def parse_value(text: str) -> Any:
    """A value as TOML reads it; what is no TOML is a text.

    Example:
        >>> parse_value("0.1"), parse_value("true"), parse_value("[3, 4]"), parse_value("cosine")
        (0.1, True, [3, 4], 'cosine')
    """
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def parse_setting(text: str, *, table: str = "") -> tuple[str, Any]:
    """KEY=VALUE to a pair.

    Raises:
        UsageError: there is no `=`.

    Example:
        >>> parse_setting("shift=2", table="augment")
        ('augment.shift', 2)
    """
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise UsageError(f"A setting is KEY=VALUE, got `{text}`. Write `shift=2`, say.")
    key = key.strip()
    return (f"{table}.{key}" if table else key), parse_value(value.strip())


def print_json(value: Any) -> None:
    """One JSON value on standard output; odd bytes in names become escapes."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=True, allow_nan=False)
    sys.stdout.write("\n")
