"""What an audit measures follows from timings; here they are made up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neocog.audits.config import AuditConfig
from neocog.audits.moving import MODES
from neocog.audits.plan import (
    AIM,
    MAP_ROW,
    ROW,
    Facts,
    left_out,
    limit,
    map_samples,
    maps_left,
    plan,
)
from neocog.audits.table import MEASURES, possible

PLAIN = AuditConfig()


CONTROLS = frozenset({"circular", "crop", "zeros"})


def facts(seconds: float = 1e-3, *, side: int = 32, **given: object) -> Facts:
    size = (side, side)
    values = {
        "available": 5000, "size": size, "seconds": seconds, "left": limit(size),
        "max_shift": side // 8, "macs": 40_000_000, "controls": CONTROLS,
        "extras": possible(size, "classify"),
    }  # fmt: skip
    return Facts(**(values | given))  # type: ignore[arg-type]


def test_a_fast_model_is_measured_on_a_thousand_samples_with_all_maps() -> None:
    found = plan(PLAIN, facts(1e-4))
    assert (found.samples, found.shift) == (1000, ("circular", "crop"))
    assert (found.maps, found.map_samples) == (("circular", "crop"), 64)
    assert (found.layers, found.turns, found.lie, found.extras) == (32, False, False, {})


def test_a_slow_model_is_measured_on_fewer_and_without_maps() -> None:
    found = plan(PLAIN, facts(0.09, side=224, macs=700_000_000))
    assert found.samples in ROW
    assert 30 <= found.samples < 100
    assert (found.maps, found.map_samples) == ((), 0)


def test_a_model_that_is_too_slow_for_anything_is_still_asked() -> None:
    found = plan(PLAIN, facts(30.0, side=224, macs=None))
    assert (found.samples, found.layers, found.maps) == (ROW[-1], 2, ())


@pytest.mark.parametrize("seconds", [1e-5, 1e-3, 0.1])
def test_a_tiny_set_is_measured_whole(seconds: float) -> None:
    found = plan(PLAIN, facts(seconds, available=7))
    assert (found.samples, found.layers) == (7, min(found.layers, 7))
    assert not any("samples" in part.what for part in left_out(PLAIN, facts(available=7), found))


@given(
    st.floats(1e-5, 1.0), st.integers(1, 10**7), st.sampled_from([28, 64, 224, 512]),
    st.integers(10**5, 10**11), st.booleans(),
)  # fmt: skip
def test_what_is_planned_fits(
    seconds: float, available: int, side: int, macs: int, wide: bool
) -> None:
    given = facts(seconds, side=side, available=available, macs=macs, wide=wide)
    found = plan(PLAIN, given)
    assert found.samples <= min(1000, available)
    least = found.samples == min(ROW[-1], available) and not found.maps
    assert least or sum(found.seconds.values()) <= AIM * given.left * 1.01
    assert found.maps in ((), ("crop",), ("circular", "crop"))
    assert not found.maps or found.map_samples >= min(MAP_ROW[-1], available)


@given(st.floats(1e-5, 1.0), st.floats(1e-5, 1.0))
def test_a_slower_model_is_never_shown_more(one: float, two: float) -> None:
    slow, fast = (plan(PLAIN, facts(s)).samples for s in (max(one, two), min(one, two)))
    # Maps may be left out to make room for samples, which is why a slower one gets a row more.
    assert slow <= fast or ROW.index(fast) - ROW.index(slow) == 1


def test_more_time_gives_more() -> None:
    slow = facts(0.05, side=224)
    some, more = (plan(PLAIN, replace(slow, left=t)) for t in (60.0, 600.0))
    assert more.samples > some.samples
    assert more.maps
    assert limit((224, 224), 600.0) == 600.0
    assert (limit((64, 64)), limit((65, 64)), limit((128,))) == (30.0, 60.0, 30.0)


@given(st.floats(1e-6, 10.0), st.floats(0.1, 1000.0), st.integers(1, 3000), st.booleans())
def test_where_samples_are_given_nothing_depends_on_the_clock(
    seconds: float, left: float, n: int, full: bool
) -> None:
    asked = AuditConfig(n=n, full=full)
    usual, odd = facts(), facts(seconds, left=left)
    one, two = plan(asked, usual), plan(asked, odd)
    assert (one.samples, one.fixed) == (n, True)
    for name in ("samples", "shift", "maps", "map_samples", "layers", "turns", "lie", "extras"):
        assert getattr(one, name) == getattr(two, name)
    assert left_out(asked, usual, one) == left_out(asked, odd, two)
    assert maps_left(asked, odd, n) == (one.maps, one.map_samples)


def test_explicit_choices_win_whatever_they_take() -> None:
    slow = facts(10.0, side=224, macs=4_000_000_000)
    asked = AuditConfig(
        shift=("zeros",), maps=("zeros",), map_samples=40, rotation=True, layers=False, lie=True
    )
    found = plan(asked, slow)
    assert (found.shift, found.maps, found.layers) == (("zeros",), ("zeros",), 0)
    assert found.map_samples == min(40, found.samples)
    assert found.extras == {"rotation": found.samples}
    assert plan(AuditConfig(layer_samples=30), slow).layers == 30
    assert plan(AuditConfig(every_sample=True), slow).samples == 5000
    assert plan(AuditConfig(maps=("crop",)), slow).map_samples == found.samples == ROW[-1]
    assert plan(AuditConfig(all_shifts=True), slow).maps == ("circular", "crop")
    assert plan(AuditConfig(map_max_shift=0), facts(1e-5)).maps == ()


def test_everything_is_everything() -> None:
    found = plan(AuditConfig(full=True), facts(10.0))
    assert (found.samples, found.shift, found.maps) == (1000, MODES, MODES)
    assert (found.map_samples, found.layers) == (map_samples(1000), 32)
    assert found.turns
    assert found.lie
    assert found.extras == {m.name: 500 for m in MEASURES}
    assert left_out(AuditConfig(full=True), facts(), found) == ()
    fewer = plan(AuditConfig(full=True, rotation=False, lie=False), facts())
    assert "rotation" not in fewer.extras
    assert not fewer.turns
    assert not fewer.lie


def test_maps_of_a_given_number_are_bounded_by_work() -> None:
    assert plan(AuditConfig(n=1000), facts(macs=40_000_000)).maps == ("circular", "crop")
    assert plan(AuditConfig(n=100), facts(macs=700_000_000, side=224)).maps == ()
    assert plan(AuditConfig(n=100), facts(macs=None)).maps == ()


def test_a_segmenter_and_a_black_box() -> None:
    found = plan(AuditConfig(full=True), facts(task="segment", extras=()))
    assert "subpixel" not in found.shift
    assert found.extras == {}
    assert plan(AuditConfig(full=True), facts(black_box=True)).layers == 0


def test_what_is_left_out_is_said_with_its_option() -> None:
    slow = facts(0.09, side=224, available=3000)
    found = plan(PLAIN, slow)
    said = {part.what: part.option for part in left_out(PLAIN, slow, found)}
    assert said[f"{1000 - found.samples} of 1,000 samples"] == "--samples 1000"
    assert said["zeros and subpixel shifts"] == "--shift all"
    assert said["maps of circular and crop shifts"] == "--maps circular,crop"
    assert {m.title for m in MEASURES} <= said.keys()
    for measure in MEASURES:
        assert said[measure.title] == f"--{measure.option}"


def test_what_was_switched_off_is_not_left_out() -> None:
    asked = AuditConfig(
        shift=("crop",), maps=(), rotation=False, scale=False, elastic=False, lie=False, n=10
    )
    assert left_out(asked, facts(), plan(asked, facts())) == ()


@pytest.mark.parametrize(
    ("key", "name", "value"),
    [
        ("shift.zeros.flip_rate", "shift", ("circular", "crop", "zeros")),
        ("shift.crop.worst_case_accuracy", "maps", ("crop",)),
        ("shift.circular.map.stable", "maps", ("circular",)),
        ("rotation.quarter_turn_error", "rotation", True),
        ("scale.agreement.0", "scale", True),
        ("elastic.slope", "elastic", True),
        ("layers.0.rotation_error", "rotation", True),
        ("layers.3.lie_shift", "lie", True),
        ("baseline.shift.zeros.flip_rate", "shift", ("circular", "crop", "zeros")),
        ("baseline.rotation.n", "rotation", True),
        ("compared.3.difference", "shift", MODES),
        ("compared.1.difference", "shift", ("circular", "crop")),
        ("accuracy", "shift", None),
        ("shift.crop.flip_rate", "shift", None),
    ],
)
def test_a_bound_widens_the_plan(key: str, name: str, value: object) -> None:
    wide = PLAIN.widened([tuple(key.split("."))], [m.name for m in MEASURES])
    found = getattr(wide, name)
    assert found == value or (value is None and wide.modes == PLAIN.modes)
    slow = plan(wide, facts(1.0, side=224))
    for mode in wide.maps or ():
        assert mode in slow.maps
    for measure in MEASURES:
        assert (measure.name in slow.extras) == bool(getattr(wide, measure.name))


def test_a_bound_does_not_switch_on_what_was_switched_off() -> None:
    asked = AuditConfig(rotation=False, shift=("crop",), lie=False)
    keys = ["rotation.n", "layers.0.rotation_error", "layers.0.lie_shift", "shift.zeros.n"]
    assert asked.widened([tuple(k.split(".")) for k in keys], ["rotation"]) == asked
