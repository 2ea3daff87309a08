import asyncio
import threading

import pytest

from neocog.web.refused import Superseded
from neocog.web.worker import Busy, Worker


def test_one_after_the_other_in_one_thread() -> None:
    async def go() -> list[int]:
        worker = Worker("test")
        names = await asyncio.gather(*(worker.run(threading.get_ident) for _ in range(20)))
        worker.stop()
        return names

    assert len(set(asyncio.run(go()))) == 1


def test_of_the_steps_of_a_page_that_wait_the_newest_is_done() -> None:
    async def go() -> list[object]:
        worker, gate = Worker("test"), threading.Event()
        blocked = asyncio.create_task(worker.run(lambda: gate.wait(10)))
        await asyncio.sleep(0.05)
        tasks = [asyncio.create_task(worker.run(lambda k=k: k, page="a")) for k in range(5)]
        other = asyncio.create_task(worker.run(lambda: "other", page="b"))
        await asyncio.sleep(0.05)
        gate.set()
        found = await asyncio.gather(blocked, *tasks, other, return_exceptions=True)
        worker.stop()
        return found

    _, *steps, other = asyncio.run(go())
    assert all(isinstance(s, Superseded) for s in steps[:4])
    assert steps[4] == 4
    assert other == "other"


def test_errors_come_back_and_the_thread_goes_on() -> None:
    async def go() -> int:
        worker = Worker("test")
        with pytest.raises(ZeroDivisionError):
            await worker.run(lambda: 1 // 0)
        found = await worker.run(lambda: 7)
        worker.stop()
        return found

    assert asyncio.run(go()) == 7


def test_a_worker_that_stops_takes_nothing_more() -> None:
    async def go() -> None:
        worker = Worker("test")
        worker.stop()
        with pytest.raises(Busy, match="is stopping"):
            await worker.run(lambda: 1)

    asyncio.run(go())


def test_a_model_that_wants_to_end_the_program_ends_its_question() -> None:
    async def go() -> int:
        worker = Worker("test")
        with pytest.raises(Busy, match="SystemExit"):
            await worker.run(lambda: exec("raise SystemExit"))
        found = await worker.run(lambda: 7)
        worker.stop()
        return found

    assert asyncio.run(go()) == 7
