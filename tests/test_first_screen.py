"""The first screen: few figures, lines that fit, commands that a shell takes as they are meant."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.exhibits import Scalar
from neocog.first_screen import Command, FirstScreen, Named, option_words, path_word, shell_line


def test_more_than_five_figures_are_refused() -> None:
    five = tuple(Scalar(title=str(i), value=i) for i in range(5))
    FirstScreen(headline="h", figures=five)
    with pytest.raises(ValueError, match="at most 5 figures; got 6"):
        FirstScreen(headline="h", figures=(*five, Scalar(title="6", value=6)))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1))
def test_words_come_back_from_their_line(words: list[str]) -> None:
    printable = [w for w in words if w.isprintable()]
    assert shlex.split(shell_line(printable)) == printable


@pytest.mark.parametrize(
    "word", ["two\nlines", "tab\there", "quote'\x07", "\x1b[31m", "caf\udce9", "back\\\nslash", "é"]
)
def test_a_shell_reads_every_word_as_it_is(word: str) -> None:
    line = f"printf %s {shell_line([word])}"
    assert line.isprintable()
    said = subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout
    assert said == word.encode("utf-8", "surrogateescape")


@settings(max_examples=50)
@given(st.text())
def test_any_line_can_be_printed(word: str) -> None:
    assert shell_line([word]).isprintable()


def test_paths_are_not_taken_for_options() -> None:
    command = Named(model="-rf", data="-x").command("audit", "t")
    assert command.line == "neocog audit ./-rf ./-x"
    assert path_word("a") == "a"


def test_options_of_an_external_model_are_named_again() -> None:
    options = option_words(
        {"weights": "my w.pt", "size": (3, 32, 32), "mean": (0.485, 0.5), "init": None}
    )
    line = Named(model="nets:make", data="d", options=options).command("fix", "t").line
    assert line == "neocog fix nets:make d --weights 'my w.pt' --size 3,32,32 --mean 0.485,0.5"


def test_the_text_fits_80_columns_and_commands_are_not_broken() -> None:
    long = "a long sentence with a number, 12.5 %, and more of it, " * 4
    command = Command(text=long, words=("neocog", "x" * 100))
    screen = FirstScreen(
        headline=long,
        detail=long,
        badge="Bad",
        figures=(
            Scalar(title="accuracy", value=0.5, unit="%", interval=(0.4, 0.6), note="n " * 60),
        ),
        next=(command,),
        note=long,
    )
    lines = screen.text().split("\n")
    assert f"  {command.line}" in lines
    assert all(len(line) <= 80 for line in lines if "xxx" not in line)
    assert not any(line.startswith("%") for line in lines)
    assert "  accuracy  50.00 %  (40.00 % to 60.00 %)" in lines


def test_words_of_a_user_stay_on_their_line() -> None:
    text = FirstScreen(headline="h", figures=(Scalar(title="a\nb\x1b", value=1),)).text()
    assert text.split("\n")[2] == "  a\\nb\\x1b  1"
