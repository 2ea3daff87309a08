from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import ModelError
from neocog.explainers.filters import filters, sections
from neocog.networks.catalog import build
from neocog.render.page import page


class Functional(nn.Module):
    """One whose convolutions are not modules."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(2, 1, 3, 3))
        self.second = nn.Parameter(torch.randn(4, 2, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x, self.first)
        return F.conv2d(
            F.conv2d(x, self.second, stride=2), self.second[:, :, :1, :1].repeat(1, 2, 1, 1)
        )


def test_G1_every_convolution_with_its_own_weights() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2),
        nn.Sequential(nn.Conv2d(8, 6, (1, 3), groups=2, dilation=2), nn.ReLU()),
        nn.Conv1d(6, 4, 3),
        nn.Linear(4, 2),
    )
    found = filters(net)
    assert [f.name for f in found] == ["0", "1.0", "2"]
    assert np.array_equal(found[0].weights, net[0].weight.detach().numpy())
    assert found[0].stride == (2, 2)
    assert found[1].weights.shape == (6, 4, 1, 3)
    assert (found[1].groups, found[1].dilation) == (2, (2, 2))
    assert found[2].axes == 1
    net[0].weight.data.zero_()
    assert found[0].weights.any()  # a copy


def test_G1_filters_of_every_layer_of_lenet5_as_published_also_the_partial_one() -> None:
    net = build("lenet5", num_classes=10, in_channels=1, size=(28, 28)).train()
    found = filters(net, example=torch.rand(2, 1, 28, 28))
    assert [f.weights.shape for f in found] == [(6, 1, 5, 5), (16, 6, 5, 5), (120, 16, 5, 5)]
    partial = np.abs(found[1].weights).sum((2, 3)) > 0
    assert partial.sum() == 60  # connections of the paper's table
    assert net.training


def test_weights_of_a_transposed_convolution_are_told_by_output() -> None:
    layer = nn.ConvTranspose2d(4, 6, 3, groups=2)
    (found,) = filters(nn.Sequential(layer))
    assert found.weights.shape == (6, 2, 3, 3)
    w = layer.weight.detach()
    assert np.array_equal(found.weights[1, 0], w[0, 1].numpy())
    assert np.array_equal(found.weights[4, 1], w[3, 1].numpy())  # second group
    (again,) = filters(nn.Sequential(layer), example=torch.rand(1, 4, 8, 8))
    assert np.array_equal(again.weights, found.weights)


def test_convolutions_that_are_functions_are_found_where_they_run() -> None:
    net = Functional()
    found = filters(net, example=torch.rand(1, 1, 9, 9))
    assert [f.name for f in found] == ["#1", "#2", "#3"]
    assert [f.weights.shape for f in found] == [(2, 1, 3, 3), (4, 2, 3, 3), (4, 4, 1, 1)]
    assert found[1].stride == (2, 2)
    with pytest.raises(ModelError, match=r"`Functional` has none as a module\. Give an example"):
        filters(net)
    with pytest.raises(ModelError, match=r"by running the module on an example; .*fails"):
        filters(net, example=torch.rand(1, 5, 9, 9))
    with pytest.raises(ModelError, match=r"`Linear` has none\. Name"):
        filters(nn.Linear(2, 2), example=torch.rand(1, 2))


def test_the_response_of_a_filter_is_its_spectrum() -> None:
    layer = nn.Conv2d(2, 1, 3, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[0, 0] = 1 / 9  # a mean: 1 at frequency 0
    (found,) = filters(layer)
    response = found.response(33)
    assert response.shape == (1, 33, 33)
    assert response[0, 16, 16] == pytest.approx(1 / np.sqrt(2))  # one of two channels
    third = response[0, 16, 16 + 11]  # a third of a cycle a sample: zero of a mean of three
    assert third == pytest.approx(0, abs=1e-6)


def test_everything_is_drawn_and_is_plain() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 5),
        nn.Conv2d(4, 70, 3),
        nn.Conv2d(70, 3, 1),
        nn.Conv1d(2, 3, 7),
        nn.Conv3d(1, 2, 3),
    )
    found = filters(net)
    shown = sections(found)
    assert len(shown) == 5
    html = page("Filters", shown)
    for title in ("4 filters of 5×5 on 3 channels", "70 filters of 3×3", "6 more are not shown"):
        assert title in html
    for f in found:
        json.dumps(f.to_json(), allow_nan=False)
    color, sheet = found[0].images(), found[1].images(most=2)
    assert [p.shape for p in color] == [(5, 5, 3)] * 4
    assert [p.shape for p in sheet] == [(7, 7, 3)] * 2  # four kernels of 3×3 in a square
