"""The view as one file."""

import re
from collections import OrderedDict
from html import escape

import torch
from tests.web.conftest import asking, small_model
from tests.web.questions import graph, node

from neocog.web.opening import opened


def test_the_view_is_exported_as_one_file(ask) -> None:
    conv = node(graph(ask), "conv")
    answer = ask(
        "/api/export",
        {
            "picture": "test:0",
            "motion": {"dx": 3},
            "cam": {},
            "node": conv["id"],
            "channel": 1,
            "unit": {"row": 2, "col": 3},
            "maps": [{"node": conv["id"], "channels": [0, 1]}],
        },
    )
    assert answer.status_code == 200, answer.text
    html = answer.text
    assert "attachment" in answer.headers["content-disposition"]
    for word in ("Grad-CAM", "Feature maps", "breaks the symmetry", "step by step", "kernel"):
        assert word in html
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", html)


def test_names_with_script_are_data() -> None:
    bad = "<script>alert(1)</script>"
    model = small_model((bad, *"123456789"))
    x = torch.rand(3, 1, 28, 28)
    session = opened(model, (x, torch.zeros(3, dtype=torch.int64)))
    for ask in asking(session):
        assert ask("/api/about").json()["models"][0]["classes"][0] == bad
        answer = ask("/api/export", {"picture": "data:0"})
        assert bad not in answer.text
        assert escape(bad) in answer.text
        assert ask("/api/about").headers["x-content-type-options"] == "nosniff"


def test_an_exported_sum_is_whole_and_its_maps_are_those_of_the_page() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 100, 1), torch.nn.ReLU(), torch.nn.Conv2d(100, 4, 3), torch.nn.Flatten()
    )
    session = opened(net, torch.rand(1, 1, 6, 6), task="regress")
    for ask in asking(session):
        conv = [n for n in graph(ask)["nodes"] if n["kind"] == "conv"][1]
        strongest = session.still(0, "data:0").strongest(conv["id"], 2)
        body = {"picture": "data:0", "node": conv["id"], "channel": 1, "unit": {"row": 1, "col": 1}}
        maps = [{"node": conv["id"], "channels": "strongest:2"}]
        html = ask("/api/export", {**body, "maps": maps}).text
        assert "36 more" in html
        assert all(f"channel {c}" in html for c in strongest)


def test_series_and_vectors_are_exported_as_lines() -> None:
    net = torch.nn.Sequential(torch.nn.Conv1d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(28, 3))
    for ask in asking(opened(net, None, size=(1, 16))):
        nodes = graph(ask)["nodes"]
        maps = [{"node": n["id"]} for n in nodes if n["kind"] in ("conv", "linear")]
        html = ask("/api/export", {"picture": "made:0", "maps": maps}).text
        assert html.count("position") >= 2


def test_where_a_motion_interpolates_that_stands_beside_the_errors(ask) -> None:
    turned = ask("/api/export", {"picture": "test:0", "motion": {"angle": 20}}).text
    assert "interpolation alone" in turned
    shifted = ask("/api/export", {"picture": "test:0", "motion": {"dx": 2}}).text
    assert "interpolation alone" not in shifted


def test_a_layer_of_grad_cam_is_one_of_the_model_that_is_looked_at() -> None:
    other = small_model(seed=1)
    other.network = torch.nn.Sequential(OrderedDict(inner=other.network))
    for ask in asking(opened(small_model(), "digits", baseline=other)):
        conv = node(graph(ask), "conv")
        body = {"picture": "test:0", "both": True, "cam": {"layer": conv["name"]}}
        assert ask("/api/export", body).text.count("Orange speaks for") == 2
