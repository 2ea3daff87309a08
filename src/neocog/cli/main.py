"""The command line: a table of verbs, each opened when it is called."""

from __future__ import annotations

import importlib
import os
import sys
import time
from typing import Any

import click

from neocog import __version__
from neocog.errors import NeocogError, did_you_mean

__all__ = ["VERBS", "cli", "main"]

VERBS = {
    "train": "Train a network on a place of data; keep and report it.",
    "evaluate": "Score a trained model on data.",
    "predict": "A trained model's answers for files and folders.",
    "data": "What a place of data holds: counts, faults, duplicates, balance.",
    "networks": "What can be built, with parameters and multiply-adds.",
}
"""Verb to its one-line help. `neocog.cli.VERB` holds its `command`."""


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(f"neocog.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise click.UsageError(
                f"neocog has no verb `{args[0]}`. {did_you_mean(args[0], VERBS)}"
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.command(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="neocog %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Train, audit, fix and explain convolutional networks, with the priors measured.

    Start with `neocog train digits`, then open the report it names.
    """


def main(args: list[str] | None = None) -> None:
    """Run a command and leave with its exit status: 0, 1, 2 or 130."""
    began = time.monotonic()  # a budget counts from here, before anything heavy is imported
    args = sys.argv[1:] if args is None else args
    debug = "--debug" in args
    # `--debug` may stand anywhere, also behind the verb.
    args = ["--debug"] * debug + [a for a in args if a != "--debug"]
    try:
        status: Any = cli.main(args, prog_name="neocog", standalone_mode=False, obj=began)
        sys.stdout.flush()
    except click.exceptions.Exit as e:
        status = e.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. What was reached is saved.", err=True)
        status = 130
    except BrokenPipeError:
        # Who read the output has gone, as `head` does; nothing is left to be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 0
    except click.ClickException as e:
        if debug:
            raise
        e.show()
        status = 2
    except NeocogError as e:
        if debug:
            raise
        click.echo(f"neocog: {e}", err=True)
        status = 2
    except MemoryError:
        if debug:
            raise
        click.echo(
            "neocog: The machine has no memory left. Take a smaller batch, size or network.",
            err=True,
        )
        status = 2
    sys.exit(status if isinstance(status, int) else 0)
