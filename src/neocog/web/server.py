"""The routes: HTTP on one side, functions of `neocog.web.api` and its neighbors on the other."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from neocog.errors import DataError, NeocogError
from neocog.files import parse_json
from neocog.web import api
from neocog.web.audit import audit, run_audit
from neocog.web.frame import plain
from neocog.web.kernels import fits, kernels
from neocog.web.listing import listing
from neocog.web.neighbors import neighbors
from neocog.web.refused import Late, Refused, TooBig
from neocog.web.security import BODY, App, Guard
from neocog.web.session import Session
from neocog.web.share import Saving
from neocog.web.step import step
from neocog.web.top_activations import top_activations
from neocog.web.unit import unit
from neocog.web.worker import Busy, Worker

__all__ = ["SMALL", "STATIC", "Explorer", "application"]

STATIC = Path(__file__).parent / "static"
"""The page's own files."""

_JSON = 2**20
"""Bytes of a question."""

SMALL = 100_000_000
"""MACs of a model whose steps are done by one thread."""

SLOW = ("images", "kernels", "top-activations", "neighbors", "audit")
"""Kinds of questions that may take seconds; each has a thread, so that none waits for another."""

_LOOK = 0.2
"""Seconds between two checks whether a client waits."""

_PATIENCE = 20
"""Seconds that a body may take to come."""

_UPLOADS = 4
"""Images that are read at a time."""

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Explorer:
    """One session on the wire.

    Args:
        session: models and images.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.live = Worker("explorer: steps")
        self.slow = {kind: Worker(f"explorer: {kind}") for kind in SLOW}
        self.decoder = Worker("explorer: uploads")
        self.uploads = asyncio.Semaphore(_UPLOADS)
        session.stop = lambda: any(worker.unwanted() for worker in self.slow.values())

    def stop(self) -> None:
        """End all threads."""
        every = (self.decoder, *self.slow.values(), self.live)
        for worker in every:  # first all are stopped, then each is joined
            worker.stop(timeout=0)
        for worker in every:
            worker.stop()

    async def calm(self) -> None:
        """Small models in one thread: two would wait for each other while a browser draws."""
        macs = max(n.cost.macs for n in self.session.networks)
        if macs < SMALL:
            await self.live.run(partial(torch.set_num_threads, 1))

    def routes(self) -> list[Route | Mount]:
        """Every path that is served."""
        return [
            Route("/", _index, methods=["GET"]),
            self._get("/api/about", lambda s, query: api.about(s)),
            self._get("/api/graph", api.graph),
            self._get("/api/images", listing, slow=_needs_predictions),
            Route("/api/image", self._safe(self._image), methods=["GET", "POST"]),
            Route("/api/step", self._safe(self._step), methods=["POST"]),
            self._post("/api/unit", unit),
            self._get("/api/kernels", kernels, slow=partial(fits, self.session)),
            self._get("/api/top-activations", top_activations, slow=lambda query: True),
            self._get("/api/neighbors", neighbors, slow=lambda query: True),
            Route("/api/audit", self._safe(self._audit), methods=["GET", "POST"]),
            Route("/api/export", self._safe(self._export), methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC, check_dir=False), name="static"),
        ]

    # ---- kinds of routes

    def _get(
        self,
        path: str,
        question: Callable[[Session, Mapping[str, Any]], dict[str, Any]],
        *,
        slow: Callable[[Mapping[str, Any]], bool] = lambda query: False,
    ) -> Route:
        async def handler(request: Request) -> Response:
            query = dict(request.query_params)
            work = partial(question, self.session, query)
            if slow(query):
                return _json(await self._slowly(request, path.rpartition("/")[2], work))
            return _json(await self.live.run(work))

        return Route(path, self._safe(handler), methods=["GET"])

    def _post(
        self, path: str, question: Callable[[Session, Mapping[str, Any]], dict[str, Any]]
    ) -> Route:
        async def handler(request: Request) -> Response:
            query = await _question(request)
            return _json(await self.live.run(partial(question, self.session, query)))

        return Route(path, self._safe(handler), methods=["POST"])

    async def _slowly(self, request: Request, kind: str, work: Callable[[], T]) -> T:
        """Slow work, as long as a client waits for it; the newest of a page counts."""
        await self.live.run(self.session.prepare)
        if kind != "kernels":  # which reads weights and runs nothing
            await self.live.run(partial(self.session.copies, kind))
        return await _while_there(request, self.slow[kind].run(work, page=_page(request)))

    def _safe(
        self, handler: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Whatever goes wrong is a sentence."""

        async def safely(request: Request) -> Response:
            try:
                return await handler(request)
            except Refused as e:
                return _error(e.status, str(e))
            except NeocogError as e:
                return _error(400, str(e))
            except ClientDisconnect:
                return _error(400, "The request ended before its end.")
            except MemoryError:
                return _error(500, "The machine has no memory left for this.")
            except Exception as e:
                _log.error("%s %s: %s: %s", request.method, request.url.path, type(e).__name__, e)
                return _error(500, "Something went wrong in the explorer, which keeps running.")

        return safely

    # ---- routes with forms of their own

    async def _image(self, request: Request) -> Response:
        if request.method == "GET":
            work = partial(api.image, self.session, dict(request.query_params))
            return Response(await self.live.run(work), media_type="image/png")
        if self.uploads.locked():
            raise Busy("Too many images at once. Send this one again in a moment.")
        async with self.uploads:
            data: bytes | dict[str, Any]
            if _kind(request) == "application/json":
                data = await _question(request)
            else:
                data = await _body(request, BODY)
            taken = partial(api.bring, self.session, data, _page(request))
            return _json(await self.decoder.run(taken))

    async def _step(self, request: Request) -> Response:
        query = await _question(request)
        frame = await self.live.run(partial(step, self.session, query), page=_page(request))
        return Response(frame, media_type="application/octet-stream")

    async def _audit(self, request: Request) -> Response:
        if request.method == "GET":
            work = partial(audit, self.session, dict(request.query_params))
            return _json(await self.live.run(work))
        query = await _question(request)
        return _json(await self._slowly(request, "audit", partial(run_audit, self.session, query)))

    async def _export(self, request: Request) -> Response:
        query = await _question(request)
        saving = await self.live.run(partial(Saving, self.session, query))
        while await self.live.run(saving.advance):  # steps of pages come in between
            if await request.is_disconnected():
                raise ClientDisconnect
        html = await self.live.run(saving.file)
        headers = {"Content-Disposition": 'attachment; filename="neocog-view.html"'}
        return Response(html, media_type="text/html", headers=headers)


