"""A small explorer of digits, without a wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

from neocog.networks.catalog import build
from neocog.networks.model import SpecifiedNetwork
from neocog.types import InputSpec, ModelSpec
from neocog.web.opening import opened
from neocog.web.session import Session

TEN = tuple("0123456789")


def small_model(classes: tuple[str, ...] = TEN, *, seed: int = 0) -> SpecifiedNetwork:
    """A small network of ours that nobody trained."""
    torch.manual_seed(seed)
    signal = InputSpec(channels=1, size=(28, 28), mean=(0.13,), std=(0.31,))
    spec = ModelSpec(task="classify", classes=classes, input=signal)
    network = build("convnet", num_classes=len(classes), in_channels=1, size=(28, 28))
    return SpecifiedNetwork(network, spec).eval()


class Segmenter(nn.Module):
    """Maps of three classes at half the size."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.head = nn.Conv2d(8, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.down(x)))


@pytest.fixture(scope="session")
def session() -> Session:
    return opened(small_model(), "digits")


@pytest.fixture(scope="session")
def two() -> Session:
    return opened(small_model(), "digits", baseline=small_model(seed=1))


@pytest.fixture(scope="session")
def ask(session: Session) -> Iterator[Callable[..., Any]]:
    """Questions over the wire to the small explorer; answers as the client has them."""
    yield from asking(session)


def asking(session: Session) -> Iterator[Callable[..., Any]]:
    from starlette.testclient import TestClient

    from neocog.web.server import Explorer, application

    explorer = Explorer(session)
    with TestClient(application(explorer), base_url="http://127.0.0.1:8181") as client:

        def question(path: str, body: Any = None, **more: Any) -> Any:
            posts = more.pop("post", False)
            if body is None and not posts:
                return client.get(path, **more)
            if isinstance(body, bytes):
                return client.post(path, content=body, **more)
            return client.post(path, json=body, **more)

        yield question


@pytest.fixture(scope="module")
def brief() -> Iterator[None]:
    """Slow answers from a few images and steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neocog.web.top_activations._STEPS", 2)
        patch.setattr("neocog.web.session.PREDICTED", 60)
        yield
