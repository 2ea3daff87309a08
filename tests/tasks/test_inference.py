"""Logits of a whole split, without changing the model."""

import torch
from torch import nn

from neocog.tasks.inference import evaluating, logits_of
from neocog.types import Batch


def test_batches_come_out_in_their_order_and_modes_are_as_before() -> None:
    net = nn.Sequential(nn.Dropout(0.9), nn.Identity()).train()
    net[1].eval()
    y = torch.zeros(2, dtype=torch.int64)
    feed = [Batch(torch.tensor([[1.0], [2.0]]), y, y), Batch(torch.tensor([[3.0]]), y[:1], y[:1])]
    assert logits_of(net, feed).flatten().tolist() == [1, 2, 3]
    assert (net.training, net[0].training, net[1].training) == (True, True, False)


def test_modes_come_back_after_an_error() -> None:
    net = nn.Linear(1, 1).train()
    try:
        with evaluating(net):
            assert not net.training
            assert torch.is_inference_mode_enabled()
            raise KeyError
    except KeyError:
        pass
    assert net.training
