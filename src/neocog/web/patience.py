"""Connections that ask nothing: each waits a while, and all of them together are few.

A connection that was opened and never ends its request costs a place; some hundreds of them would
leave none for the page. So a request's head has to come within seconds, of the connections that
wait for one only the newest are kept, and a client that does not read is dropped.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["Patient"]

HEAD = 10.0
"""Seconds within which the head of a request has to be there."""

READ = 30.0
"""Seconds within which a client has to read some of a response."""

WAITING = 300
"""Connections without a request, at most; a browser opens six, but requests may come in a burst."""


class Patient(H11Protocol):
    """HTTP/1.1 with an end to patience."""

    waits_since: float | None = None
    """When the connection began to wait for a request; None during a response."""
    _late: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Go on with a request; parts of a head do not make it wait longer."""
        super().data_received(data)
        if self._busy():
            self._predict()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        super().on_response_complete()
        self._wait()
        if self._busy():
            self._predict()  # the next was there already

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._predict()
        self._read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        super().pause_writing()
        self._read()
        self._unread = self.loop.call_later(READ, self.transport.abort)

    def resume_writing(self) -> None:
        """The client goes on reading."""
        super().resume_writing()
        self._read()

    def _busy(self) -> bool:
        """Whether a response is in progress."""
        cycle: Any = self.cycle  # None before the first
        return cycle is not None and not cycle.response_complete

    def _wait(self) -> None:
        self._predict()
        self.waits_since = self.loop.time()
        self._late = self.loop.call_later(HEAD, self.transport.abort)
        idle = [c for c in self.connections if isinstance(c, Patient) and c.waits_since is not None]
        for one in sorted(idle, key=lambda c: c.waits_since or 0.0)[: max(0, len(idle) - WAITING)]:
            one.waits_since = None
            one.transport.abort()

    def _predict(self) -> None:
        self.waits_since = None
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
