"""Numbers of thousands of digits, or none that end, where an option takes a number."""

from __future__ import annotations

import importlib
import sys

import click
import pytest

from neocog.cli.main import VERBS, main
from neocog.cli.options import parse_value
from neocog.errors import NeocogError

VALUES = [
    "9" * 30,
    "9" * 5000,
    "1e400",
    "nan",
    "-inf",
    "",
    "[" * 5000,
    "٣",
    "1.5.",
    "\x1b[31m",
    "1,",
]


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_takes_it_or_says_no(verb):
    command = importlib.import_module(f"neocog.cli.{verb}").command
    with click.Context(command, info_name=verb) as context:
        for option in command.params:
            for value in VALUES:
                given = [value] if option.multiple else value
                try:
                    option.type_cast_value(context, given)
                except (click.UsageError, NeocogError) as e:
                    said = e.format_message() if isinstance(e, click.UsageError) else str(e)
                    assert len(said) < 6000, (option.name, value[:20])  # click repeats what it got


@pytest.mark.parametrize(
    "words",
    [
        ["networks", "--classes", "9" * 30], ["networks", "--size", "9" * 5000],
        ["summary", "dense", "--size", "1,28,28", "--classes", "9" * 30],
        ["train", "digits", "--set", "train.epochs=" + "9" * 5000],
        ["train", "digits", "--set", "train.epochs=" + "[" * 5000],
        ["train", "digits", "--set", "data.seed=" + "9" * 30],
        ["train", "digits", "--set", "optimizer.lr=1e400"],
        ["train", "digits", "--budget", "9" * 400], ["train", "digits", "--seed", "9" * 30],
        ["train", "digits", "--batch-size", "9" * 30],
        ["train", "digits", "--augment", "shift=1e300"],
    ],
)  # fmt: skip
def test_it_is_one_sentence(words, capsys):
    with pytest.raises(SystemExit) as left:
        main(words)
    err = capsys.readouterr().err
    assert left.value.code == 2
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1, err[:500]


def test_a_setting_that_is_no_toml_is_a_text():
    for text in ("[" * 5000, "9" * 5000, "1e400", "nan", "{" * 100):
        assert parse_value(text) == text
    assert parse_value("1e3") == 1000.0


def test_the_limit_of_digits_is_pythons_own():
    assert sys.get_int_max_str_digits() > 0
