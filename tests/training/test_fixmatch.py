"""Consistency on unlabeled images, worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from neocog.tasks.classify import Classification
from neocog.training.augment import Augment, Mixed
from neocog.training.fixmatch import FixMatch, pseudo_loss


def test_the_loss_counts_confident_images_over_all() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [5.0, -5.0]])
    teacher = torch.tensor([[4.0, 0.0], [0.0, 0.5]])
    # Sure of class 0 of the first alone, which the student gives 1/4: log 4, over two.
    assert pseudo_loss(logits, teacher, 0.95).item() == pytest.approx(math.log(4) / 2)
    assert pseudo_loss(logits, teacher, 0.999).item() == 0.0


def test_labels_are_read_of_the_first_alone_and_the_weight_is_of_the_rest() -> None:
    task = FixMatch(task=Classification(), labeled=1, strong=None, threshold=0.6, weight=2.0)
    net = nn.Flatten()
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0]]).view(2, 2, 1, 1)
    target = Mixed(x, torch.tensor([0, -1]), None, None)
    p = 1 / (1 + math.exp(-1))
    wanted = math.log(2) - 2.0 * math.log(p)
    assert task.loss(task.forward(net, x), target).item() == pytest.approx(wanted, rel=1e-6)


def test_no_gradient_flows_through_the_teacher_and_views_follow_the_generator() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    task = FixMatch(task=Classification(), labeled=2, strong=Augment(shift=2.0), threshold=0.0)
    x = torch.rand(6, 1, 8, 8)
    torch.manual_seed(1)
    logits, teacher = task.forward(net, x)
    assert logits.requires_grad
    assert not teacher.requires_grad
    assert not torch.equal(logits[2:], teacher)
    torch.manual_seed(1)
    again, _ = task.forward(net, x)
    assert torch.equal(again, logits)
