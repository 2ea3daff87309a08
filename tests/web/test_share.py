"""The page as one file, read back as the page reads it."""

import base64
import json
import re
import zlib
from typing import Any

import numpy as np
import pytest
import torch
from tests.web.conftest import asking, small_model
from tests.web.frames import read
from tests.web.questions import graph, node, step

from neocog.web import share
from neocog.web.opening import opened


class Held:
    """What a file holds."""

    def __init__(self, html: str) -> None:
        self.html = html
        (packed,) = re.findall(r'id="neocog-data">([^<]*)<', html)
        self.packed = base64.b64decode(packed)
        self.whole = zlib.decompress(self.packed)
        size = int.from_bytes(self.whole[-4:], "little")
        self.index: dict[str, Any] = json.loads(self.whole[-4 - size : -4])

    def motion(self, **changes: float) -> int:
        """The index of a motion."""
        rest = {"dx": 0, "dy": 0, "angle": 0, "scale": 1, **changes}
        return next(
            k
            for k, m in enumerate(self.index["motions"])
            if all(m[name] == value for name, value in rest.items()) and not m["elastic"]["amount"]
        )

    def frame(self, motion: int, model: int = 0) -> dict[str, Any]:
        """A step as the file has it."""
        start, length = self.index["frames"][f"{model}:{motion}"]
        return read(self.whole[start : start + length])


def saved(ask, **view: Any) -> Held:
    answer = ask("/api/export", {"image": "test:0", **view})
    assert answer.status_code == 200, answer.text
    assert "attachment" in answer.headers["content-disposition"]
    return Held(answer.text)


@pytest.fixture(scope="module")
def conv_file(ask) -> Held:
    conv = node(graph(ask), "conv")["id"]
    steps = [{"maps": [{"node": conv, "channels": "first:3"}], "errors": [0, conv]}]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(share, "SECONDS", 600)
        return saved(ask, node=conv, channel=1, unit={"row": 2, "col": 3}, steps=steps)


def test_steps_of_the_file_are_those_of_the_program(ask, conv_file: Held) -> None:
    for motion in ({"dx": 2, "dy": -1}, {"angle": 30}):
        held = conv_file.frame(conv_file.motion(**motion))
        live = step(
            ask,
            motion=motion,
            errors=True,
            maps=[{"node": m["node"], "channels": [m["channel"]]} for m in held["maps"]],
        )
        assert [r["class"] for r in held["prediction"]["probabilities"]] == [
            r["class"] for r in live["prediction"]["probabilities"]
        ]
        assert held["prediction"]["probabilities"][0]["p"] == pytest.approx(
            live["prediction"]["probabilities"][0]["p"], rel=1e-6
        )
        assert np.array_equal(held["image"]["values"], live["image"]["values"])
        for mine, theirs in zip(held["maps"], live["maps"], strict=True):
            assert np.array_equal(mine["values"], theirs["values"])
        errors = {e["node"]: e["error"] for e in live["errors"]}
        assert all(e["error"] == pytest.approx(errors[e["node"]], rel=1e-4) for e in held["errors"])
        assert len(held["errors"]) == 2


def test_units_of_the_file_are_those_of_the_program(ask, conv_file: Held) -> None:
    units = conv_file.index["units"]
    conv = node(graph(ask), "conv")["id"]
    rest, moved = conv_file.motion(), conv_file.motion(dx=1)
    here = [u for u in units if (u["node"], u["channel"], u["motion"]) == (conv, 1, rest)]
    assert len(here) == 14 * 14  # every place of the channel that is looked at
    assert {u["node"] for u in units if u["motion"] == rest} > {conv}
    for motion, k in (({}, rest), ({"dx": 1}, moved)):
        unit = next(
            u
            for u in units
            if (u["motion"], u["node"], u["channel"], u["row"], u["col"]) == (k, conv, 1, 2, 3)
        )
        place = {"channel": 1, "row": 2, "col": 3}
        live = ask("/api/unit", {"image": "test:0", "motion": motion, "node": conv, **place}).json()
        assert unit["value"] == pytest.approx(live["value"], rel=1e-6)
        assert unit["window"] == live["window"]
        assert np.allclose(unit["inputs"][0]["patch"], live["inputs"][0]["patch"], rtol=1e-6)
        kernels = conv_file.index["kernels_of_units"]
        kernel = kernels[unit["inputs"][0]["kernel"]]
        assert np.allclose(kernel, live["inputs"][0]["kernel"], rtol=1e-6)
        assert unit["inputs"][0]["products"] is None
        assert live["inputs"][0]["products"] is not None


def test_the_file_asks_nobody_and_says_what_it_holds(conv_file: Held) -> None:
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", conv_file.html)
    assert "/static/" not in conv_file.html
    assert "default-src 'none'" in conv_file.html
    saying = conv_file.index["about"]["saved"]
    assert f"{len(conv_file.index['units']):,} units" in saying
    assert "80 shifts" in saying


def test_a_file_ends_at_its_limit_and_says_so(
    ask, conv_file: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share, "BYTES", 60_000)
    conv = node(graph(ask), "conv")["id"]
    held = saved(ask, node=conv)
    assert len(held.packed) < len(conv_file.packed) / 2
    assert "It ends at" not in conv_file.index["about"]["saved"]
    assert "It ends at" in held.index["about"]["saved"]
    assert held.frame(held.motion())["prediction"]["probabilities"]


def test_names_with_script_are_data() -> None:
    bad = "<script>alert(1)</script>"
    model = small_model((bad, *"123456789"))
    session = opened(model, (torch.rand(3, 1, 28, 28), torch.zeros(3, dtype=torch.int64)))
    session.networks[0].name = bad
    for ask in asking(session):
        assert ask("/api/about").json()["models"][0]["classes"][0] == bad
        held = saved(ask, image="data:0")
        assert bad not in held.html
        assert held.index["about"]["models"][0]["classes"][0] == bad
        assert ask("/api/about").headers["x-content-type-options"] == "nosniff"


def test_series_and_regressors_are_saved() -> None:
    net = torch.nn.Sequential(torch.nn.Conv1d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(28, 3))
    for ask in asking(opened(net, None, size=(1, 16))):
        nodes = graph(ask)["nodes"]
        conv = next(n["id"] for n in nodes if n["kind"] == "conv")
        held = saved(ask, image="synthetic:0", node=conv, unit={"row": 0, "col": 4})
        assert all(m["dy"] == 0 and m["angle"] == 0 for m in held.index["motions"])
        assert held.frame(held.motion(dx=3))["image"]["shape"] == [1, 16]
        assert held.index["units"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 3},
        {"steps": [{}, {}]},
        {"steps": [{"maps": 3}]},
        {"steps": [{"maps": [3]}]},
        {"node": 9999},
        {"node": 2, "unit": {"row": 99}},
        {"image": "own:x"},
        {"cam": 3},
        {"view": 3},
    ],
)
def test_what_cannot_be_saved_is_a_sentence(ask, wrong: dict[str, Any]) -> None:
    answer = ask("/api/export", {"image": "test:0", **wrong})
    assert answer.status_code in (400, 404)
    assert answer.json()["error"].endswith(".")
