"""The explorer as a whole: open the models, serve the page, until Ctrl-C."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import torch

from neocog.errors import UsageError
from neocog.graph.preserve import preserved
from neocog.keywords import known_keywords
from neocog.web.opening import AnyNetwork, Data, opened
from neocog.web.session import Session
from neocog.web.step import rehearse

__all__ = ["PORT", "address", "bound", "explore", "serve"]

PORT = 8181
"""Tried first, by default."""

HOST = "127.0.0.1"


@known_keywords
def explore(
    model: AnyNetwork,
    data: Data | None = None,
    *,
    baseline: AnyNetwork | None = None,
    port: int | None = None,
    browser: bool = True,
    size: Sequence[int] | None = None,
    task: str | None = None,
    allow_random: bool = False,
    on_open: Callable[[str], None] | None = None,
) -> None:
    """Show a network in the browser: its maps, its arithmetic, what moves when the image moves.

    Serves a page on this machine alone until it is interrupted. The models stay as they are.

    Args:
        model: the name of a model, what `neocog.load` gives, or any `nn.Module` from values in
            [0, 1].
        data: a data set (`DATA:val` shows that split first), a split, or tensors (x, y);
            without it synthetic images are shown, and own ones can be brought.
        baseline: a second model, shown the same images under the same transform.
        port: of the address; 8181 or a free one if left out.
        browser: open the page in a browser.
        size: (C, H, W) or (C, N) of a sample, of an `nn.Module` without data.
        task: what an `nn.Module` does: classify, segment or regress.
        allow_random: take models whose predictions are not a function of the image alone.
        on_open: called with the address once it can be opened.

    Raises:
        KeyboardInterrupt: it was stopped with Ctrl-C.
        NeocogError: a model or the data cannot be opened, or the port is taken.

    Example:
        >>> import neocog
        >>> neocog.explore("runs/digits", "digits")  # doctest: +SKIP
    """
    with bound(port) as listening:
        session = opened(
            model, data, baseline=baseline, size=size, task=task, allow_random=allow_random
        )
        with ExitStack() as stack:
            for network in session.networks:
                stack.enter_context(preserved(network.module))
            rehearse(session)
            where = address(listening)
            if on_open is not None:
                on_open(where)
            if browser:
                _open(where)
            serve(session, listening)


def bound(port: int | None = None) -> socket.socket:
    """A socket that listens on this machine alone.

    Args:
        port: to listen on; `PORT` or a free one if left out.

    Raises:
        UsageError: the port is taken, or may not be taken.
    """
    for number in (PORT, 0) if port is None else (port,):
        # The protocol is named, or asyncio leaves Nagle's algorithm on: 40 ms a frame.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        if os.name == "posix":  # on Windows it would let two programs share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, number))
            listening.listen(128)
            return listening
        except (OSError, OverflowError) as e:
            listening.close()
            if port is None and number:
                continue
            taken = isinstance(e, OSError) and e.errno == errno.EADDRINUSE
            why = "another program uses it" if taken else getattr(e, "strerror", None) or str(e)
            raise UsageError(
                f"The explorer listens on a port of this machine, which fails on {number}: {why}. "
                "Leave out --port to use a free one."
            ) from e
    raise AssertionError("a port was tried")


def address(listening: socket.socket) -> str:
    """What a browser opens."""
    return f"http://{HOST}:{listening.getsockname()[1]}"


def serve(session: Session, listening: socket.socket) -> None:
    """Serve until Ctrl-C.

    Args:
        session: what is shown, its models in evaluation mode.
        listening: where.

    Raises:
        KeyboardInterrupt: it was stopped with Ctrl-C.
    """
    import uvicorn

    from neocog.web.patience import Patient
    from neocog.web.server import Explorer, application

    threads = torch.get_num_threads()
    explorer = Explorer(session)
    try:
        config = uvicorn.Config(
            application(explorer),
            log_level="critical",
            access_log=False,
            server_header=False,
            http=Patient,
            ws="none",
            loop="asyncio",
            timeout_graceful_shutdown=2,
            limit_concurrency=600,
        )
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        explorer.stop()
        torch.set_num_threads(threads)


def _open(where: str) -> None:
    """The page in a browser with windows; one in the terminal would take the terminal away."""
    windows = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not windows:
        return
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(where,), daemon=True).start()
