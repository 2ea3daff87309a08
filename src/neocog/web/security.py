"""Who may ask: the person at this machine, from the page that the explorer served.

A page of another site that is open in the same browser can send requests to 127.0.0.1 too. So every
request must name this machine as its host (or a name that was bound to it by a foreign DNS gets
in), must not come from another origin, and is refused before its body is read if that is too long
or of a kind that a plain form can send.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["BODY", "POLICY", "Guard", "refusal"]

BODY = 16 * 2**20
"""Bytes of a body that are read, at most."""

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: from the explorer alone."""

_HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

_log = logging.getLogger(__name__)

_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)

_KINDS = re.compile(r"application/json|application/octet-stream|image/[\w.+-]+")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def refusal(method: str, path: str, headers: list[tuple[bytes, bytes]]) -> tuple[int, str] | None:
    """Why a request is refused: status and sentence; None for one that is not.

    Example:
        >>> refusal("GET", "/", [(b"host", b"127.0.0.1:8181")])
        >>> refusal("GET", "/", [(b"host", b"evil.example")])[0]
        403
    """
    held: dict[bytes, list[str]] = {}
    for name, value in headers:
        held.setdefault(name.lower(), []).append(value.decode("latin-1").strip())
    hosts = held.get(b"host", [])
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        return (
            403,
            "The explorer only serves 127.0.0.1 and localhost. Open the address it printed.",
        )
    origins = held.get(b"origin", [])
    if origins and origins != [f"http://{hosts[0]}"]:
        return 403, "The explorer serves only its own page; this request is from another site."
    site = held.get(b"sec-fetch-site", ["none"])[0]
    opens = method == "GET" and path == "/" and held.get(b"sec-fetch-mode") == ["navigate"]
    if site not in ("none", "same-origin") and not opens:
        return 403, "The explorer serves only its own page; this request is from another site."
    if method not in ("GET", "HEAD", "POST"):
        return 405, "The explorer supports GET and POST."
    length = held.get(b"content-length", ["0"])[0]
    if not (length.isascii() and length.isdigit()) or len(length) > 15 or int(length) > BODY:
        return 413, f"A request has at most {BODY // 2**20} MB; this one is longer."
    if method == "POST":
        kind = held.get(b"content-type", [""])[0].partition(";")[0].strip().lower()
        if not _KINDS.fullmatch(kind):
            return 415, "A POST request sends JSON or an image, with that content type."
    return None


class Guard:
    """Refuses what has no business here, and adds the headers that keep the page to itself.

    Args:
        app: the rest, an ASGI application.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        path = str(scope["path"])

        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message = {**message, "headers": _with_headers(path, message.get("headers", []))}
            await send(message)

        refused = refusal(str(scope["method"]), path, list(scope["headers"]))
        if refused is None:
            try:
                await self.app(scope, receive, guarded)
            except Exception as e:  # what the application has not made a sentence of
                _log.error("%s: %s: %s", path, type(e).__name__, e)
                if not begun:
                    await _refuse(guarded, 500, "Something went wrong in the explorer.")
            return
        status, sentence = refused
        await _refuse(guarded, status, sentence)


async def _refuse(send: Send, status: int, sentence: str) -> None:
    body = json.dumps({"error": sentence}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _with_headers(path: str, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    own = [(k, v) for k, v in headers]
    if path.startswith("/static/") and path.endswith(".js"):  # some systems call it plain text
        own = [(k, v) for k, v in own if k.lower() != b"content-type"]
        own.append((b"content-type", b"text/javascript; charset=utf-8"))
    names = {k.lower() for k, _ in own}
    if b"cache-control" not in names:
        own.append((b"cache-control", b"no-cache" if not path.startswith("/api") else b"no-store"))
    return [*own, *_HEADERS]
