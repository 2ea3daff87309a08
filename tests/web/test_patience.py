"""Hundreds of connections to the explorer that never end their requests, and one that asks."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from neocog.web import patience
from neocog.web.patience import Patient


async def answering(scope, receive, send) -> None:
    """An application that answers at once; /large with what no socket holds."""
    if scope["type"] != "http":
        return
    body = b"x" * (50_000_000 if scope["path"] == "/large" else 4)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def server() -> Iterator[uvicorn.Server]:
    listening = socket.create_server(("127.0.0.1", 0), backlog=700)
    config = uvicorn.Config(
        answering, log_level="critical", http=Patient, ws="none", loop="asyncio", lifespan="off",
        limit_concurrency=600, timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    server.port = listening.getsockname()[1]  # type: ignore[attr-defined]
    yield server
    server.should_exit = True
    thread.join(20)
    listening.close()


def asked(server: uvicorn.Server, path: str = "/") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)  # type: ignore[attr-defined]
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def opened(server: uvicorn.Server, said: bytes) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", server.port), timeout=20)  # type: ignore[attr-defined]
    one.sendall(said)
    return one


def until(true) -> bool:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: "])
def test_half_open_connections_leave_a_place(server, said, monkeypatch):
    monkeypatch.setattr(patience, "HEAD", 1000.0)
    half = [opened(server, said) for _ in range(650)]
    try:
        assert asked(server) == 200
        assert until(lambda: len(server.server_state.connections) <= patience.WAITING)
        assert asked(server) == 200
    finally:
        for one in half:
            one.close()


def test_a_head_has_to_come_in_time(server, monkeypatch):
    monkeypatch.setattr(patience, "HEAD", 0.5)
    with opened(server, b"GET / HTTP/1.1\r\nHost: ") as trickling:
        with pytest.raises(OSError):  # noqa: PT012
            for _ in range(400):
                trickling.sendall(b"x")
                time.sleep(0.05)
        assert until(lambda: not server.server_state.connections)
    unfinished = b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    with opened(server, unfinished) as one:
        assert b"200 OK" in one.recv(1000)  # an answer that did not wait for the body
        assert until(lambda: not server.server_state.connections)


def test_who_reads_nothing_is_left(server, monkeypatch):
    monkeypatch.setattr(patience, "READ", 0.3)
    deaf = opened(server, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    assert until(lambda: server.server_state.connections)
    assert until(lambda: not server.server_state.connections)
    deaf.close()
    assert asked(server) == 200


def test_a_connection_is_used_again(server, monkeypatch):
    monkeypatch.setattr(patience, "HEAD", 5.0)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    for _ in range(3):
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"xxxx"
    assert len(server.server_state.connections) == 1
    connection.close()
