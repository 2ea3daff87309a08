"""Questions that the tests of the explorer ask often."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image
from tests.web.frames import read


def step(ask: Any, **more: Any) -> dict[str, Any]:
    """A step of the first model, on the first image if nothing else is said."""
    body = {"model": 0, "image": "test:0", **more}
    answer = ask("/api/step", body)
    assert answer.status_code == 200, answer.text
    return read(answer.content)


def graph(ask: Any, model: int = 0) -> dict[str, Any]:
    """Nodes and edges."""
    found: dict[str, Any] = ask(f"/api/graph?model={model}").json()
    return found


def node(found: dict[str, Any], kind: str) -> dict[str, Any]:
    """The first node of a kind."""
    return next(n for n in found["nodes"] if n["kind"] == kind)


def png(size: tuple[int, int] = (40, 30), color: str = "white") -> bytes:
    """An image file of one color."""
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    return out.getvalue()
