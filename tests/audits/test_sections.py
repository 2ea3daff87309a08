"""What an audit, a fix and a data report say is true of the numbers, also of made-up, extreme ones.

Nothing is measured here: every result is made by hand, and each phrase is tied to its figure.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neocog.audits.aliasing import Aliasing
from neocog.audits.compare import Compared, flipped, gained, points
from neocog.audits.grid import Grid
from neocog.audits.inside import layers_section, sampling_section
from neocog.audits.layers import LayerError
from neocog.audits.motion import Rotation, Sweep
from neocog.audits.result import Audit
from neocog.audits.sections import comparison, sections, summary
from neocog.audits.shift import Border, Flip, Shift
from neocog.audits.verdict import blame, causes, verdict
from neocog.data.framing import KeptFraction
from neocog.data.quality import Copies, Sheet
from neocog.exhibits import Gallery, Map, Scalar, Table, share
from neocog.graph.alignment import CIRCULAR_SHIFT, QUARTER_TURN, Alignment
from neocog.graph.misalignment import Misalignment
from neocog.runs import fix_data
from neocog.runs.finetune_search import Candidate, FinetuneSearch
from neocog.runs.judge import Figures, Score
from neocog.runs.judge import verdict as judged
from neocog.tasks.classify import evaluation
from neocog.verbs.audit import _drawn_of
from neocog.verbs.fix_result import Fixed, FixFigures, how_chosen

NAN = math.nan


def shift(flip: float | None = 0.0, mode: str = "circular", **given: Any) -> Shift:
    """A measurement that nobody made."""
    consistency = 1.0 if flip is None else 1 - flip
    values: dict[str, Any] = {
        "n": 100, "max_shift": 4.0, "unit": "%", "consistency_ci": (consistency, consistency),
        **dict.fromkeys(
            ("both_correct", "both_wrong", "one_correct", "accuracy", "accuracy_shifted",
             "chance_agreement",
             "largest_class", "majority", "worst_case_accuracy", "map", "border")
        ),
    }  # fmt: skip
    return Shift(mode=mode, consistency=consistency, flip_rate=flip, **(values | given))


def border(lost: float, more: float, ci: tuple[float, float], stride: int = 4) -> Border:
    return Border(n=80, stride=stride, border=lost, aliasing=more, aliasing_ci=ci)


def row(came: str, layer: str = "conv", *, by_size: bool = False) -> Misalignment:
    return Misalignment(
        layer=layer, operation="convolution", rule=CIRCULAR_SHIFT, reason=came, remedy="",
        by_size=by_size,
    )  # fmt: skip


BEYOND, DENSE = "padding is zero", "a parameter for every position"


def aligned(*rows: Misalignment, unknown: tuple[str, ...] = (), **given: Any) -> Alignment:
    values = {"size": (3, 32, 32), "nearest": {}, "total_stride": None if unknown else 4}
    return Alignment(
        rows=rows, unknown=unknown, status="partial" if unknown else "complete", **(values | given)
    )


def layer(name: str = "conv", own: float | None = 0.3, at: float | None = 0.0) -> LayerError:
    return LayerError(
        name=name, kind="Conv2d", output=(4, 8, 8), shift_error=0.1, shift_ci=(0.1, 0.1),
        local_shift=own, own_border=at, rotation_error=None, local_rotation=None,
    )  # fmt: skip


def audit(**given: Any) -> Audit:
    values: dict[str, Any] = {
        "task": "classify", "n": 100, "accuracy": None, "accuracy_ci": None, "classes": (),
        "shift": {}, "extras": {}, "layers": (),
        "lie": (), "aliasing": (), "alignment": None, "cost": None, "receptive_field": None,
        "seconds_per_image": 0.1, "seed": 0, "protocol": {},
    }  # fmt: skip
    return Audit(**(values | given))


def of(kind: type, exhibits: Any) -> list[Any]:
    return [e for e in exhibits if isinstance(e, kind)]


@given(st.floats(-1, 1))
@example(-0.0001)
def test_a_difference_has_its_sign_and_is_zero_only_where_it_is(value: float) -> None:
    for digits in (1, 2):
        text = points(value, digits)
        assert math.copysign(1, float(text)) == (-1 if value < 0 else 1)
        assert abs(float(text) - 100 * value) <= max(0.051, 0)
        if abs(value) > 1e-300:
            assert (float(text) == 0) == (value == 0)


ROWS: dict[str, tuple[Misalignment, ...]] = {
    "nothing": (), "the border": (row(BEYOND),), "a place": (row(DENSE, "head"),),
    "both": (row(BEYOND), row(DENSE, "head")),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("lost", [0.0, 1e-5, 0.3, 1.0])
@pytest.mark.parametrize(
    ("more", "ci"),
    [(0.0, (0.0, 0.0)), (0.2, (0.1, 0.3)), (0.01, (-0.01, 0.03)), (-0.02, (-0.05, 0.01)),
     (-0.2, (-0.3, -0.1)), (1e-6, (1e-7, 1e-5))],
)  # fmt: skip
@pytest.mark.parametrize("stride", [1, 4])
def test_flips_told_apart(
    name: str, lost: float, more: float, ci: tuple[float, float], stride: int
) -> None:
    found = audit(
        shift={"circular": shift(0.3, border=border(lost, more, ci, stride))},
        alignment=aligned(*ROWS[name], total_stride=stride),
    )
    said = next(p for p in verdict(found).split("\n\n") if "whole multiples" in p)
    assert f"flip {share(lost)} of the predictions" in said
    assert ("that is the border." in said) == (lost > 0 and name == "the border")
    assert ("that is" in said) == (lost > 0 and name != "nothing")
    assert ("shows no cause" in said) == (lost > 0 and name == "nothing")
    assert (" could" in said) == (lost == 0 and name != "nothing")
    assert ("more: the sampling grid." in said) == (ci[0] > 0 and stride > 1)
    assert ("may be chance" in said) == (more > 0 >= ci[0] and stride > 1)
    assert ("fewer" in said) == (more < 0 and stride > 1)
    assert ("as many" in said) == (more == 0 and stride > 1)
    assert ("the sampling grid plays no part" in said) == (stride == 1)
    if stride > 1 and more:
        assert f"flip {share(abs(more))} " in said
    tables = [
        t
        for s in sections(found)
        for t in of(Table, s.exhibits)
        if t.title == "flips by their cause"
    ]
    assert bool(tables) == (stride > 1)
    for table in tables:
        (cells,) = table.rows
        assert cells[1] == 80
        whole = min(1.0, max(0.0, lost + more))
        assert str(cells[2]).startswith(f"{flipped(whole)} % (")
        if ci[0] > 0:  # told apart: both, each with its interval
            assert str(cells[3]).startswith(f"{flipped(lost)} % (")
            assert cells[4] == f"{points(more, 1)} ({points(ci[0], 1)} to {points(ci[1], 1)})"
        else:  # one figure, and how much of it sampling may be
            assert cells[3] == "not separated"
            assert cells[4] == f"at most {points(max(0.0, ci[1]), 1)}"
        assert ("by the border" in table.columns) == (name == "the border")
        assert ("nothing in the geometry" in table.note) == (name == "nothing")
        assert "the frame" not in table.note


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("modes", [("circular", "crop"), ("crop", "zeros"), ("zeros",)])
def test_what_enters_the_frame_is_not_the_border(name: str, modes: tuple[str, ...]) -> None:
    some = {m: shift(0.3, m, border=border(0.3, 0.2, (0.1, 0.3))) for m in modes}
    found = sections(audit(shift=some, alignment=aligned(*ROWS[name])))
    (table,) = (
        t for s in found for t in of(Table, s.exhibits) if t.title == "flips by their cause"
    )
    assert "not by aliasing" in table.columns
    others = " and ".join(m for m in modes if m != "circular")
    assert f"under {others} also what enters and leaves the frame" in table.note
    assert ("nothing in the geometry" in table.note) == (name == "nothing")


@pytest.mark.parametrize("largest", [0.5, 0.99999, 1.0, None])
def test_one_answer_for_all(largest: float | None) -> None:
    said = verdict(audit(shift={"crop": shift(0.0, "crop", largest_class=largest)}))
    assert ("All predictions are of one class" in said) == (largest == 1)


def test_no_cause_is_claimed_of_what_was_not_analyzed() -> None:
    for alignment in (None, aligned(row(BEYOND), unknown=("aten.svd",))):
        found = audit(
            shift={"circular": shift(0.3, border=border(0.3, 0.2, (0.1, 0.3)))},
            alignment=alignment,
        )
        said = verdict(found)
        assert "the border" not in said.replace("claimed about padding", "").partition("At 32")[0]
        assert "nothing in the geometry is an obstacle" not in said
    assert causes(audit()) == ()


@pytest.mark.parametrize("own", [0.0, 9e-5, 2e-4, 0.3, NAN, math.inf])
@pytest.mark.parametrize("at", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("energy", [0.0, 0.72, 1.0, NAN])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_layers_that_break_it(own: float, at: float, energy: float, count: int) -> None:
    layers = tuple(layer(f"conv{k}", own, at) for k in range(count))
    sampled = Aliasing(
        name="conv0", kind="convolution", stride=(2, 2), aliased_energy=energy,
        spectrum=np.zeros((1, 1)), consistent=False,
    )  # fmt: skip
    found = audit(
        layers=layers, aliasing=(sampled,),
        alignment=aligned(*(row(BEYOND, e.name) for e in layers)),
    )  # fmt: skip
    said = blame(found)
    inside = [e for e in layers if 1e-4 < e.own_inside < math.inf]
    assert ("(relative L2) in the interior: conv0" in said) == bool(inside)
    assert ("no layer that was measured separately breaks shift equivariance" in said) == (
        math.isfinite(own) and not inside
    )
    assert ("not a finite number" in said) == (not math.isfinite(own))
    assert ("none is cleared" in said) == (not math.isfinite(own))
    assert " (0.00)" not in said
    if inside:
        assert ("and 2 more" in said) == (count == 5)
        assert (f"{share(energy)} of the energy aliases" in said) == math.isfinite(energy)
    edge = own * at**0.5
    assert ("At the border" in said) == (1e-4 < edge < math.inf and at > 0.5)
    if "At the border" in said:
        assert f"{count} layer{'s break' if count > 1 else ' breaks'} equivariance, most" in said
        assert f"({edge:.2f})" in said or f"({edge:.1g})" in said
    (_, table) = layers_section(found).exhibits
    assert isinstance(table, Table)
    cells = table.rows[0]
    assert cells[5:7] == pytest.approx([layers[0].own_inside, layers[0].own_at_border], nan_ok=True)
    section = sampling_section(found)
    assert not of(Map, section.exhibits)  # one number has no spectrum
    assert "nan" not in said


def test_no_layer_was_audited_by_itself() -> None:
    assert "none is cleared" in blame(audit(layers=(layer(own=None, at=None),)))
    function = Aliasing(
        name="f", kind="max pool", stride=(2,), aliased_energy=0.0,
        spectrum=np.zeros(4), consistent=False,
    )  # fmt: skip
    assert "breaks equivariance: f (max pool)" in blame(
        audit(layers=(layer(own=0.0),), aliasing=(function,))
    )
    assert "breaks equivariance too: f" in blame(
        audit(layers=(layer(own=0.2),), aliasing=(function,))
    )
    series = sampling_section(audit(axes=1, aliasing=(replace(function, consistent=True),)))
    assert series.exhibits[0].rows[0][-1] == "moves with the series"
    none = audit(axes=1, layers=(layer(),), alignment=aligned(size=(1, 64), total_stride=3))
    assert "stride of 3 steps" in sampling_section(none).text


@pytest.mark.parametrize("unknown", [(), ("aten.svd",)])
@pytest.mark.parametrize("rows", [(), (row(BEYOND),), (row(BEYOND), row(DENSE, ""))])
def test_the_geometry(rows: tuple[Misalignment, ...], unknown: tuple[str, ...]) -> None:
    said = " ".join(aligned(*rows, unknown=unknown).sentences())
    all_clear = "nothing in the geometry is an obstacle to circular shifts"
    assert (all_clear in said) == (not rows and not unknown)
    assert ("no finding is not an all-clear" in said) == bool(unknown)
    if rows:
        assert f"{len(rows)} obstacle{'s' if len(rows) > 1 else ''}" in said
    sized = row("stride 4 does not divide size 33", by_size=True)
    for pair, words in (
        (((3, 3), (4, 4)), "3×3 or 4×4"), ((None, (4, 4)), "Nearest sizes without obstacles: 4×4."),
        ((None, None), "No nearby size"),
    ):  # fmt: skip
        text = " ".join(aligned(sized, nearest={CIRCULAR_SHIFT: pair}).sentences())
        assert words in text
        assert ("Nearest" in text) == (pair != (None, None))
    assert "No size has none." in " ".join(aligned(row(BEYOND)).sentences())
    assert QUARTER_TURN not in " ".join(aligned(size=(1, 64)).sentences())


@pytest.mark.parametrize("n", [1, 2, 1234])
@pytest.mark.parametrize("task", ["classify", "segment", "regress"])
@pytest.mark.parametrize("axes", [1, 2])
def test_what_is_counted(n: int, task: str, axes: int) -> None:
    classes = task == "classify"
    found = shift(
        0.0 if classes else None, unit="" if task == "regress" else "%", axes=axes, n=n,
        map=Grid(
            n=n, offsets=(0.0,), agreement=np.ones((1,) * axes), accuracy=None,
            worst_case_accuracy=None, stable=0.0 if n > 1 else 1.0, largest_difference=0.0,
        ),
    )  # fmt: skip
    result = audit(
        task=task, n=n, axes=axes, shift={"circular": found},
        accuracy=1.0 if classes else None, accuracy_ci=(0.5, 1.0) if classes else None,
    )  # fmt: skip
    tiles = summary(result).exhibits
    notes = " ".join(t.note for t in tiles)
    assert (f"{n:,} sample{'s' if n > 1 else ''}, unshifted" in notes) == classes
    assert ("fraction of samples with the same prediction" in notes) == classes
    assert ("mean fraction of pixels" in notes) == (task == "segment")
    assert ("mean difference" in notes) == (task == "regress")
    shifts = next(s for s in sections(result) if s.title == "Shifts")
    assert ("the prediction is the same at both" in shifts.text) == classes
    assert ("how far apart" in shifts.text) == (task == "regress")
    maps = of(Map, shifts.exhibits)
    assert bool(maps) == (axes == 2)
    for drawn in maps:
        assert drawn.note.startswith(f"{n:,} image{'s' if n > 1 else ''}, ")
        assert f"{flipped(found.map.stable)} % of them with one prediction" in drawn.note
        assert ("mean difference" in drawn.title) == (task == "regress")


def test_no_figure_was_measured() -> None:
    found = audit()
    assert verdict(found) == ""
    shifts = next(s for s in sections(found) if s.title == "Shifts")
    assert (shifts.text, shifts.exhibits) == ("No shifts were measured.", ())
    assert found.to_json()["not_analyzed"] == ["the whole model"]


@pytest.mark.parametrize(("mode", "max_shift"), [("crop", 1.0), ("zeros", 4.0), ("subpixel", 2.0)])
@pytest.mark.parametrize("flip", [0.0, 1e-6, 0.065, 1 - 1e-9, 1.0])
def test_the_first_sentence(mode: str, max_shift: float, flip: float) -> None:
    said = verdict(audit(shift={mode: shift(flip, mode, max_shift=max_shift)}))
    assert said.startswith(f"Prediction flips: {share(flip)} under ")
    assert said.endswith(f"up to {max_shift:g} {'pixel' if max_shift == 1 else 'pixels'}.")


@pytest.mark.parametrize(
    ("shape", "drawn"), [((1, 8, 8), 2), ((3, 8, 8), 2), ((2, 8, 8), 0), ((1, 8), 0)]
)
def test_images_are_drawn_or_not_spoken_of(shape: tuple[int, ...], drawn: int) -> None:
    x = np.zeros(shape, np.float32)
    place = (0,) * (len(shape) - 1)
    flip = Flip(
        index=0, name="a", images=(x, x), offsets=(place, place), predictions=(0, 7), truth=0
    )
    found = audit(shift={"crop": shift(1.0, "crop", flips=(flip,))}, classes=("cat",))
    galleries = [g for s in sections(found) for g in of(Gallery, s.exhibits)]
    assert [len(g.images) for g in galleries] == [drawn] * bool(drawn)
    if galleries:
        assert [c.partition("\n")[0] for c in galleries[0].captions] == ["✓ cat", "✗ 7"]


@pytest.mark.parametrize("square", [True, False])
@pytest.mark.parametrize("stay", [0.0, 0.99999, 1.0])
def test_turns(square: bool, stay: float) -> None:
    amounts = (0.0, 90.0, 180.0) if square else (0.0, 180.0)
    one = (1.0,) * len(amounts)
    sweep = Sweep(
        n=1, amounts=amounts, agreement=one, agreement_ci=((1.0, 1.0),) * len(amounts),
        accuracy=(), floor=one, change=one,
    )  # fmt: skip
    turned = Rotation(
        sweep=sweep,
        quarter_turn_error=0.0,
        quarter_turn_agreement=stay,
        mirror=(1.0, 1.0),
        border="reflect",
    )
    found = audit(extras={"rotation": turned})
    assert f"exact {'quarter' if square else 'half'} turns {share(stay)}" in verdict(found)
    curve = next(s for s in sections(found) if s.title.startswith("Rotation")).exhibits[0]
    assert curve.note.startswith(f"1 sample. {'Quarter' if square else 'Half'} turns are exact")


@given(st.floats(0, 1), st.floats(0, 1), st.one_of(st.none(), st.floats(-1, 1)))
@example(0.0004, 0.0, -0.0001)
@example(0.0653, 0.0651, 0.0)
@example(0.5, 0.5, None)
@example(1.0, 0.99999, 0.0)
def test_the_line_of_two_models(before: float, after: float, accuracy: float | None) -> None:
    one, two = shift(before, "crop"), shift(after, "crop")
    text = gained(one, two, accuracy=accuracy, times=2.44)
    a, b = 1 - one.consistency, 1 - two.consistency
    assert ("in both models" in text) == (a == b)
    if abs(a - b) > 1e-7:
        left, right = re.findall(r"flips (\S+) → (\S+) %", text)[0]
        assert left != right
        number = [float(v.strip("<>")) for v in (left, right)]
        assert all(abs(v - 100 * w) < 0.1001 for v, w in zip(number, (a, b), strict=True))
    assert ("accuracy" in text) == (accuracy is not None)
    assert text.endswith("2.4× the time")
    assert (" -" in text.partition("accuracy")[2]) == (accuracy is not None and accuracy < 0)


def test_the_line_of_two_models_of_series_and_without_a_time() -> None:
    text = gained(shift(0.1, axes=1), shift(0.05, axes=1), accuracy=None, times=NAN)
    assert text == "Prediction flips 10.0 → 5.0 % under ≤ 4 steps circular shifts"


def _compared(**given: Any) -> Compared:
    values = {
        "mode": "crop", "n": 10, "first": 0.9, "second": 0.9, "difference": 0.0,
        "difference_ci": (-0.1, 0.1), "flips": None, "accuracy_difference": None,
        "accuracy_ci": None, "matched_n": 0, "matched_first": None, "matched_second": None,
        "matched_difference": None, "matched_ci": None,
    }  # fmt: skip
    return Compared(**(values | given))


def test_a_comparison() -> None:
    (table,) = comparison([_compared()], "A", "B").exhibits
    assert table.rows[0][3:] == [
        "+0.00 (-10.00 to +10.00)",
        "–",
        None,
        "–",
    ]
    section = comparison(
        [_compared(accuracy_difference=-1e-5, accuracy_ci=(-0.1, 0.0), matched_n=0)], "A", "B"
    )
    assert section.text == "Accuracy of B: Δ -0.001 (-10.00 to +0.00) pp against the baseline A."
    assert section.exhibits[0].rows[0][5] == 0  # the truth is known: none is right in both
    assert "Consistency is not defined" in comparison([], "A", "B").text
    assert comparison([], "A", "B").exhibits == ()


def _figures(correct: np.ndarray, same: np.ndarray) -> Figures:
    return Figures(
        correct=correct, shift=shift(1 - float(same.mean()), "crop", same=same.astype(float))
    )


@pytest.mark.parametrize("labeled", [True, False])
@pytest.mark.parametrize("gain", [-40, -1, 0, 1, 40])
@pytest.mark.parametrize("lost", [0, 1, 60])
def test_reasons_of_a_verdict(gain: int, lost: int, labeled: bool) -> None:
    k = np.arange(200)
    before = _figures(k < 200, k < 150)
    after = _figures(k < 200 - lost, k < 150 + gain)
    found = judged(before, after, labeled=labeled)
    said = found.reason
    assert found.better == (not said)
    assert ("no higher" in said) == (gain <= 0)
    assert ("not higher beyond chance" in said) == (gain > 0 >= found.consistency[1])
    assert ("accuracy is lower" in said) == (labeled and found.accuracy[2] < 0)
    assert ("agrees with the original model" in said) == (not labeled and found.accuracy[2] < -0.25)
    if "agrees with" in said:
        assert f"on {share(1 - lost / 200)} of the images" in said
        assert said.endswith("75.00 %")


def _score(fidelity: float = 0.5) -> Score:
    return Score(
        fidelity=fidelity, accuracy=0.5, consistency=0.5, correct=np.ones(2, bool),
        faithful=np.ones(2, bool), first=np.ones(2, bool),
    )  # fmt: skip


@pytest.mark.parametrize("looks", [1, 2])
@pytest.mark.parametrize("norms", [0, 1, 2])
@pytest.mark.parametrize("done", [0, 10, 30])
@pytest.mark.parametrize("stopped", ["", "it was interrupted"])
@pytest.mark.parametrize("seen", [True, False, None])
def test_how_a_state_was_found(
    looks: int, norms: int, done: int, stopped: str, seen: bool | None
) -> None:
    improved = FinetuneSearch(
        best=Candidate(what="converted", step=done, score=_score(), weights={}),
        validations=[_score().to_json()] * looks, norms=norms, images=1280 if norms else 0, lr=0.01,
        consistency_weight=15.0,
        planned=3.0, planned_steps=30, stopped=stopped,
    )  # fmt: skip
    improved.tuned.step = done
    said = "; ".join(how_chosen(improved, validated=looks, seen=seen))
    assert ("none was recalibrated" in said) == (norms == 0)
    assert ("1 batch norm was" in said) == (norms == 1)
    assert ("2 batch norms were recalibrated on 1,280 images" in said) == (norms == 2)
    assert ("fine-tuned for 1 pass at" in said) == (done == 10)
    assert ("fine-tuned for 3 passes at" in said) == (done == 30)
    assert ("fine-tuned for" in said) == (done > 0)
    assert ("ended early" in said) == (bool(stopped) and done > 0)
    assert ("did not begin" in said) == (bool(stopped) and done == 0)
    assert f"of {looks} state{'s' if looks > 1 else ''} the converted one" in said
    assert f"on {looks} validation sample{'s' if looks > 1 else ''}" in said
    assert ("was trained on these, so it is compared" in said) == (seen is True)


def _measured(flip: float, accuracy: float, ms: float) -> FixFigures:
    return FixFigures(
        accuracy=accuracy, accuracy_ci=(0.0, 1.0), loss=0.1, n=1, params=1, macs=0, ms=ms,
        shift={"crop": shift(flip, "crop", n=1, max_shift=1.0)}, memory=0,
    )  # fmt: skip


@pytest.mark.parametrize("accuracy", [(0.1, 0.05, 0.2), (0.1, -0.1, 0.2), (-0.1, -0.2, -0.05)])
@pytest.mark.parametrize("gain", [(-0.2, -0.1), (-0.1, 0.1), (0.1, 0.2)])
@pytest.mark.parametrize("kept", ["fixed", "original"])
def test_nothing_got_better_where_nothing_did(
    accuracy: tuple[float, float, float], gain: tuple[float, float], kept: str
) -> None:
    a, b = _measured(0.1, 0.5, 0.1), _measured(0.2, 0.5, 0.1)
    said = Fixed(
        better=False, kept=kept, reason="it is so", aim="crop", replaced=(), skipped=(), before=a,
        converted=0.0, after=a, candidate=b, compared={"crop": _compared(difference_ci=gain)},
        accuracy=accuracy, labeled=True, advice=(), notes=(), finetune={"seed": 0}, run="runs/x",
        model=None,
    ).headline  # fmt: skip
    some = accuracy[1] > 0 or gain[0] > 0
    assert said.startswith("Nothing got better on the whole, " if some else "Nothing got better, ")


@pytest.mark.parametrize("better", [True, False])
@pytest.mark.parametrize("kept", ["fixed", "original"])
@pytest.mark.parametrize("labeled", [True, False])
@pytest.mark.parametrize("ms", [0.0, 0.2])
def test_the_result_of_a_fix(better: bool, kept: str, labeled: bool, ms: float) -> None:
    a, b = _measured(0.00041, 0.99999, ms), _measured(0.00039, 1.0, ms)
    done = Fixed(
        better=better, kept=kept, reason="" if better else "it is so", aim="crop", replaced=(),
        skipped=(), before=a, converted=0.0, after=b, candidate=b, compared={},
        accuracy=(-0.0001, -0.1, 0.1), labeled=labeled, advice=(), notes=(),
        finetune={"seed": 0}, run="runs/x", model=None,
    )  # fmt: skip
    said = done.headline
    assert ("Nothing got better" in said) == (not better)
    assert ("the original model is kept" in said) == (not better and kept == "original")
    assert "flips <0.1 →" not in said
    assert "0.041 → 0.039 %" in said
    assert "-0.01 pp" in said
    assert ("the time" in said) == (ms > 0)
    assert ("agreement with the original model" in said) == (not labeled)
    table = done.exhibits().exhibits[0]
    assert isinstance(table, Table)
    assert table.columns[-1] == ("fixed" if kept == "fixed" else "tried, not kept")
    cells = {str(r[0]): r[1:] for r in table.rows}
    assert cells["consistency, crop"] == ["99.96 %", "99.96 %"]
    assert ("accuracy" in cells) == labeled
    if labeled:
        assert cells["accuracy"] == ["99.99 %", "100 %"]
    assert "fraction of 1 sample with" in table.note
    assert "up to 1 pixel away" in table.note
    assert done.to_json()["cost"]["ms"]["ratio"] == (1.0 if ms else None)


@pytest.mark.parametrize("n", [1, 2, 3000])
def test_an_evaluation(n: int) -> None:
    import torch

    found = evaluation(torch.zeros(n, 1), np.zeros(n, int), ("only",))
    tile = found.exhibits("x").exhibits[0]
    assert isinstance(tile, Scalar)
    assert tile.value == 1
    assert tile.note.startswith(f"top-1, {n:,} sample{'s' if n > 1 else ''}; ")


@pytest.mark.parametrize(
    ("exact", "near", "conflicts", "across"),
    list(itertools.product((0, 1, 3), (0, 1), (0, 1), (0, 1))),
)
def test_copies(exact: int, near: int, conflicts: int, across: int) -> None:
    if exact + near == 0 or max(conflicts, across) > exact + near:
        return
    copies = [
        Copies(
            "exact" if k < exact else "near", ("a", "b"),
            ("train", "test") if k < across else ("train", "train"),
            ("cat", "dog") if k < conflicts else ("cat", "cat"),
        )
        for k in range(exact + near)
    ]  # fmt: skip
    sheet = Sheet(
        kind="folder", classes=("cat", "dog"), counts={"train": (0, 0)}, size=(8, 8), channels=1,
        bits=8, duplicates=tuple(copies),
    )  # fmt: skip
    text = next(s.text for s in sheet.exhibits() if s.title == "Duplicates")
    assert f"{exact} image{' occurs' if exact == 1 else 's occur'} several times" in text
    assert f"{near} nearly so; of these" in text
    assert f"{conflicts} carr{'ies' if conflicts == 1 else 'y'} different labels" in text
    assert f"{across} lie{'s' if across == 1 else ''} in several splits" in text
    assert sheet.balance == 0


@given(st.floats(0.001, 1), st.integers(0, 5))
@example(0.996, 0)
@example(0.99999, 0)
@example(1.0, 0)
def test_what_is_kept_of_images(area: float, enlarged: int) -> None:
    kept = KeptFraction(
        n=5, area_min=area, area_median=1.0, cut=int(area < 0.8), scale_min=1.0, scale_median=1.0,
        shrunk=0, enlarged=enlarged, bent=0, larger=(8, 8),
    )  # fmt: skip
    said = kept.remark()
    assert ("Each image is kept whole" in said) == (area >= 1 - 1e-9)
    assert ("and 100 % of the worst" in said) is False
    assert ("more than twofold" in said) == (enlarged > 0)
    assert bool(kept.warnings((8, 8))) == (area < 0.8)


@pytest.mark.parametrize("classes", [(), ("cat", "dog")])
@pytest.mark.parametrize("parts", [(1, 2, 3), (1000, 500, 2000)])
def test_images_without_labels(
    classes: tuple[str, ...], parts: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def split(n: int) -> Any:
        return range(n)

    train, val, test = parts
    monkeypatch.setattr(fix_data, "predicted", lambda trained, split: split)
    source: Any = SimpleNamespace(classes=classes)
    known = fix_data.FixData(
        train=split(train), val=split(val), test=split(test), classes=("x",), labeled=True,
        seen=None, source=source, path="here", notes=(),
    )  # fmt: skip
    model: Any = SimpleNamespace(spec=SimpleNamespace(classes=("x",)))
    said = " ".join(fix_data._unlabeled(model, known, "here").notes)
    assert f"Images to measure: {test:,}; to select: {val:,};" in said
    assert f"recalibrate and train: {train:,}." in said
    assert ("have no labels" in said) == (not classes)
    assert ("in no class that the model knows" in said) == bool(classes)


@pytest.mark.parametrize(("n", "of"), [(1, 1), (1, 2), (60, 1000), (1000, 1000)])
def test_how_many_of_the_samples_were_audited(n: int, of: int) -> None:
    said = " ".join(_drawn_of(audit(n=n, seed=3), of))
    assert bool(said) == (n < of)
    if said:
        assert f"Of these {of:,} samples {n:,} {'were' if n > 1 else 'was'} audited" in said
        assert "(seed 3)" in said
