from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from neocog.audits.clock import Clock, Progress, counted, in_words


class Time:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def clock(seconds: float = 60.0) -> tuple[Clock, Time, list[Progress]]:
    time, said = Time(), list[Progress]()
    return Clock(seconds, now=time, on_progress=said.append), time, said


def test_time_is_spent_and_left() -> None:
    one, time, _ = clock()
    time.now += 20
    assert (one.spent, one.left) == (20.0, 40.0)
    time.now += 50
    assert one.left == -10
    assert Clock(60.0, began=90.0, now=Time()).left == 50


def test_a_part_that_keeps_its_time() -> None:
    one, time, said = clock()
    one.expect({"layers": 10.0, "shifts": 30.0})
    one.begin("layers")
    assert (said[-1].fraction, said[-1].seconds) == (0.0, 40.0)
    time.now += 5
    one.at(0.5)
    assert (said[-1].fraction, said[-1].seconds) == (5 / 40, 35.0)
    time.now += 5
    one.begin("shifts", "crop shifts")
    assert said[-1] == Progress("crop shifts", 0.25, 30.0)
    time.now += 30
    one.at(1.0)
    assert said[-1] == Progress("crop shifts", 1.0, 0.0)


def test_a_machine_that_becomes_slow_is_noticed() -> None:
    one, time, said = clock()
    one.expect({"layers": 10.0, "shifts": 30.0})
    one.begin("layers")
    time.now += 20  # twice as long
    one.begin("shifts")
    assert said[-1].seconds == 60.0
    time.now += 60
    one.at(1.0)
    assert said[-1].seconds == 0.0


def test_what_nobody_expected_has_no_fraction() -> None:
    one, _, said = clock()
    one.begin("geometry")
    one.at(0.3)
    assert {str(p) for p in said} == {"geometry"}


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 100)), min_size=1, max_size=6))
def test_a_fraction_is_one(parts: list[tuple[float, float]]) -> None:
    one, time, said = clock()
    one.expect({str(i): expected for i, (expected, _) in enumerate(parts)})
    for i, (_, taken) in enumerate(parts):
        one.begin(str(i))
        time.now += taken / 2
        one.at(0.5)
        time.now += taken / 2
        one.at(1.0)
    for p in said:
        assert p.fraction is not None
        assert p.seconds is not None
        assert 0 <= p.fraction <= 1
        assert p.seconds >= -1e-9
    assert said[-1].seconds == 0


def test_steps_are_counted() -> None:
    time, said = Time(), list[Progress]()
    count = counted(said.append, "reading images", time)
    count(0, 200)
    time.now += 30
    count(50, 200)
    time.now += 90
    count(200, 200)
    assert said == [
        Progress("reading images", 0.0, None),
        Progress("reading images", 0.25, 90.0),
        Progress("reading images", 1.0, 0.0),
    ]


def test_times_in_words() -> None:
    assert [in_words(s) for s in (0, 99.4, 100, 5999, 7200)] == [
        "1 s", "99 s", "2 min", "100 min", "2.0 h",
    ]  # fmt: skip
