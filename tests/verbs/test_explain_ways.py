"""Every way of explaining, of networks that compute in any precision."""

from __future__ import annotations

import json

import pytest
import torch
from tests.explainers.nets import convnet, drawn
from torch import nn

import neocog
from neocog.networks.model import SpecifiedNetwork
from neocog.types import InputSpec, ModelSpec
from neocog.verbs.explain_ways import WAYS

TYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}


def made(kind: str, dtype: torch.dtype) -> nn.Module:
    """A network of a stranger, or one of ours with its normalization, in some precision."""
    torch.manual_seed(0)
    if kind == "a stranger's":
        return convnet().to(dtype).eval()
    signal = InputSpec(channels=3, size=(12, 12), mean=(0.5,) * 3, std=(0.2,) * 3)
    spec = ModelSpec(task="classify", classes=("a", "b", "c", "d"), input=signal)
    return SpecifiedNetwork(convnet(), spec).to(dtype).eval()


@pytest.mark.parametrize("kind", ["a stranger's", "ours"])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("method", WAYS)
def test_every_way_in_every_precision(method: str, dtype: str, kind: str, monkeypatch) -> None:
    monkeypatch.setattr("neocog.verbs.explain_ways.AscentConfig", few_steps)
    net, x = made(kind, TYPES[dtype]), drawn(2, 3, 12, 12)
    more = {"layer": "0"} if method == "filters" and kind == "ours" else {}  # no Gabor functions
    if method in ("activation-maximization", "top-activations"):
        more = {"layer": "4", "units": [0, 1]}
    found = neocog.explain(net, x, method=method, sanity_checks=method == "grad_cam", **more)
    text = json.dumps(found.to_json(), allow_nan=False)
    assert json.loads(text)["method"] == method
    assert found.sections()
    assert next(net.parameters()).dtype == TYPES[dtype]
    assert torch.equal(x, drawn(2, 3, 12, 12))


def few_steps(**wish: int):
    from neocog.explainers.activation_maximization import AscentConfig

    return AscentConfig(steps=4, **wish)


def test_precision_changes_digits_alone() -> None:
    """Maps in half a precision are those of float32 to the seven bits of its fractions."""
    x = drawn(2, 3, 12, 12)
    maps = {
        d: neocog.explain(
            made("ours", t), x, target=1, sanity_checks=False
        ).result.cam.maps.double()
        for d, t in TYPES.items()
    }
    torch.testing.assert_close(maps["float32"], maps["float64"], rtol=1e-4, atol=1e-6)
    most = float(maps["float64"].abs().max())
    apart = float((maps["bfloat16"] - maps["float64"]).abs().max())
    assert apart < 0.1 * most
