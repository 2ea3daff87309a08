"""The first screen says what the numbers say, on 24 lines of 80 columns."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.audits.test_sections import BEYOND, aligned, audit, border, layer, row, shift

from neocog.audits.aliasing import Aliasing
from neocog.audits.compare import Compared
from neocog.audits.first_screen import COLUMNS, LINES, ROBUST, first_screen, headline, next_command
from neocog.audits.grid import Grid
from neocog.audits.headline import first_screen as screen
from neocog.audits.plan import LeftOut
from neocog.audits.result import Audit
from neocog.first_screen import Named

COMMAND = ("runs/my run", "photos", "--size", "3,32,32")


def flips(rate: float, low: float, high: float, mode: str = "crop", **given: Any) -> Audit:
    one = shift(rate, mode, consistency_ci=(1 - high, 1 - low), **given)
    return audit(shift={mode: one}, layers=(layer(),))


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_the_verdict_follows_from_the_interval(one: float, two: float, three: float) -> None:
    low, rate, high = sorted((one, two, three))
    found = flips(rate, low, high)
    s = found.shift["crop"]
    said, (least, most) = headline(found), (1 - s.consistency_ci[1], 1 - s.consistency_ci[0])
    assert said.startswith("Not shift-robust: ") == (least > ROBUST)
    assert said.startswith("Shift-robust: ") == (most <= ROBUST and least <= ROBUST)
    assert said.startswith("Not decided") == (least <= ROBUST < most)
    todo = next_command(found, COMMAND)
    assert ("neocog fix " in todo) == (least > ROBUST)
    assert ("neocog audit " in todo) == (least <= ROBUST < most)


def test_the_headline_of_the_issue() -> None:
    said = headline(flips(0.065, 0.051, 0.082))
    assert said == (
        "Not shift-robust: 6.5 % of predictions flip under ≤ 4 px crops (95 % CI 5.1–8.2 %)."
    )


def test_crops_lead_then_circular_shifts() -> None:
    some = {m: shift(r, m) for m, r in (("zeros", 0.5), ("circular", 0.3), ("crop", 0.1))}
    assert "10.0 % of predictions flip under ≤ 4 px crops" in headline(audit(shift=some))
    del some["crop"]
    assert "30.0 % of predictions flip under ≤ 4 px circular" in headline(audit(shift=some))
    del some["circular"]
    assert "50.0 % of predictions flip under ≤ 4 px shifts with zero" in headline(audit(shift=some))


def test_other_tasks_and_nothing() -> None:
    maps = audit(task="segment", shift={"crop": shift(None, "crop", consistency_ci=(0.9, 1.0))})
    assert "0.0 % of pixels change class under" in headline(maps)
    numbers = audit(task="regress", shift={"crop": shift(None, "crop", unit="")})
    assert headline(numbers).startswith("Outputs differ by 1 on average under ≤ 4 px crops")
    series = audit(axes=1, shift={"crop": shift(0.0, "crop", axes=1)})
    assert "≤ 4 steps windows" in headline(series)
    assert headline(audit(accuracy=0.5, accuracy_ci=(0.4, 0.6))) == (
        "Accuracy 50.0 % (95 % CI 40.0–60.0 %)."
    )
    assert "no labels" in headline(audit())


def test_a_model_of_one_class_is_no_robust_one() -> None:
    found = flips(0.0, 0.0, 0.001, largest_class=1.0)
    assert headline(found).startswith("Not decided: all predictions are of one class.")
    assert next_command(found, COMMAND) == "neocog predict 'runs/my run' photos --size 3,32,32"
    known = replace(found, accuracy=0.1, accuracy_ci=(0.05, 0.15))
    assert next_command(known, COMMAND).startswith("neocog evaluate")


def test_what_is_not_decided_is_decided_by_more_samples_or_by_a_fix() -> None:
    found = flips(0.02, 0.01, 0.03)
    n = found.shift["crop"].n
    assert next_command(replace(found, available=n + 1), COMMAND).endswith(" --all")
    all_of_them = replace(found, available=n)
    assert next_command(all_of_them, COMMAND).startswith("neocog fix ")
    for model in (found, all_of_them):
        screens = (screen(model), screen(model, Named(model="runs/a", data="photos")))
        assert not any("explain" in c.line for s in screens for c in s.next)
        assert all(len(s.next) == 1 for s in screens)
    guess = replace(found, accuracy=0.1, accuracy_ci=(0.05, 0.15))
    guess = replace(guess, shift={"crop": replace(found.shift["crop"], majority=0.1)})
    assert next_command(replace(guess, available=n), COMMAND).startswith("neocog evaluate")
    assert next_command(replace(guess, available=n + 1), COMMAND).endswith(" --all")


def test_the_next_command() -> None:
    found = flips(0.5, 0.4, 0.6)
    todo = next_command(found, COMMAND)
    assert todo == "neocog fix 'runs/my run' photos --size 3,32,32"
    assert first_screen(found, COMMAND)[-1] == f"Next: {todo}"
    assert next_command(found, ()) == ""
    circular = flips(0.5, 0.4, 0.6, mode="circular")
    assert next_command(circular, COMMAND).endswith("--padding circular")
    assert next_command(audit(task="segment", shift=found.shift), COMMAND) == ""


def everything(**given: Any) -> Audit:
    """As much as there can be."""
    grid = Grid(
        n=64, offsets=(0.0,), agreement=np.ones((9, 9)), accuracy=None,
        worst_case_accuracy=0.813, stable=0.7, largest_difference=0.1,
    )  # fmt: skip
    told = border(0.031, 0.028, (0.011, 0.045))
    modes = ("circular", "crop", "zeros", "subpixel")
    layers = tuple(layer(f"a.rather.long.name.of.a.layer.{k}.conv", 0.3, k / 8) for k in range(9))
    aliasing = Aliasing(
        name="function", kind="max pool", stride=(2, 2), aliased_energy=0.2,
        spectrum=np.zeros((1, 1)), consistent=False,
    )  # fmt: skip
    values: dict[str, Any] = {
        "accuracy": 0.921, "accuracy_ci": (0.903, 0.937), "n": 1000, "layers": layers,
        "shift": {
            m: shift(0.065, m, consistency_ci=(0.918, 0.949), map=grid, border=told)
            for m in modes
        },
        "aliasing": (aliasing,), "alignment": aligned(*(row(BEYOND, e.name) for e in layers)),
        "notes": tuple(f"Note {k} of many, each a sentence of some length." for k in range(20)),
        "left_out": tuple(LeftOut(what=f"what {k} left out", option=f"--o{k}") for k in range(9)),
        "full_seconds": 250.0,
    }  # fmt: skip
    return audit(**(values | given))


def test_it_fits_a_terminal() -> None:
    lines = first_screen(everything(), COMMAND)
    assert len(lines) <= LINES
    assert all(len(line) <= COLUMNS for line in lines[:-1])
    text = "\n".join(lines)
    assert text.startswith("Not shift-robust: 6.5 % of predictions flip")
    assert re.search(r"accuracy +92.1 % +90.3–93.7 % +unshifted, 1,000 images", text)
    assert re.search(r"worst-case accuracy +81.3 % +at all 81 crops, 64 images", text)
    assert re.search(r"flips, sub-pixel +6.5 % +5.1–8.2 %", text)
    assert "aliasing  +2.8 pp of flips (+1.1 to +4.5); a.rather" in text
    assert "padding   3.1 % of flips; 4 layers" in text
    assert "more with --verbose" in text
    assert "All of it: --full, about 4 min." in text.replace("\n          ", " ")


def test_figures_that_there_are_not() -> None:
    text = "\n".join(first_screen(audit()))
    assert "Causes" not in text
    assert "Left out" not in text
    unknown = everything(alignment=aligned(row(BEYOND), unknown=("aten.svd",)))
    said = "\n".join(first_screen(unknown))
    assert "Not analyzed: aten.svd" in said
    assert "padding " not in said
    clean = audit(layers=(layer(own=0.0),), alignment=aligned())
    assert "No layer that was measured separately breaks" in "\n".join(first_screen(clean))
    both = "\n".join(first_screen(flips(0.5, 0.4, 0.6, both_correct=0.25)))
    assert re.search(r"correct at both +25.0 %", both)


def test_a_baseline_stands_beside() -> None:
    none: dict[str, Any] = dict.fromkeys(
        ("matched_first", "matched_second", "matched_difference", "matched_ci")
    )
    compared = Compared(
        mode="crop", n=100, first=0.923, second=0.965, difference=0.042,
        difference_ci=(0.029, 0.056), flips=0.45, accuracy_difference=0.003,
        accuracy_ci=(-0.01, 0.02), matched_n=0, **none,
    )  # fmt: skip
    lines = first_screen(flips(0.035, 0.02, 0.05), above="Better.", compared=[compared])
    assert lines[0] == "Better."
    text = "\n".join(lines)
    assert re.search(r"flips, crops +7.7 % +3.5 % +-4.2 \(-5.6 to -2.9\)", text)
    assert re.search(r"accuracy +\+0.3 \(-1.0 to \+2.0\)", text)


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\nb"])
def test_names_are_data(name: str) -> None:
    lines = first_screen(everything(layers=(layer(name),)), (name, "d"))
    assert all(line.isprintable() for line in lines)
