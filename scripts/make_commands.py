"""Write docs/reference/commands.md from what each verb says of itself."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from neocog.cli.main import VERBS, cli

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "commands.md"

HEAD = """# Commands

Made by `python scripts/make_commands.py` from the help of each verb; a test fails when it is old.

Progress goes to standard error, results to standard output, with `--json` as JSON. Exit status: 0
done, 1 a required bound was missed or a claim is not met, 2 wrong use or bad input (one sentence
says what; `--debug` shows the traceback), 130 interrupted (what was reached is saved).
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, f"## neocog\n\n```text\n{_help(cli, 'neocog')}\n```\n"]
    for verb in VERBS:
        command = importlib.import_module(f"neocog.cli.{verb}").command
        parts.append(f"## neocog {verb}\n\n```text\n{_help(command, f'neocog {verb}')}\n```\n")
    return "\n".join(parts)


def _help(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=name, max_content_width=96, terminal_width=96)
    context.help_option_names = ["-h", "--help"]
    return command.get_help(context).rstrip()


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page())
