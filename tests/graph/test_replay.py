"""Outputs of nodes for one sample after another: the same numbers as those of a followed run."""

from collections.abc import Callable

import pytest
import torch
from tests.strangers.resnet20 import make
from torch import Tensor, nn

from neocog.errors import ModelError
from neocog.graph import replay
from neocog.graph.outputs import outputs
from neocog.graph.replay import Rerun
from neocog.graph.structure import structure
from neocog.networks.catalog import build


def polyphase() -> nn.Module:
    return build(
        "convnet",
        num_classes=3,
        in_channels=3,
        size=(32, 32),
        options={"downsampling": "polyphase", "padding": "circular"},
    )


def writes_over() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Dropout()
    )


class Sorted(nn.Module):
    """Several outputs of one operation, views, and a number of the whole image."""

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.sort(2)
        a, b = first.chunk(2, 3)
        y = torch.cat([a, b * second.float()[..., :16]], 1)
        return (y - y.mean()).flatten(1)[:, :5].neg_()


def equal(a: list[Tensor | None], b: list[Tensor | None]) -> bool:
    return len(a) == len(b) and all(
        p is q if p is None or q is None else torch.equal(p, q) for p, q in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("made", [make, polyphase, writes_over, Sorted], ids=lambda f: f.__name__)
def test_what_is_counted_is_what_is_followed(
    made: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    net = made().eval()
    found = structure(net, torch.zeros(1, 3, 32, 32))
    run = Rerun(net, found)
    xs = torch.rand(4, 1, 3, 32, 32)
    want = [outputs(net, x, found) for x in xs]
    assert equal(run(xs[0]), want[0])
    assert run.counts
    monkeypatch.delattr(replay, "outputs")  # nothing is followed from here on
    for x, values in zip(xs[1:], want[1:], strict=True):
        kept = x.clone()
        assert equal(run(x), values)
        assert torch.equal(x, kept)


@pytest.mark.parametrize("made", [make, polyphase, writes_over, Sorted], ids=lambda f: f.__name__)
def test_an_output_is_handed_on_when_it_is_complete_and_may_be_dropped(
    made: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    net = made().eval()
    found = structure(net, torch.zeros(1, 3, 32, 32))
    run = Rerun(net, found)
    xs = torch.rand(3, 1, 3, 32, 32)
    want = [outputs(net, x, found) for x in xs]

    def half(node: int, value: Tensor) -> Tensor | None:
        seen[node] = value.clone()
        return value if node % 2 else None

    seen: dict[int, Tensor] = {}
    run(xs[0], half)
    monkeypatch.delattr(replay, "outputs")
    for x, values in zip(xs, want, strict=True):
        seen.clear()
        kept = run(x, half)
        assert equal([seen.get(k) for k in range(len(values))], values)
        assert equal(kept, [v if k % 2 else None for k, v in enumerate(values)])


class Asks(nn.Module):
    """Takes its way by the numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return (self.one if x.max() > 0.5 else self.other)(x).flatten(1)


class AsksUnseen(Asks):
    """The same, by a look that no operation shows: both ways perform the same operations."""

    def forward(self, x: Tensor) -> Tensor:
        return (self.one if x.numpy().max() > 0.5 else self.other)(x).flatten(1)


@pytest.mark.parametrize(("made", "counts"), [(Asks, False), (AsksUnseen, True)])
@pytest.mark.parametrize("first", [0.1, 0.9])
def test_a_way_by_the_numbers_is_followed(
    made: Callable[[], nn.Module], counts: bool, first: float
) -> None:
    torch.manual_seed(0)
    net = made().eval()
    found = structure(net, torch.zeros(1, 1, 6, 6))
    run = Rerun(net, found)
    for most in (first, 0.9, 0.1, 0.9):
        x = torch.full((1, 1, 6, 6), most)
        assert equal(run(x), outputs(net, x, found))
    assert run.counts is counts


def test_a_network_that_learns_while_it_runs_is_followed() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    x = torch.rand(1, 1, 8, 8)
    run = Rerun(net, structure(net, x))
    run(x)
    assert not run.counts


def test_a_network_that_writes_into_itself_is_followed() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.seen.add_(1)
            return (x + self.seen).flatten(1)

    net = Counts().eval()
    x = torch.rand(1, 1, 2, 2)
    run = Rerun(net, structure(net, x))
    for _ in range(3):
        run(x)
    assert not run.counts


def test_a_network_that_draws_is_followed() -> None:
    class Draws(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x + torch.rand(1)).flatten(1)

    net = Draws().eval()
    x = torch.rand(1, 1, 2, 2)
    run = Rerun(net, structure(net, x))
    run(x)
    assert not run.counts


def test_what_fails_is_told_as_ever() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(32, 2)).eval()
    run = Rerun(net, structure(net, torch.zeros(1, 1, 6, 6)))
    run(torch.rand(1, 1, 6, 6))
    assert run.counts
    with pytest.raises(ModelError, match="the module fails on one of 1 × 7 × 7"):
        run(torch.rand(1, 1, 7, 7))
