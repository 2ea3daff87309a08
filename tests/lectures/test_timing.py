import time

import pytest
import torch

from neocog.lectures.timing import fastest


def _work() -> int:
    return sum(i * i for i in range(20_000))


def test_waiting_is_not_counted_and_work_is() -> None:
    alone = fastest(_work)
    assert alone > 0
    assert fastest(lambda: time.sleep(0.05), repeats=1) < 25

    def waited() -> None:
        time.sleep(0.03)
        _work()

    # Half again for a machine that is busy: caches are shared, the clock is not.
    assert fastest(waited) < 1.5 * alone + 5


def test_the_number_of_threads_is_as_before_also_after_an_error() -> None:
    before = torch.get_num_threads()
    seen = []
    fastest(lambda: seen.append(torch.get_num_threads()))
    assert set(seen) == {1}

    def fails() -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        fastest(fails)
    assert torch.get_num_threads() == before
