"""Rows and columns are followed apart."""

import torch
from tests.field.everywhere import (
    circular,
    classifier,
)
from tests.graph.places import N, Of, symmetric, turn_error
from torch import nn

from neocog.graph.alignment import QUARTER_TURN, alignment


def test_rows_and_columns_that_are_not_treated_alike_are_told() -> None:
    strip = Of(lambda x: x * x.mean(3, keepdim=True).sigmoid())
    both = Of(lambda x: x * (x.mean(3, keepdim=True) + x.mean(2, keepdim=True)).sigmoid())
    twice = Of(lambda x: x * x.mean(3).mean(2)[..., None, None].sigmoid())
    for make, alike in ((strip, False), (both, True), (twice, True)):
        torch.manual_seed(0)
        net = symmetric(classifier(circular(1), make, nn.Softsign()))
        found = alignment(net, (2, N, N))
        assert found.aligned(QUARTER_TURN) == alike
        assert (turn_error(net, N) < 1e-12) == alike
