"""Progress of what has several stages."""

from neocog.data.ticks import Ticks


def test_steps_add_up_and_end_at_the_total() -> None:
    seen: list[tuple[int, int]] = []
    ticks = Ticks(10, lambda done, total: seen.append((done, total)))
    ticks(4)
    ticks(9)
    ticks.finish()
    assert seen == [(4, 10), (10, 10), (10, 10)]
    silent = Ticks(3, None)
    silent(2)
    silent.finish()
    assert silent.done == 3
