"""Small exported programs and ONNX files, and archives that were tampered with."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn


def network(channels: int = 1, classes: int = 3) -> nn.Module:
    """A convolution with a stride, a norm, a mean, a linear layer."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, stride=2, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, classes),
    ).eval()


Edit = Callable[[dict[str, bytes]], Any]


def tampered(source: Path, target: Path, edit: Edit, *, compress: bool = False) -> Path:
    """A copy of an archive whose records, by their names below its root, were edited."""
    with zipfile.ZipFile(source) as z:
        records = {n.split("/", 1)[1]: z.read(n) for n in z.namelist()}
        root = z.namelist()[0].split("/")[0]
    edit(records)
    kind = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(target, "w", kind) as z:
        for name, content in records.items():
            z.writestr(f"{root}/{name}", content)
    return target


def program(change: Callable[[dict[str, Any]], Any]) -> Edit:
    """An edit of the program itself."""

    def edit(records: dict[str, bytes]) -> None:
        held = json.loads(records["models/model.json"])
        change(held)
        records["models/model.json"] = json.dumps(held).encode()

    return edit


def weights(change: Callable[[dict[str, Any]], Any], kind: str = "weights") -> Edit:
    """An edit of the list of weights, or of constants."""
    name = f"data/{kind}/model_{kind}_config.json"

    def edit(records: dict[str, bytes]) -> None:
        held = json.loads(records[name])
        change(held["config"])
        records[name] = json.dumps(held).encode()

    return edit


def write_onnx(
    path: Path, *, batch: int | str = "N", shape: tuple[int | str, ...] = (1, 4, 4)
) -> Path:
    """logits = flat pixels times a matrix of 0, 1, 2, … below 48, over 10; three classes."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save

    n = int(np.prod([s for s in shape if isinstance(s, int)]))
    matrix = (np.arange(3 * n, dtype=np.float32) / 10).reshape(n, 3)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["pixels"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "matrix"], ["logits"]),
        ],
        "small",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [batch, *shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 3])],
        [numpy_helper.from_array(matrix, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    save(model, path)
    return path