def application(explorer: Explorer) -> App:
    """The whole as an ASGI application, guarded."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> Any:
        await explorer.calm()
        yield
        explorer.stop()

    async def failed(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        words = {404: "There is no such page.", 405: "This path does not support that method."}
        return _error(status, words.get(status, "The explorer does not serve this."))

    app = Starlette(
        routes=explorer.routes(),
        lifespan=lifespan,
        exception_handlers={HTTPException: failed, Exception: failed},
    )
    return Guard(app)


def _needs_predictions(query: Mapping[str, Any]) -> bool:
    """Whether an order of images needs the model's predictions."""
    return query.get("sort") in ("prediction", "uncertain", "incorrect")


async def _index(request: Request) -> Response:
    file = STATIC / "index.html"
    if not file.is_file():
        return _error(404, "The page is missing from this installation. Reinstall neocog.")
    return FileResponse(file, media_type="text/html")


def _page(request: Request) -> str | None:
    """What a page calls itself."""
    return request.headers.get("x-page", "")[:100] or None


async def _while_there(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of some work, as long as the client is connected.

    Raises:
        ClientDisconnect: the client has gone.
    """
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=_LOOK))[0]:
            if await request.is_disconnected():
                raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _body(request: Request, limit: int) -> bytes:
    """What was posted; no more than the limit is ever held."""
    parts: list[bytes] = []
    total = 0
    try:
        async with asyncio.timeout(_PATIENCE):
            async for part in request.stream():
                total += len(part)
                if total > limit:
                    raise TooBig(f"At most {limit // 2**20} MB are read; got more.")
                parts.append(part)
    except TimeoutError:
        raise Late(f"A request ends within {_PATIENCE} seconds; this one did not.") from None
    return b"".join(parts)


async def _question(request: Request) -> dict[str, Any]:
    """A JSON object."""
    if _kind(request) != "application/json":
        raise Refused("A question is posted as JSON, with that content type.")
    data = await _body(request, _JSON)
    try:
        parsed = parse_json(data, source="A question")
    except DataError as e:
        raise Refused("A question is a JSON object; got what is not JSON.") from e
    if not isinstance(parsed, dict):
        raise Refused("A question is a JSON object; got another value.")
    return parsed


def _json(value: Any) -> Response:
    text = json.dumps(plain(value), allow_nan=False, separators=(",", ":"))
    return Response(text, media_type="application/json")


def _error(status: int, sentence: str) -> Response:
    # Of a body that is too long the rest is not read: the connection ends.
    headers = {"Connection": "close"} if status in (TooBig.status, Late.status) else None
    text = json.dumps({"error": sentence})
    return Response(text, status, headers, media_type="application/json")
