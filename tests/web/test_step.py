"""A step of the page."""

import numpy as np
import pytest
import torch
from tests.web.questions import graph, node, step

from neocog.web.session import Session


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
