"""Tables on a terminal: never wider than it, and no word of a head is broken."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from neocog.cli.draw import draw
from neocog.exhibits import Bars, Check, Checks, Section, Table

WIDE = Table(
    title="consistency",
    columns=[
        "shift",
        "consistency",
        "95 % interval",
        "both correct",
        "same incorrect prediction",
        "flip rate",
        "worst-case accuracy",
        "chance agreement",
    ],
    rows=[
        ["circular", "97.70 %", "96.60 % to 98.60 %", 0.912, 0.065, 0.023, 0.871, 0.101],
        ["sub-pixel", "97.70 %", "96.60 % to 98.60 %", 0.912, 0.065, 0.023, 0.871, 0.101],
    ],
)


def printed(*exhibits: object, width: int = 80) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, soft_wrap=True, highlight=False)
    draw(console, Section(title="s", exhibits=exhibits))  # type: ignore[arg-type]
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal_and_no_word_of_a_head_is_broken(width: int) -> None:
    lines = printed(WIDE, width=width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for column in WIDE.columns:
        for word in column.split():
            assert word in text, word
    assert text.count("96.60 % to 98.60 %") == 2


def test_what_does_not_fit_goes_into_a_second_table_with_the_same_first_column() -> None:
    lines = printed(WIDE)
    assert sum("consistency, continued" in line for line in lines) >= 1
    assert sum("sub-pixel" in line for line in lines) == sum("━━┳━━" in line for line in lines)
    assert len([line for line in printed(WIDE, width=200) if "continued" in line]) == 0


def test_one_column_that_is_too_wide_is_folded() -> None:
    lines = printed(Table(title="t", columns=["file"], rows=[["x" * 200]]))
    assert max(map(len, lines)) <= 80
    assert sum(line.count("x") for line in lines) == 200


def test_a_table_without_columns_or_rows_is_no_error() -> None:
    assert printed(Table(title="t", columns=[], rows=[]))
    assert printed(Table(title="t", columns=["a"], rows=[]))


def test_bars_and_checks_are_tables() -> None:
    bars = Bars(title="by cause", names=["conv1"], series={"aliasing": [0.125], "padding": [None]})
    checks = Checks(title="checks", checks=[Check(name="deletion", passed=None, text="why")])
    text = "\n".join(printed(bars, checks))
    assert "0.125" in text
    assert "undecided" in text
