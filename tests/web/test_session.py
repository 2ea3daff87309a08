"""What one explorer keeps, and whose numbers it speaks in."""

import asyncio
import json
import threading
import time
from dataclasses import replace

import pytest
import torch
from tests.web.conftest import TEN, asking, small_model
from tests.web.questions import png

from neocog.networks.model import SpecifiedNetwork
from neocog.web import server
from neocog.web.cam import Wanted
from neocog.web.opening import opened
from neocog.web.session import Session


def reversed_model() -> SpecifiedNetwork:
    """The same network, its outputs and its classes in the other order."""
    model = small_model()
    spec = replace(model.spec, classes=TEN[::-1])

    class Backwards(torch.nn.Module):
        def __init__(self, inner: torch.nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x).flip(1)

    return SpecifiedNetwork(Backwards(model.network), spec).eval()


def test_a_model_keeps_its_classes_and_truths_are_in_its_numbers() -> None:
    session = opened(reversed_model(), "digits")
    assert session.networks[0].classes == TEN[::-1]
    plain = opened(small_model(), "digits")
    for k in range(5):
        truth = session.album.label(f"test:{k}", 0)
        assert truth == 9 - plain.album.label(f"test:{k}", 0)


def test_two_models_of_other_orders_agree_on_what_is_right() -> None:
    session = opened(small_model(), "digits:val", baseline=reversed_model())
    for ask in asking(session):
        a, b = (
            ask(f"/api/images?split=val&sort=incorrect&per=100&model={m}").json() for m in (0, 1)
        )
        assert a["total"] == b["total"]
        assert [i["id"] for i in a["items"]] == [i["id"] for i in b["items"]]
        names = [i["label"]["name"] for i in a["items"]]
        assert names == [i["label"]["name"] for i in b["items"]]


def test_an_audit_is_not_forgotten_for_what_comes_after_it() -> None:
    session = opened(small_model(), None)
    session.kept(("audit", 0), lambda: "audit")
    for k in range(200):
        session.kept(("top-activations", 0, 0, k), lambda k=k: k)
    assert session.has(("audit", 0))
    assert not session.has(("top-activations", 0, 0, 0))
    assert session.has(("top-activations", 0, 0, 199))


def test_an_image_that_is_decoded_does_not_hold_up_a_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = opened(small_model(), "digits")
    gate, begun = threading.Event(), threading.Event()

    def slow(session: Session, data: bytes, page: str | None) -> dict[str, str]:
        begun.set()
        gate.wait(30)
        return {"id": "own:1"}

    monkeypatch.setattr(server.api, "bring", slow)
    for ask in asking(session):
        said = {"headers": {"content-type": "image/png"}}
        upload = threading.Thread(target=ask, args=("/api/image", png()), kwargs=said)
        upload.start()
        assert begun.wait(10)
        assert ask("/api/step", {"image": "test:0"}).status_code == 200
        gate.set()
        upload.join()


