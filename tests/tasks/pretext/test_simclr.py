"""The loss of SimCLR, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from neocog.tasks.pretext.simclr import nt_xent


def test_nt_xent_of_two_images_by_hand() -> None:
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    # Rows 0 and 2 name each other among similarities (0, 1, 1); rows 1 and 3 (0, 0, 0), (1, 0, 1).
    e = math.e
    wanted = [
        -math.log(e / (1 + 2 * e)),
        -math.log(1 / 3),
        -math.log(e / (2 * e + 1)),
        -math.log(1 / (2 * e + 1)),
    ]
    assert nt_xent(z, 1.0).item() == pytest.approx(sum(wanted) / 4, abs=1e-6)
