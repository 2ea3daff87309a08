"""The coding rate of EMP-SSL."""

from __future__ import annotations

import pytest
import torch

from neocog.tasks.pretext.emp_ssl import coding_rate


def test_the_coding_rate_is_the_same_from_either_gram_matrix() -> None:
    z = torch.nn.functional.normalize(torch.randn(6, 9, generator=torch.manual_seed(0)), dim=1)
    d, b = 9, 6
    direct = 0.5 * torch.logdet(torch.eye(9) + d / (b * 0.2) * z.T @ z)
    assert coding_rate(z).item() == pytest.approx(direct.item(), rel=1e-5)
