"""The command line: a table of commands, each opened when it is called."""

from __future__ import annotations

import getpass
import importlib
import os
import re
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import click

from neocog.cli.memory import keep_freed_memory
from neocog.cli.terminal import GONE, flush, say, streams
from neocog.errors import NeocogError, did_you_mean, printable
from neocog.runs.interrupt import Remembering
from neocog.suggest import suggestion
from neocog.version import __version__

__all__ = ["VERBS", "cli", "main"]

VERBS = {
    "train": "Train a classifier on DATA; write a run folder with a report.",
    "pretrain": "Pretrain a network on DATA without labels; `train --init RUN` goes on.",
    "evaluate": "Evaluate MODEL on DATA: accuracy, per class, confusion, calibration.",
    "predict": "Predict the classes of image files and folders.",
    "audit": "Measure shift consistency and name the layers that break it.",
    "fix": "Replace aliasing downsamplers of a trained model; fine-tune and compare.",
    "explain": "Attribution maps with sanity checks; filters, features, top activations.",
    "explore": "Explore a model in the browser: feature maps, arithmetic, shifts.",
    "export": "Export MODEL to ONNX, pt2 or a state dict; check parity.",
    "summary": "Parameters, MACs, FLOPs and receptive fields of MODEL, layer by layer.",
    "data": "Inspect DATA: counts, sizes, unreadable files, duplicates, label conflicts.",
    "priors": "Measure what locality, weight sharing and other priors are worth on DATA.",
    "lectures": "Measure the claims of the lectures, each with evidence and a verdict.",
    "models": "List the models that can be trained, with parameters and MACs.",
}
"""Command to its one-line help. `neocog.cli.COMMAND` holds its `command`."""


class _Commands(click.Group):
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
                f"There is no command `{args[0]}`. {did_you_mean(args[0], VERBS)}"
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.command(
    cls=_Commands,
    subcommand_metavar="COMMAND …",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, message="neocog %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Audit, fix, train and explain convolutional networks.

    Audit any model on your images:  neocog audit timm:resnet18 images/

    Train one:  neocog train images/
    """


def main(args: list[str] | None = None) -> None:
    """Run a command and leave with its exit status: 0, 1, 2, 130 or 141."""
    began = time.monotonic()  # a budget counts from here, before anything heavy is imported
    args = sys.argv[1:] if args is None else args
    debug = "--debug" in args
    # `--debug` may stand anywhere, also after the command.
    args = ["--debug"] * debug + [a for a in args if a != "--debug"]
    with warnings.catch_warnings(), streams(), _remembered_interrupts() as interrupt:
        warnings.showwarning = _note
        _have_a_name()
        status = flush(_status(args, began, debug, interrupt))
    sys.exit(status)


def _have_a_name() -> None:
    """Give libraries a user name where the system knows only a user id."""
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):
        os.environ["LOGNAME"] = f"user-{os.getuid()}"


@contextmanager
def _remembered_interrupts() -> Iterator[Remembering]:
    """A Ctrl-C that is swallowed by an import still ends the command."""
    interrupt = Remembering()
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # ignored, as below `nohup`, or the caller's
        yield interrupt
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupt
    finally:
        interrupt.rest()
        signal.signal(signal.SIGINT, before)


def _status(args: list[str], began: float, debug: bool, interrupt: Remembering) -> int:
    """Run a command; report an error in one sentence."""
    try:
        _check(args)
        # Not `cli.main()`, which has another exit status for a broken pipe.
        with cli.make_context("neocog", args, obj=began) as context:
            _invoke(context, interrupt)
    except click.exceptions.Exit as e:
        return e.exit_code
    except (click.Abort, KeyboardInterrupt) as e:
        # Behind the ^C of a terminal a line of its own; a training says what was saved.
        if sys.stderr.isatty():
            say("", err=True)
        say(f"Interrupted. {e}".rstrip(), err=True)
        return 130
    except BrokenPipeError:
        return GONE  # who read the output has gone, as `head` does; nothing is left to be said
    except click.exceptions.NoArgsIsHelpError as e:
        e.show()
        return 2
    except (click.ClickException, NeocogError, MemoryError, OSError) as e:
        return _refused(e, _sentence(e), debug)
    except (RuntimeError, ImportError, SystemError) as e:
        if not _out_of_memory(e):
            raise
        return _refused(e, _sentence(e), debug)
    return 0


def _refused(e: Exception, sentence: str, debug: bool) -> int:
    """Report the error in one line; with --debug, raise it."""
    if debug:
        raise e
    one_line = re.sub(r"\s*\n\s*", " ", sentence.strip())
    say(f"neocog: {one_line}", err=True)
    return 2


def _check(args: list[str]) -> None:
    """Refuse words that no file and no name can be.

    Raises:
        click.UsageError: a word holds a null byte or an incomplete character.
    """
    for word in args:
        if "\0" in word or any(
            "\ud800" <= c <= "\udfff" and not "\udc80" <= c <= "\udcff" for c in word
        ):
            raise click.UsageError(
                f"Arguments of a command must be text; `{printable(word[:60])}` contains "
                f"{'a null byte' if chr(0) in word else 'an incomplete character'}. Type it again."
            )


def _invoke(context: click.Context, interrupt: Remembering) -> None:
    """Run the command; an error after a swallowed Ctrl-C comes from a half-done import."""
    keep_freed_memory()
    try:
        cli.invoke(context)
    except Exception as e:
        if interrupt.requested:
            raise KeyboardInterrupt from e
        raise


def _out_of_memory(e: Exception) -> bool:
    """Whether memory ran out; on the CPU PyTorch has no class of its own for it."""
    words = (
        "out of memory",
        "allocate memory",
        "not enough memory",
        "failed to map segment",
        "can't start new thread",
        "Resource temporarily unavailable",
    )
    return any(w in str(e) for w in words)


def _sentence(e: Exception) -> str:
    match e:
        case click.NoSuchOption(ctx=click.Context(command=command, command_path=verb)):
            known = [o for p in command.params for o in (*p.opts, *p.secondary_opts)]
            near = suggestion(e.option_name, [o for o in known if o.startswith("-")])
            hint = f" Did you mean '{near}'?" if near else ""
            return f"No such option '{e.option_name}'.{hint} See `{verb} --help`."
        case click.UsageError(ctx=click.Context(command_path=verb)):
            return f"{e.format_message()} See `{verb} --help`."
        case click.ClickException():
            return e.format_message()
        case OSError(filename=str() | bytes() as name):
            return f"{printable(name)}: {e.strerror}."
        case NeocogError():
            return str(e)
        case OSError(errno=None):
            return f"Reading or writing failed: {e}. Check the disk and the memory."
        case MemoryError() | RuntimeError() | ImportError() | SystemError():
            return (
                "Out of memory, on the machine or within the limits of this process (`ulimit -a`). "
                "Use a smaller --batch-size, --size or model, or allow more."
            )
    return str(e)


def _note(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning in one line, without its position in the code."""
    say(f"note     {message}", err=True)
