"""The questions of the page, over the wire without a socket."""

import io
import json

import numpy as np
import pytest
import torch
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


def test_G2_a_step_has_the_answer_the_maps_and_the_image(ask, session: Session) -> None:
    conv = node(graph(ask), "conv")
    found = step(ask, maps=[{"node": conv["id"], "channels": [0, 3]}], top=3)
    x = session.album.values("test:0", 0)
    assert np.allclose(found["image"]["values"], x[0].numpy(), atol=1 / 255)
    network = session.networks[0]
    with torch.no_grad():
        p = network.module(x).softmax(1)[0]
    rows = found["prediction"]["probabilities"]
    assert len(rows) == 3
    assert rows[0]["class"] == int(p.argmax())
    assert rows[0]["p"] == pytest.approx(float(p.max()), rel=1e-5)
    truth = session.album.label("test:0", 0)
    assert found["prediction"]["label"] == {"index": truth, "name": str(truth)}
    value = network.run(x)[conv["id"]]
    for shown, channel in zip(found["maps"], (0, 3), strict=True):
        # A byte is at most half a 255th of the scale away; float32 in between.
        room = (shown["hi"] - shown["lo"]) / 255 * 0.51
        assert np.abs(shown["values"] - value[0, channel].numpy()).max() <= room
    assert found["reference"] is None
    assert found["errors"] is None


def test_strongest_channels_and_vectors(ask) -> None:
    found = graph(ask)
    last = node(found, "linear")
    conv = node(found, "conv")
    shown = step(
        ask,
        maps=[
            {"node": conv["id"], "channels": "strongest:4"},
            {"node": last["id"], "channels": "first:8"},
            {"node": found["nodes"][-1]["id"]},
        ],
    )["maps"]
    assert [m["node"] for m in shown] == [conv["id"]] * 4 + [last["id"], found["nodes"][-1]["id"]]
    assert shown[4]["shape"] == [1, 10]
    assert shown[5]["values"].sum() == pytest.approx(1, abs=0.03)


def test_E1_a_moved_image_has_errors_at_every_node(ask) -> None:
    found = step(ask, motion={"padding": "circular", "dx": 1}, errors=True)
    assert found["reference"]["probabilities"]
    errors = {e["node"]: e["error"] for e in found["errors"]}
    assert errors[0] == pytest.approx(0, abs=1e-6)
    assert max(e for e in errors.values() if e is not None) > 0.01
    still = step(ask, motion={"padding": "circular", "dx": 0}, errors=True)
    assert max(e["error"] or 0 for e in still["errors"]) == 0


def test_a_class_that_is_told_of_one_image_is_told_of_both(ask) -> None:
    differ = 0
    for top in range(1, 10):
        found = step(ask, motion={"padding": "zeros", "dx": 20}, top=top)
        now, before = (found[name]["probabilities"] for name in ("prediction", "reference"))
        assert {r["class"] for r in now} == {r["class"] for r in before}
        for rows in (now, before):
            p = [r["p"] for r in rows]
            assert p == sorted(p, reverse=True)
        differ += len(now) > top
    assert differ


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


def test_A9_the_unit_of_a_layer_is_pytorchs_number(ask, session: Session) -> None:
    found = graph(ask)
    x = session.album.values("test:3", 0)
    values = session.networks[0].run(x)
    for n in found["nodes"]:
        if not n["units"] or n["kind"] == "output":
            continue
        place = {"channel": n["shape"][0] - 1}
        if n["maps"]:
            place |= {"row": n["shape"][1] - 1, "col": n["shape"][2] // 2}
        got = ask("/api/unit", {"image": "test:3", "node": n["id"], **place}).json()
        index = (0, *place.values()) if n["maps"] else (0, place["channel"])
        truth = float(values[n["id"]][index])
        assert got["value"] == pytest.approx(truth, rel=1e-7), n
        assert got["computed"] == pytest.approx(truth, rel=1e-4, abs=1e-5), n
        assert got["input_nodes"], n
        assert got["field"] is not None, n


def test_the_probability_of_a_class_is_worked_out(ask) -> None:
    output = graph(ask)["nodes"][-1]
    got = ask("/api/unit", {"image": "test:0", "node": output["id"], "channel": 4}).json()
    assert got["kind"] == "softmax"
    assert got["value"] == pytest.approx(got["computed"], rel=1e-6)
    assert sum(t["sum"] for t in got["inputs"]) == pytest.approx(1)


def test_a_pixel_is_as_it_is(ask, session: Session) -> None:
    got = ask("/api/unit", {"image": "test:0", "node": 0, "row": 14, "col": 14}).json()
    assert got["value"] == pytest.approx(float(session.album.values("test:0", 0)[0, 0, 14, 14]))
    assert got["field"] == {"r0": 14, "r1": 15, "c0": 14, "c1": 15, "wraps": False}


def test_images_are_listed_in_orders(ask, session: Session) -> None:
    plain = ask("/api/images?split=test&per=5").json()
    assert plain["total"] == 1000
    assert [i["id"] for i in plain["items"]] == [f"test:{k}" for k in range(5)]
    by_truth = ask("/api/images?split=test&sort=label&per=200&page=2").json()["items"]
    labels = [i["label"]["index"] for i in by_truth]
    assert labels == sorted(labels)
    wrong = ask("/api/images?split=test&sort=incorrect&per=3").json()
    assert 0 < wrong["total"] <= 1000
    assert all(i["prediction"]["index"] != i["label"]["index"] for i in wrong["items"])
    unsure = ask("/api/images?split=test&sort=uncertain&per=200").json()["items"]
    entropy = session.predictions("test", 0).entropy
    first = [entropy[int(i["id"].split(":")[1])] for i in unsure]
    assert first == sorted(first, reverse=True)
    predicted = ask("/api/images?split=test&sort=prediction&per=200").json()["items"]
    numbers = [i["prediction"]["index"] for i in predicted]
    assert numbers == sorted(numbers)


def test_an_image_is_a_png_as_the_model_sees_it(ask, session: Session) -> None:
    answer = ask("/api/image?id=test:7")
    assert answer.headers["content-type"] == "image/png"
    pixels = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert np.allclose(pixels / 255, session.album.values("test:7", 0)[0, 0], atol=1e-6)


def test_G1_filters_of_a_layer(ask, session: Session) -> None:
    conv = node(graph(ask), "conv")
    got = ask(f"/api/kernels?node={conv['id']}").json()
    weight = session.networks[0].module.get_submodule(session.networks[0].full(conv["name"])).weight
    assert got["shape"] == list(weight.shape)
    assert np.allclose(got["kernels"][1]["planes"][0], weight[1, 0].detach().numpy(), atol=1e-6)
    assert got["hi"] == pytest.approx(float(weight.detach().abs().max()))
    assert len(got["gabor"]["explained"]) == len(weight)
    linear = node(graph(ask), "linear")
    refused = ask(f"/api/kernels?node={linear['id']}")
    assert refused.status_code == 404


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
