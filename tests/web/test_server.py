"""The explorer as a process: its address, its end, and what it withstands."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = "from neocog.cli.main import main; main()"


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, "explore", *words, "--no-browser"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
    )


def port_of(process: subprocess.Popen[str]) -> int:
    line = process.stdout.readline()
    assert line.startswith("Explorer: http://127.0.0.1:"), line + process.stderr.read()
    return int(line.rsplit(":", 1)[1])


NET = ("tests.web.strangers:make", "--size", "3,32,32", "--mean", "0.5", "--std", "0.25")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    process = start(*NET)
    try:
        yield port_of(process)
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "Traceback" not in err
        assert "The explorer has stopped." in err


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str):
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_the_page_is_served(port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/about", timeout=60) as answer:
        assert b'"models"' in answer.read()


def test_other_hosts_and_origins_are_refused(port: int) -> None:
    assert ask(port, "GET", "/api/about", Host="evil.example")[0] == 403
    assert ask(port, "GET", "/api/about", Origin="http://evil.example")[0] == 403
    own = f"http://127.0.0.1:{port}"
    assert ask(port, "GET", "/api/about", Origin=own)[0] == 200


def test_paths_that_climb_lead_nowhere(port: int) -> None:
    for path in ("/static/../session.py", "/static/%2e%2e%2fsession.py", "//etc/passwd", "/../x"):
        status, body = ask(port, "GET", path)
        assert status == 404, path
        assert b"import" not in body


def test_a_hundred_megabytes_are_refused_before_they_are_read(port: int) -> None:
    head = (
        f"POST /api/image HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Content-Type: image/png\r\nContent-Length: 104857600\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
        s.sendall(head.encode())
        began = time.monotonic()
        answer = s.recv(4096)
        assert answer.startswith(b"HTTP/1.1 413")
        assert time.monotonic() - began < 10


def test_without_a_length_no_more_than_the_limit_is_read(port: int) -> None:
    head = (
        f"POST /api/image HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"100000\r\n" + b"x" * 2**20 + b"\r\n"
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
        s.sendall(head.encode())
        try:
            for _ in range(100):
                s.sendall(chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass
        else:
            pytest.fail("all of it was taken")
        try:
            answer = s.recv(4096)
        except ConnectionResetError:
            answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413")
    assert ask(port, "GET", "/api/about")[0] == 200


def test_two_hundred_at_once_are_answered(port: int) -> None:
    body = b'{"image": "synthetic:0", "maps": [{"node": 1}]}'
    head = (
        f"POST /api/step HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )

    async def one() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + body)
        await writer.drain()
        answer = await reader.read()
        writer.close()
        return answer

    async def all_of_them() -> list[bytes]:
        return await asyncio.gather(*(one() for _ in range(200)))

    answers = asyncio.run(all_of_them())
    assert len(answers) == 200
    assert all(a.startswith((b"HTTP/1.1 200", b"HTTP/1.1 503")) for a in answers)
    assert sum(a.startswith(b"HTTP/1.1 200") for a in answers) > 100
    assert ask(port, "GET", "/api/about")[0] == 200


def test_half_a_request_and_nonsense_leave_the_server_alive(port: int) -> None:
    for data in (
        b"GET / HT",
        b"\x00" * 300,
        b"POST /api/step HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
            s.sendall(data)
    assert ask(port, "GET", "/api/about")[0] == 200


def test_a_port_that_is_taken_is_one_sentence(port: int) -> None:
    process = start(*NET, "--port", str(port))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "another program uses it" in err
    assert "Traceback" not in err


def test_without_a_port_a_free_one_is_found() -> None:
    from neocog.web.explore import address, bound

    with bound() as first, bound() as second:
        assert address(first) != address(second)
