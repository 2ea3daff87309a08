"""Slow questions: none waits for one of another kind, and none is answered for nobody."""

import asyncio
import json
import threading
import time
from typing import Any

import pytest
import torch
from tests.web.conftest import asking, small_model

from neocog.web import server
from neocog.web.opening import opened
from neocog.web.session import Session


def later(ask: Any, *words: Any, **more: Any) -> tuple[threading.Thread, list[Any]]:
    """A question in a thread of its own, and where its answer will be."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(ask(*words, **more)))
    thread.start()
    return thread, answers


def held(monkeypatch: pytest.MonkeyPatch, name: str) -> tuple[threading.Event, threading.Event]:
    """A question that begins, tells so, and waits until it may end."""
    gate, begun = threading.Event(), threading.Event()

    def slow(session: Session, asked: Any) -> dict[str, bool]:
        begun.set()
        gate.wait(30)
        return {"done": True}

    monkeypatch.setattr(server, name, slow)
    return gate, begun


@pytest.mark.parametrize(
    ("kind", "path", "body"),
    [
        ("run_audit", "/api/audit", {"n": 4}),
        ("top_activations", "/api/top-activations?node=2&channel=0", None),
    ],
)
def test_what_takes_long_holds_up_nothing_of_another_kind(
    brief, monkeypatch: pytest.MonkeyPatch, kind: str, path: str, body: Any
) -> None:
    gate, begun = held(monkeypatch, kind)
    for ask in asking(opened(small_model(), "digits")):
        thread, answers = later(ask, path, body)
        assert begun.wait(10)
        nodes = ask("/api/graph").json()["nodes"]
        conv = next(n["id"] for n in nodes if n["kind"] == "conv")
        others = [
            "/api/images?sort=incorrect",
            f"/api/kernels?node={conv}",  # with a Gabor fit
            f"/api/top-activations?node={conv}&channel=1",
        ]
        for other in others:
            if kind.replace("_", "-") not in other:
                assert ask(other).status_code == 200
        assert ask("/api/step", {"image": "test:0"}).status_code == 200
        assert not answers
        gate.set()
        thread.join()
        assert answers[0].json() == {"done": True}


def test_copies_share_weights_and_nothing_else() -> None:
    session = opened(small_model(), None)
    mine = session.networks[0].module
    first, second = (session.copy(0, kind) for kind in ("top-activations", "audit"))
    assert first is session.copy(0, "top-activations")
    assert first is not second
    for a, b, c in zip(mine.parameters(), first.parameters(), second.parameters(), strict=True):
        assert a.data_ptr() == b.data_ptr() == c.data_ptr()
        assert len({id(a), id(b), id(c)}) == 3
    for a, b in zip(mine.buffers(), first.buffers(), strict=True):
        assert a.data_ptr() != b.data_ptr()
    x = torch.rand(2, 1, 28, 28)
    with torch.no_grad():
        assert torch.equal(first(x), mine(x))
    first(x).sum().backward()
    assert all(p.grad is None for p in (*mine.parameters(), *second.parameters()))


def scope(path: str) -> dict[str, Any]:
    where, _, query = path.partition("?")
    return {
        "type": "http",
        "method": "GET",
        "path": where,
        "headers": [(b"host", b"localhost"), (b"x-page", b"p")],
        "query_string": query.encode(),
        "http_version": "1.1",
        "scheme": "http",
        "root_path": "",
    }


def test_the_work_of_a_page_that_was_closed_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "neocog.web.top_activations._STEPS", 100_000
    )  # for hours, while somebody waits
    begun = threading.Event()
    found = server.top_activations
    monkeypatch.setattr(
        server, "top_activations", lambda session, asked: (begun.set(), found(session, asked))[1]
    )
    session = opened(small_model(), "digits")
    explorer = server.Explorer(session)
    app = server.application(explorer)
    conv = next(n.id for n in session.networks[0].graph.nodes if n.kind == "conv")
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        while not begun.is_set():
            await asyncio.sleep(0.02)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def go() -> int:
        await app(scope(f"/api/top-activations?node={conv}&channel=0"), receive, send)
        return await asyncio.wait_for(explorer.slow["top-activations"].run(lambda: 7), 20)

    assert asyncio.run(go()) == 7
    assert sent[0]["status"] == 400
    assert "ended" in json.loads(sent[1]["body"])["error"]
    explorer.stop()


def test_a_newer_question_of_a_page_ends_the_one_that_is_being_answered() -> None:
    async def go() -> list[Any]:
        worker = server.Worker("test")
        begun = threading.Event()

        def long() -> str:
            begun.set()
            while not worker.unwanted():
                time.sleep(0.01)
            raise KeyboardInterrupt

        first = asyncio.create_task(worker.run(long, page="a"))
        await asyncio.to_thread(begun.wait, 10)
        second = await worker.run(lambda: "new", page="a")
        worker_done = await asyncio.gather(first, return_exceptions=True)
        worker.stop()
        return [second, *worker_done]

    second, first = asyncio.run(asyncio.wait_for(go(), 20))
    assert second == "new"
    assert isinstance(first, server.Refused)
    assert first.status == 409
