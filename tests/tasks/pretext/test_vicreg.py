"""The loss of VICReg, by hand."""

from __future__ import annotations

import pytest
import torch

from neocog.tasks.pretext.vicreg import vicreg


def test_vicreg_of_four_embeddings_by_hand() -> None:
    a = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [1.0, 1.0], [-1.0, -1.0]])
    # Unbiased variance 4/3 > 1; covariance 4/3, twice squared over 2; the views differ by 1.
    assert vicreg(torch.stack([a, a + 1])).item() == pytest.approx(25 + 2 * 16 / 9, abs=1e-4)
