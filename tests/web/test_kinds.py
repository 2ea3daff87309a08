"""Networks of every kind: two at once, maps of classes, series, numbers, black boxes."""

from dataclasses import replace as changed

import numpy as np
import pytest
import torch
from tests.web.conftest import Segmenter, asking, small_model
from tests.web.frames import read
from tests.web.questions import graph, node, step

from neocog.models.model import Model
from neocog.web.opening import opened
from neocog.web.session import Session


def test_two_models_see_one_image(two: Session) -> None:
    for ask in asking(two):
        assert len(ask("/api/about").json()["models"]) == 2
        a, b = (read(ask("/api/step", {"model": m, "image": "test:2"}).content) for m in (0, 1))
        assert np.array_equal(a["image"]["values"], b["image"]["values"])
        assert a["prediction"]["probabilities"] != b["prediction"]["probabilities"]


def test_E1_a_segmenter_has_maps_of_classes() -> None:
    session = opened(Segmenter().eval(), torch.rand(2, 3, 16, 20), task="segment")
    for ask in asking(session):
        found = graph(ask)
        output = found["nodes"][-1]
        assert (output["label"], output["shape"]) == ("classes", [3, 8, 10])
        shown = step(
            ask, image="data:0", maps=[{"node": output["id"]}], motion={"dx": 2}, errors=True
        )
        assert [m["shape"] for m in shown["maps"]] == [[8, 10]] * 3
        assert sum(r["p"] for r in shown["prediction"]["probabilities"]) == pytest.approx(1)
        unit = {"image": "data:0", "node": output["id"], "channel": 1, "row": 2, "col": 3}
        assert ask("/api/unit", unit).status_code == 200


def test_A8_a_model_of_series() -> None:
    net = torch.nn.Sequential(
        torch.nn.Conv1d(2, 4, 5, padding=2),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool1d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 3),
    )
    session = opened(net, None, size=(2, 50))
    for ask in asking(session):
        about = ask("/api/about").json()
        assert about["models"][0]["signal"] == "series"
        assert about["data"]["name"] == "synthetic series"
        assert about["first"] == "synthetic:0"
        conv = node(graph(ask), "conv")
        found = step(
            ask,
            image="synthetic:1",
            maps=[{"node": conv["id"]}],
            motion={"dx": 3, "angle": 30},
            errors=True,
            cam={},
        )
        assert found["image"]["shape"] == [2, 50]
        assert found["maps"][0]["shape"] == [1, 50]
        assert found["cam"]["shape"] == [1, 50]
        unit = {"image": "synthetic:1", "node": conv["id"], "channel": 3, "row": 0, "col": 49}
        got = ask("/api/unit", unit).json()
        assert got["window"] == {"r0": 0, "r1": 1, "c0": 47, "c1": 52}
        assert got["computed"] == pytest.approx(got["value"], rel=1e-4, abs=1e-5)
        own = ask("/api/image", {"values": [[0.5] * 50] * 2}).json()["id"]
        assert step(ask, image=own)["image"]["values"].max() == pytest.approx(0.5)
        assert ask("/api/image", {"values": [[1, 2]]}).status_code == 400
        assert ask("/api/image?id=synthetic:0").status_code == 404
        assert ask("/api/top-activations?node=1&channel=0").status_code == 200


def test_a_regressor_answers_with_numbers() -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2))
    session = opened(net, torch.rand(2, 1, 4, 4), task="regress")
    for ask in asking(session):
        found = step(ask, image="data:0")
        assert len(found["prediction"]["values"]) == 2
        assert ask("/api/images?split=data&sort=uncertain").status_code == 400
        assert ask("/api/export", {"image": "data:0"}).status_code == 200


def test_a_black_box_answers_and_shows_nothing_inside(tmp_path) -> None:
    class Box(torch.nn.Module):
        """Numbers that no operation is seen to make."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(np.stack([x.numpy().sum((1, 2, 3)), np.ones(len(x))], 1))

    model = small_model(("a", "b"))
    model.network = Box()
    trained = Model(model, {"network": {}}, tmp_path / "x.onnx", black_box=True)
    session = opened(changed(trained), torch.rand(2, 1, 28, 28))
    for ask in asking(session):
        assert len(graph(ask)["nodes"]) <= 4
        found = step(ask, image="data:0", cam={})
        assert found["cam"] is None
        assert "black box" in found["reason"]
