"""Votes of nearest neighbors, by hand."""

import numpy as np
import torch

from neocog.training.neighbors import nearest


def test_votes_are_weighed_by_similarity() -> None:
    train = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.55, 0.8], [-1.0, 0.1]])
    y = np.array([0, 1, 1, 1])
    near = nearest(train, y, torch.tensor([[1.0, 0.01]]), num_classes=2, k=4)
    assert near.tolist() == [0]  # one that is very near beats three that are not
