import importlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from neocog.runs.interrupt import Remembering, deferred


@pytest.fixture
def interrupt() -> Iterator[Remembering]:
    handler = Remembering()
    before = signal.signal(signal.SIGINT, handler)
    yield handler
    signal.signal(signal.SIGINT, before)


def test_it_raises_at_once(interrupt: Remembering) -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert interrupt.requested


@pytest.mark.parametrize("patience", [100, 0])
def test_it_waits_for_the_end_of_an_import_that_ends(
    interrupt: Remembering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: int
) -> None:
    name = f"slow_to_import_{patience}"
    monkeypatch.setattr(Remembering, "PATIENCE", patience)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"{name}.py").write_text(
        "import signal, time\nsignal.raise_signal(signal.SIGINT)\ntime.sleep(0.12)\nwhole = True\n"
    )
    seen: list[bool] = []

    def start() -> None:
        seen.append(importlib.import_module(name).whole)
        time.sleep(5)

    with pytest.raises(KeyboardInterrupt):
        start()
    assert interrupt.requested
    assert seen == [True] * bool(patience)
    assert (interrupt.waited > 1) == bool(patience)


def _in_an_import(handler: Remembering, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ctrl-C while a module is imported; the import has ended when the signal comes again."""
    monkeypatch.setattr("neocog.runs.interrupt._importing", lambda frame: True)
    signal.raise_signal(signal.SIGINT)
    monkeypatch.setattr("neocog.runs.interrupt._importing", lambda frame: False)
    assert handler.requested


@pytest.mark.parametrize("late", [False, True])
def test_no_signal_comes_again_once_it_rests(
    interrupt: Remembering, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    if late:  # it is on its way when it should be held back
        monkeypatch.setattr("threading.Timer.cancel", lambda timer: None)
    _in_an_import(interrupt, monkeypatch)
    interrupt.rest()
    time.sleep(0.15)
    assert interrupt.waited == 1
    with pytest.raises(KeyboardInterrupt):  # but the next one counts
        signal.raise_signal(signal.SIGINT)


def test_the_signal_that_comes_again_is_no_second_one(
    interrupt: Remembering, monkeypatch: pytest.MonkeyPatch
) -> None:
    _in_an_import(interrupt, monkeypatch)
    with deferred() as interrupted:
        assert interrupted.requested
        time.sleep(0.15)
    assert signal.getsignal(signal.SIGINT) is interrupt
