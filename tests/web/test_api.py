"""The questions of the page, over the wire without a socket."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from tests.web.questions import graph, node, step

from neocog.web.session import Session


def test_about_says_what_is_shown(ask) -> None:
    found = ask("/api/about").json()
    (model,) = found["models"]
    assert model["size"] == [28, 28]
    assert model["classes"] == list("0123456789")
    assert model["params"] > 0
    assert found["data"]["splits"]["test"] == 1000
    assert found["first"] == "test:0"
    assert found["audits"] == ["none"]


def test_G5_the_graph_goes_from_image_to_probabilities(ask) -> None:
    found = graph(ask)
    nodes = found["nodes"]
    assert [n["id"] for n in nodes] == list(range(len(nodes)))
    assert (nodes[0]["kind"], nodes[-1]["kind"]) == ("input", "output")
    assert not any(n["name"].startswith("network") for n in nodes)
    conv = node(found, "conv")
    assert conv["maps"]
    assert conv["units"]
    assert conv["rf"] == {"size": [5, 5], "jump": [2, 2], "start": [-2, -2]}
    assert all(a < b for a, b in found["edges"])


def test_G4_grad_cam_follows_the_image(ask) -> None:
    cam = {"target": None, "layer": None, "method": "grad_cam"}
    found = step(ask, cam=cam)["cam"]
    assert found["shape"] == [28, 28]
    assert found["layer"]
    assert found["layer_reason"]
    again = step(ask, cam={**cam, "layer": found["layer"], "target": found["target"]})["cam"]
    assert np.allclose(found["values"], again["values"])
    moved = step(ask, cam=cam, motion={"dx": 6})["cam"]
    assert not np.allclose(found["values"], moved["values"])


def test_a_cam_that_cannot_be_made_says_why(ask) -> None:
    found = step(ask, cam={"layer": "nosuch"})
    assert found["cam"] is None
    assert "nosuch" in found["reason"]


def test_an_image_is_a_png_as_the_model_sees_it(ask, session: Session) -> None:
    answer = ask("/api/image?id=test:7")
    assert answer.headers["content-type"] == "image/png"
    pixels = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert np.allclose(pixels / 255, session.album.values("test:7", 0)[0, 0], atol=1e-6)


def test_G3_what_a_unit_likes(ask, brief, session: Session) -> None:
    conv = node(graph(ask), "conv")
    got = ask(f"/api/top-activations?node={conv['id']}&channel=2").json()
    assert len(got["patches"]) == 9
    scores = [p["activation"] for p in got["patches"]]
    assert scores == sorted(scores, reverse=True)
    best = got["patches"][0]
    value = session.networks[0].run(session.album.values(best["image"], 0))[conv["id"]]
    assert float(value[0, 2].max()) == pytest.approx(best["activation"], rel=1e-4)
    window = best["window"]
    assert window["r1"] - window["r0"] == conv["rf"]["size"][0]
    assert got["maximized"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/graph?model=1", None, 400),
        ("/api/graph?model=-1", None, 400),
        ("/api/graph?model=x", None, 400),
        ("/api/images?split=nosuch", None, 404),
        ("/api/images?sort=nosuch", None, 400),
        ("/api/images?per=100000", None, 400),
        ("/api/image?id=test:100000", None, 404),
        ("/api/image?id=../../etc/passwd", None, 404),
        ("/api/image", None, 400),
        ("/api/top-activations?node=9999&channel=0", None, 404),
        ("/api/kernels", None, 400),
        ("/api/step", {"image": "test:0", "maps": 3}, 400),
        ("/api/step", {"image": "test:0", "maps": [{"node": 9999}]}, 404),
        ("/api/step", {"image": "test:0", "maps": [{"node": 0}] * 300}, 400),
        ("/api/step", {"image": "own:x"}, 404),
        ("/api/step", {}, 400),
        ("/api/step", [], 400),
        ("/api/unit", {"image": "test:0", "node": 0, "row": 99}, 400),
        ("/api/unit", {"image": "test:0", "node": 0, "channel": 1}, 400),
        ("/api/audit", {"n": 100000}, 400),
        ("/nosuch", None, 404),
        ("/static/../../session.py", None, 404),
        ("/static/..%2f..%2fsession.py", None, 404),
        ("/static/%2e%2e/session.py", None, 404),
        ("/static//etc/passwd", None, 404),
        ("/static/%00", None, 404),
    ],
)
def test_what_is_not_there_is_a_sentence(ask, path: str, body, status: int) -> None:
    answer = ask(path) if body is None else ask(path, body)
    assert answer.status_code == status, answer.text
    assert "Traceback" not in answer.text
    if path.startswith("/api"):
        assert answer.json()["error"].endswith((".", "null.", "`"))


def test_bodies_that_are_no_question(ask) -> None:
    json_type = {"content-type": "application/json"}
    deep = b"[" * 100_000
    for body in (b"", b"{", b"null", b'{"a": NaN}', b"\xff\xfe", deep, b"9" * 5000):
        answer = ask("/api/step", body, headers=json_type, post=True)
        assert answer.status_code == 400, body[:20]
        assert "JSON" in answer.json()["error"]
    assert ask("/api/step", b"{}", headers={"content-type": "image/png"}).status_code == 400
    assert ask("/api/step", b"{}", headers={"content-type": "text/plain"}).status_code == 415
    long = json.dumps({"image": "x" * 2**20}).encode()
    assert ask("/api/step", long, headers=json_type).status_code == 413


def test_headers_keep_the_page_to_itself(ask) -> None:
    found = ask("/api/about").headers
    assert "default-src 'self'" in found["content-security-policy"]
    assert "unsafe" not in found["content-security-policy"]
    assert found["referrer-policy"] == "no-referrer"
    assert found["cache-control"] == "no-store"
    assert ask("/nosuch").headers["x-frame-options"] == "DENY"
