"""The arithmetic of a unit is PyTorch's number."""

import pytest
from tests.web.questions import graph

from neocog.web.session import Session


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
        # float32 sums over up to 9·C products, in another order: values are about 1.
        assert got["value"] == pytest.approx(truth, rel=1e-5, abs=1e-6), n
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
