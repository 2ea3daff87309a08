"""The loss of Barlow Twins, by hand."""

from __future__ import annotations

import pytest
import torch

from neocog.tasks.pretext.barlow_twins import barlow_twins
from neocog.tasks.pretext.vicreg import vicreg


def test_barlow_twins_of_opposite_views_by_hand() -> None:
    a = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    # c = diag(-1, 1): (1 + 1)² + 0, nothing beside the diagonal.
    b = a * torch.tensor([-1.0, 1.0])
    assert barlow_twins(torch.stack([a, b])).item() == pytest.approx(4, abs=1e-4)


def test_vicreg_and_barlow_twins_know_no_mean_and_barlow_twins_no_scale() -> None:
    z = torch.randn(2, 64, 5, generator=torch.manual_seed(3))
    shifted = z + torch.tensor([3.0, -1.0, 0.0, 2.0, 5.0])
    assert vicreg(shifted).item() == pytest.approx(vicreg(z).item(), rel=1e-3)
    scaled = shifted * torch.tensor([2.0, 0.5, 3.0, 1.0, 7.0])
    assert barlow_twins(scaled).item() == pytest.approx(barlow_twins(z).item(), rel=1e-3)
