"""Rotation prediction."""

import math

import pytest
import torch

from neocog.tasks.pretext.rotation import RotationPrediction, rotated


def test_each_image_is_rotated_by_its_own_number_of_quarters() -> None:
    torch.manual_seed(0)
    x = torch.arange(4.0).view(1, 1, 2, 2).repeat(40, 1, 1, 1)
    turned, k = rotated(x)
    assert set(k.tolist()) == {0, 1, 2, 3}
    by_hand = {0: [0, 1, 2, 3], 1: [1, 3, 0, 2], 2: [3, 2, 1, 0], 3: [2, 0, 3, 1]}
    assert [t.flatten().tolist() for t in turned] == [by_hand[int(i)] for i in k]


def test_a_guess_costs_log_four() -> None:
    method = RotationPrediction(3)
    output = torch.zeros(5, 4), torch.tensor([0, 1, 2, 3, 0])
    assert method.loss(output).item() == pytest.approx(math.log(4))
