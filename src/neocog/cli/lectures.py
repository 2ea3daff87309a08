"""`neocog lectures`."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence

import click

from neocog.cli.options import (
    HELP,
    OUT_FILE,
    json_option,
    print_json,
    print_result,
    verbose_option,
)
from neocog.cli.terminal import say
from neocog.errors import UsageError
from neocog.first_screen import WIDTH, path_word

__all__ = ["command"]


@click.command("lectures", context_settings=HELP)
@click.argument("ids", metavar="[ID…]", nargs=-1)
@click.option("--only", metavar="ID,…", help="Chapters and claims: A,E3.  [all]")
@click.option("--data", default="digits", metavar="DATA", help="Labeled images.  [digits]")
@click.option("--seed", type=click.IntRange(0, 2**31), default=0, help="Random seed.  [0]")
@click.option(
    "--report",
    type=OUT_FILE,
    is_flag=False,
    flag_value="lectures.html",
    help="Write an HTML report with every figure.  [lectures.html]",
)
@click.option(
    "--slides",
    type=OUT_FILE,
    is_flag=False,
    flag_value="slides.html",
    help="Write the figures as slides, one HTML file.  [slides.html]",
)
@click.option(
    "--exercises",
    type=OUT_FILE,
    is_flag=False,
    flag_value="exercises.py",
    help="Write exercises for a class, functions to be filled in, and stop.  [exercises.py]",
)
@verbose_option
@json_option
def command(
    ids: tuple[str, ...],
    only: str | None,
    data: str,
    seed: int,
    report: str | None,
    slides: str | None,
    exercises: str | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Measure the claims of the lectures on convolutional networks, each with a verdict.

    Chapters: A the operation, B geometry and cost, C building blocks, D networks, E symmetry, F
    learning in practice, G seeing inside, H why priors. A verdict is computed from the numbers
    beside it; where the lectures print another number than their own formula gives, it says so.
    Exit status 1 if a claim is not met, or a part of it is not shown.

    `neocog lectures check FILE` runs a file of exercises and says of each function whether it is
    right, with the first call that goes wrong; exit status 1 if one is not.

    \b
    neocog lectures
    neocog lectures --only A,E3 --verbose
    neocog lectures --report lectures.html
    neocog lectures --only E --slides symmetry.html
    neocog lectures --exercises exercises.py
    neocog lectures check exercises.py
    """
    import neocog.lectures
    from neocog.verbs.progress import progress_line

    alone = [only, report, slides, data != "digits" or None, seed or None, verbose or None]
    if exercises is not None:
        _nothing_else("--exercises", [*ids, *alone, as_json or None])
        _write(exercises)
        return
    if ids[:1] == ("check",):
        _nothing_else("check", alone)
        _check(ids[1:], as_json=as_json)
        return
    chosen = [*ids, *([only] if only else [])]
    with progress_line("lectures") as on_progress:
        result = neocog.lectures.run(chosen, data=data, seed=seed, progress=on_progress)
    if slides is not None:
        result.save_slides(slides)
    print_result(result, report=report, verbose=verbose, as_json=as_json)
    if slides is not None:
        say(f"Slides: {slides}", err=True)
    if not result.all_met:
        sys.exit(1)


def _nothing_else(name: str, others: Sequence[object]) -> None:
    """Refuse options that would be ignored."""
    if any(value is not None for value in others):
        raise UsageError(
            f"`neocog lectures {name}` measures no claims, so options of a measurement say "
            "nothing; some were given. Leave them out."
        )


def _write(path: str) -> None:
    from neocog.lectures.exercises import EXERCISES, write_exercises

    target = write_exercises(path)
    say(f"{len(EXERCISES)} exercises in {target}.")
    say("")
    say("Next: fill them in, and check them")
    say(f"  neocog lectures check {path_word(str(target))}")


def _check(files: tuple[str, ...], *, as_json: bool) -> None:
    """Check one file of exercises; exit status 1 where a function is wrong or not written."""
    from neocog.lectures.exercises import checked_file

    if len(files) != 1:
        raise UsageError(
            f"`check` takes one file of exercises, got {len(files)}. "
            "Write one: neocog lectures --exercises exercises.py."
        )
    results = checked_file(files[0])
    passed = sum(c.passed is True for c in results)
    if as_json:
        rows = [
            {"exercise": c.exercise.name, "chapter": c.exercise.chapter, "passed": c.passed,
             "message": c.message}
            for c in results
        ]  # fmt: skip
        print_json({"n": len(results), "passed": passed, "exercises": rows})
    else:
        say(f"{passed} of {len(results)} exercises passed.")
        say("")
        for c in results:
            word = {True: "passed", False: "wrong", None: "not written"}[c.passed]
            say(f"  {c.exercise.chapter}  {c.exercise.name:<16} {word}")
            for line in textwrap.wrap(c.message, WIDTH - 5):
                say(f"     {line}")
    if passed < len(results):
        sys.exit(1)
