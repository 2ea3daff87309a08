import json
import sys
import types
from pathlib import Path

import pytest
import torch
from tests.graph.graphs import UNet
from tests.store.made import write_onnx
from torch import Tensor, nn

import neocog
from neocog.errors import ModelError, UsageError
from neocog.networks.catalog import build
from neocog.networks.model import SpecifiedNetwork
from neocog.types import InputSpec, ModelSpec
from neocog.verbs.summary import summary

KEYS = {"name", "kind", "output", "params", "macs", "receptive_field", "jump", "start"}


def test_the_contract_of_json() -> None:
    plain = json.loads(json.dumps(summary("lenet5", size=(1, 32, 32)).to_json()))
    assert {"params", "macs", "flops", "status", "layers"} <= set(plain)
    assert (plain["params"], plain["status"]) == (60_000, "complete")
    assert all(set(layer) == KEYS for layer in plain["layers"])
    rows = {layer["name"]: layer for layer in plain["layers"]}
    assert rows["c3"] == {
        "name": "c3",
        "kind": "PartialConv2d",
        "output": [16, 10, 10],
        "params": 60 * 25 + 16,
        "macs": 16 * 100 * 6 * 25,
        "receptive_field": [14, 14],
        "jump": [2, 2],
        "start": [0, 0],
    }
    assert rows[""]["jump"] == [None, None]
    assert sum(layer["params"] for layer in plain["layers"]) == plain["params"]
    assert sum(layer["macs"] for layer in plain["layers"]) == plain["macs"]


@pytest.mark.slow
def test_published_figures_of_resnet50_come_out_of_one_call() -> None:
    found = summary("resnet50", size=(3, 224, 224), classes=1000)
    assert (found.cost.params, found.cost.macs) == (25_557_032, 4_089_184_256)
    assert found.fields.of("layer4").receptive_field == (427, 427)
    text = found.exhibits("resnet50").text
    assert "resnet50 with 1000 outputs" in text
    assert "193×193 or 225×225" in text


def test_a_module_and_one_of_ours_with_its_contract() -> None:
    network = build("resnet20", num_classes=10, in_channels=3, size=(32, 32))
    found = neocog.summary(network, size=(3, 32, 32))
    signal = InputSpec(channels=3, size=(32, 32), mean=(0.5,) * 3, std=(0.2,) * 3)
    spec = ModelSpec(task="classify", classes=tuple("abcdefghij"), input=signal)
    own = neocog.summary(SpecifiedNetwork(network, spec))
    assert own.cost == found.cost
    assert own.size == (3, 32, 32)


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with factories; the answer of one is a map."""
    room = types.ModuleType("counted_nets")
    room.unet = lambda: UNet("nearest")
    room.ours = lambda: SpecifiedNetwork(
        nn.Sequential(nn.Flatten(), nn.Linear(64, 2)),
        ModelSpec(
            task="classify",
            classes=("a", "b"),
            input=InputSpec(channels=1, size=(8, 8), mean=(0.0,), std=(1.0,)),
        ),
    )
    monkeypatch.setitem(sys.modules, "counted_nets", room)
    return "counted_nets"


def test_a_factory_of_any_network(stranger: str) -> None:
    found = summary(f"{stranger}:unet", size=(1, 32, 32))
    assert found.fields.of("").receptive_field == (10, 10)
    assert summary(f"{stranger}:ours").size == (1, 8, 8)


def test_an_exported_program(tmp_path: Path) -> None:
    network = build("resnet20", num_classes=10, in_channels=3, size=(32, 32)).eval()
    batch = torch.export.Dim("b", min=1, max=64)
    program = torch.export.export(
        network, (torch.zeros(2, 3, 32, 32),), dynamic_shapes=({0: batch},)
    )
    torch.export.save(program, tmp_path / "net.pt2")
    found = summary(tmp_path / "net.pt2", size=(3, 32, 32))
    assert (found.cost.params, found.cost.macs) == (269_722, 40_551_040)
    assert found.fields.status == "complete"


def test_a_black_box_is_refused(tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "net.onnx")
    with pytest.raises(ModelError, match="is a black box"):
        summary(file or tmp_path / "net.onnx")


class Half(nn.Module):
    """An operation whose cost and field nobody knows, in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv1d(1, 1, 3)
        self.b = nn.Conv1d(1, 1, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.linalg.svdvals(self.a(x).unsqueeze(2).expand(-1, -1, 8, -1)))


def test_what_is_not_understood_is_said_and_left_empty() -> None:
    found = summary(Half(), size=(1, 20))
    plain = found.to_json()
    assert (plain["status"], plain["unknown"]) == ("partial", ["aten._linalg_svd"])
    rows = {layer["name"]: layer for layer in plain["layers"]}
    assert rows["a"]["receptive_field"] == [3]
    assert rows["b"]["receptive_field"] is None
    assert rows["b"]["macs"] > 0
    assert "Not understood" in found.exhibits("half").text


def test_layers_that_change_nothing_are_left_out_of_the_table() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Identity(), nn.MaxPool2d(2))
    table = summary(net, size=(1, 8, 8)).table()
    assert [row[0] for row in table.rows] == ["0", "3"]
    assert table.rows[0] == ("0", "Conv2d", "2×6×6", 20, 648, 3, 1, 0)


@pytest.mark.parametrize(
    ("model", "size", "said"),
    [
        ("resnet5", (3, 32, 32), "`resnet5` is not a network, run folder or file. Did you mean"),
        ("resnet50", None, "needs an image size; got none"),
        ("resnet50", (3, 224), "got 3×224. Give --size C,H,W"),
        ("torch.nn:Flatten", None, "does not state its own. Give --size C,H,W"),
        (nn.Flatten(), (3,), "channels and at least one axis, integers from 1; got 3"),
        (nn.Flatten(), (0, 8, 8), "got 0×8×8"),
    ],
)
def test_wrong_use(model: object, size: tuple | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        summary(model, size=size)


def test_a_size_that_the_network_does_not_take() -> None:
    with pytest.raises(ModelError, match=r"fails on one of 1×8×8"):
        summary(nn.Linear(3, 3), size=(1, 8, 8))
