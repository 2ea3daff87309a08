from dataclasses import replace

import pytest
import torch
from torch import nn

from neocog.errors import ModelError, ShapeMismatch
from neocog.networks.catalog import build
from neocog.networks.model import SpecifiedNetwork, normalize
from neocog.types import InputSpec, ModelSpec

SIGNAL = InputSpec(channels=3, size=(24, 32), mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 0.75))
CONTRACT = ModelSpec(task="classify", classes=("a", "b"), input=SIGNAL)


def test_model_normalizes_by_its_contract() -> None:
    model = SpecifiedNetwork(nn.Identity(), CONTRACT)
    x = torch.rand(2, 3, 24, 32)
    expected = torch.stack([(x[:, i] - SIGNAL.mean[i]) / SIGNAL.std[i] for i in range(3)], 1)
    torch.testing.assert_close(model(x), expected)
    assert torch.equal(model(x), normalize(x, model.mean, model.std))


def test_state_is_the_network_s_alone() -> None:
    network = build("dense", num_classes=2, in_channels=3, size=(24, 32))
    model = SpecifiedNetwork(network, CONTRACT)
    assert set(model.state_dict()) == {f"network.{k}" for k in network.state_dict()}


def test_mean_and_deviation_move_with_the_model() -> None:
    model = SpecifiedNetwork(nn.Identity(), CONTRACT).to("meta")
    assert model.mean.is_meta
    assert model.std.is_meta


@pytest.mark.parametrize("shape", [(2, 1, 24, 32), (2, 3, 32, 24), (3, 24, 32), (2, 24, 32, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeMismatch, match=r"takes images of shape \(B, 3, 24, 32\)") as e:
        SpecifiedNetwork(nn.Identity(), CONTRACT)(torch.zeros(shape))
    assert e.value.expected == (3, 24, 32)
    assert e.value.actual == shape


def test_contracts_that_do_not_fit_are_refused() -> None:
    few = replace(CONTRACT, input=replace(SIGNAL, mean=(0.1,)))
    with pytest.raises(ModelError, match="got 3 channels, 1 means and 3 standard deviations"):
        SpecifiedNetwork(nn.Identity(), few)
    for bad in (0.0, -1.0, float("nan"), float("inf")):
        flat = replace(CONTRACT, input=replace(SIGNAL, std=(0.5, bad, 0.5)))
        with pytest.raises(ModelError, match=r"std .* is (not positive|not a finite number)"):
            SpecifiedNetwork(nn.Identity(), flat)
