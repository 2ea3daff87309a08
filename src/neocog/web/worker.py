"""One thread that does the work of a model, one question after the other.

Steps that wait while newer ones of the same page come are dropped: a person who drags an image
wants the newest, not all. Work that takes long asks on its way whether it is still wanted.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from neocog.web.refused import Refused, Superseded

__all__ = ["Busy", "Worker"]

T = TypeVar("T")

_WAITING = 512
"""Questions that may wait."""

_PAGES = 256
"""Pages whose newest step is remembered."""


class Busy(Refused):
    """Too many questions wait, or the explorer is stopping."""

    status = 503


@dataclass
class _Job:
    work: Callable[[], Any]
    page: str | None
    number: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    gone: bool = False


class Worker:
    """A thread with a queue.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._queue: queue.Queue[_Job | None] = queue.Queue(_WAITING)
        self._newest: OrderedDict[str, int] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()
        self._now: _Job | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def unwanted(self) -> bool:
        """Whether the calling thread is this one, and no client waits for it any more."""
        if threading.current_thread() is not self._thread:
            return False
        job = self._now
        return self._stopping or (job is not None and (job.gone or self._old(job)))

    async def run(self, work: Callable[[], T], *, page: str | None = None) -> T:
        """Do some work in the thread and wait for its result.

        Args:
            work: what is done.
            page: whose requests are superseded by newer ones; None for all.

        Raises:
            Superseded: a newer request of the same page is waiting.
            Busy: too many questions wait.
        """
        loop = asyncio.get_running_loop()
        with self._lock:
            self._count += 1
            number = self._count
        job = _Job(work, page, number, loop, loop.create_future())
        if self._stopping:
            raise Busy("The explorer is stopping.")
        try:
            self._queue.put_nowait(job)
        except queue.Full:
            raise Busy("Too many requests are waiting. Try again in a moment.") from None
        if page is not None:
            self._note(page, number)
        try:
            result: T = await job.future
        finally:
            job.gone = True  # also a client that did not wait
        return result

    def _note(self, page: str, number: int) -> None:
        """A question is the newest of its page."""
        with self._lock:
            self._newest[page] = max(number, self._newest.get(page, 0))
            self._newest.move_to_end(page)
            while len(self._newest) > _PAGES:
                self._newest.popitem(last=False)

    def stop(self, *, timeout: float = 5.0) -> None:
        """Take no more work, and wait a moment for what is being done."""
        self._stopping = True
        while True:
            try:
                self._queue.put_nowait(None)
                break
            except queue.Full:
                try:
                    self._queue.get_nowait()
                except queue.Empty:
                    continue
        self._thread.join(timeout)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            if self._stopping:
                _tell(job, None, Busy("The explorer is stopping."))
            elif self._old(job) or job.gone:
                _tell(job, None, Superseded("superseded"))
            else:
                self._now = job
                self._do(job)
                self._now = None

    def _old(self, job: _Job) -> bool:
        with self._lock:
            return job.page is not None and self._newest.get(job.page, 0) > job.number

    def _do(self, job: _Job) -> None:
        try:
            result = job.work()
        except KeyboardInterrupt:  # it saw that no client waits for it
            old = self._old(job) and not self._stopping
            _tell(job, None, Superseded("superseded") if old else Busy("The explorer is stopping."))
        except Exception as e:  # reported to the client
            _tell(job, None, e)
        except BaseException as e:  # a model that wants to end the program
            _tell(job, None, Busy(f"The model failed with {type(e).__name__}."))
        else:
            _tell(job, result, None)


def _tell(job: _Job, result: Any, error: Exception | None) -> None:
    def settle() -> None:
        if job.future.done():  # the client has gone
            return
        if error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)

    try:
        job.loop.call_soon_threadsafe(settle)
    except RuntimeError:  # the loop is closed
        return