def test_an_image_of_too_many_pixels_is_refused(ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neocog.web.album.PIXELS", 1000)
    answer = ask("/api/image", png((40, 30)), headers={"content-type": "image/png"})
    assert answer.status_code == 400
    assert "40 × 30 pixels, at most 1,000" in answer.json()["error"]


def test_a_body_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_PATIENCE", 0.2)
    explorer = server.Explorer(opened(small_model(), None))
    app = server.application(explorer)
    headers = [(b"host", b"localhost"), (b"content-type", b"image/png")]
    scope = {"type": "http", "method": "POST", "path": "/api/image", "headers": headers}
    scope |= {"query_string": b"", "http_version": "1.1", "scheme": "http", "root_path": ""}
    sent: list = []

    async def receive():
        await asyncio.sleep(30)

    async def send(message) -> None:
        sent.append(message)

    asyncio.run(asyncio.wait_for(app(scope, receive, send), 10))
    explorer.stop()
    assert sent[0]["status"] == 408
    assert "within" in json.loads(sent[1]["body"])["error"]


def test_made_images_are_said_to_be_made() -> None:
    for ask in asking(opened(small_model(), None)):
        assert ask("/api/about").json()["data"]["synthetic"] is True
        refused = ask("/api/audit", {"n": 4})
        assert refused.status_code == 400
        assert "An audit needs data" in refused.json()["error"]


class Centered(torch.nn.Module):
    """Takes one number of the whole image off."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean()).flatten(1)[:, :3]


class Stretched(torch.nn.Module):
    """Divides by the largest number of the image."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x / (x.max() + 1)).mean((2, 3)).repeat(1, 2)


class Asking(torch.nn.Module):
    """Looks at the image before it goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Linear(64, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.max() > 0.5 and x.std() > 0:
            x = x * x.sum().sigmoid()
        return self.head(x.flatten(1))


@pytest.mark.filterwarnings("ignore:Predictions are not a function of the image")  # of the batch
@pytest.mark.parametrize("made", [Centered, Stretched, Asking])
def test_numbers_of_a_whole_image_are_nodes_like_others(made) -> None:
    from neocog.web.step import rehearse

    torch.manual_seed(0)
    session = opened(torch.nn.Sequential(made()), None, size=(1, 8, 8), allow_random=True)
    rehearse(session)
    for ask in asking(session):
        nodes = ask("/api/graph").json()["nodes"]
        moved = {"image": "synthetic:0", "motion": {"dx": 1}, "errors": True}
        body = {**moved, "maps": [{"node": n["id"]} for n in nodes], "cam": {}}
        assert ask("/api/step", body).status_code == 200
        for n in nodes:
            answer = ask("/api/unit", {"image": "synthetic:0", "node": n["id"]})
            assert answer.status_code in (200, 400), answer.text
            if answer.status_code == 400:  # a way that this image does not take
                assert "does not come by" in answer.json()["error"]


@pytest.mark.filterwarnings("ignore:Predictions are not a function of the image")
def test_a_free_number_of_a_whole_image_has_a_value() -> None:
    class Apart(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(64, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head((x - x.mean()).flatten(1))

    session = opened(Apart(), None, size=(1, 8, 8), allow_random=True)
    for ask in asking(session):
        nodes = ask("/api/graph").json()["nodes"]
        mean = next(n for n in nodes if n["label"] == "mean")
        assert mean["shape"] == [1]
        got = ask("/api/unit", {"image": "synthetic:0", "node": mean["id"]}).json()
        assert got["value"] == pytest.approx(float(session.album.values("synthetic:0", 0).mean()))


def test_a_network_that_fails_while_it_is_rehearsed_still_opens() -> None:
    from neocog.web.step import rehearse

    class Odd(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if float(x.sum()) != 0:
                raise KeyError("only blank images")
            return x.flatten(1)[:, :3]

    session = opened(Odd(), None, size=(1, 8, 8))
    rehearse(session)
    for ask in asking(session):
        answer = ask("/api/step", {"image": "synthetic:0"})
        assert answer.status_code == 400
        assert "KeyError" in answer.json()["error"]


def test_of_the_slow_questions_of_a_page_the_newest_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate, begun, done = threading.Event(), threading.Event(), []

    def slow(session: Session, query) -> dict[str, str]:
        begun.set()
        gate.wait(30)
        done.append(query["channel"])
        return {"channel": query["channel"]}

    monkeypatch.setattr(server, "top_activations", slow)
    for ask in asking(opened(small_model(), None)):
        found: dict[str, int] = {}

        def one(k: str, ask=ask, found=found) -> None:
            said = ask(f"/api/top-activations?node=2&channel={k}", headers={"x-page": "p"})
            found[k] = said.status_code

        threads = [threading.Thread(target=one, args=("0",))]
        threads[0].start()
        assert begun.wait(10)
        for k in ("1", "2"):
            threads.append(threading.Thread(target=one, args=(k,)))
            threads[-1].start()
            time.sleep(0.2)  # they come one after the other
        gate.set()
        for thread in threads:
            thread.join()
        assert found == {"0": 200, "1": 409, "2": 200}
        assert done == ["0", "2"]


def test_grad_cam_lies_where_the_layer_looks() -> None:
    """A convolution of 9 pixels without padding sees around pixel 4 + i: the object's own row."""
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 1, 9, bias=False),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(1, 2),
    ).eval()
    for p in net.parameters():
        p.data.fill_(1.0)
    session = opened(net, None, size=(1, 28, 28))
    x = torch.zeros(1, 1, 28, 28)
    x[0, 0, 6, 20] = 1.0
    for layer in (None, "0"):
        cam, _ = session.cams[0].of(x, Wanted(layer, 0))
        large = cam.enlarged()[0]
        assert cam.cells is not None
        assert cam.cells.first == (4.0, 4.0)
        assert cam.cells.step == (1.0, 1.0)
        there = (large > 0).nonzero()
        # cells 0 to 6 down and 12 to 19 across see the object; their middles lie 4 further
        assert int(there[:, 0].max()) == 10
        assert int(there[:, 1].min()) == 16
