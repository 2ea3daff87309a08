"""Laws that the losses of self-supervised methods obey."""

from __future__ import annotations

import pytest
import torch

from neocog.tasks.pretext.barlow_twins import barlow_twins
from neocog.tasks.pretext.emp_ssl import emp_ssl
from neocog.tasks.pretext.method import repeated
from neocog.tasks.pretext.simclr import nt_xent
from neocog.tasks.pretext.simsiam import fastsiam
from neocog.tasks.pretext.vicreg import vicreg
from neocog.types import Batch


def _rotation(width: int) -> torch.Tensor:
    q: torch.Tensor = torch.linalg.qr(torch.randn(width, width, dtype=torch.float64))[0]
    return q


@pytest.mark.parametrize("loss", [lambda z: nt_xent(z.flatten(0, 1)), emp_ssl, vicreg])
def test_images_may_be_permuted_and_views_swapped(loss) -> None:
    z = torch.randn(2, 16, 6, generator=torch.manual_seed(1))
    same = loss(z).item()
    assert loss(z[:, torch.randperm(16)]).item() == pytest.approx(same, rel=1e-5)
    assert loss(z.flip(0)).item() == pytest.approx(same, rel=1e-5)


@pytest.mark.parametrize(
    "loss", [lambda z: nt_xent(z.flatten(0, 1)), emp_ssl, lambda z: fastsiam(z, z)]
)
def test_losses_of_angles_know_neither_rotation_nor_length(loss) -> None:
    torch.manual_seed(2)
    z = torch.randn(2, 16, 6).double()
    assert loss(3 * z @ _rotation(6)).item() == pytest.approx(loss(z).item(), rel=1e-4)


@pytest.mark.parametrize(
    "loss", [vicreg, lambda z: nt_xent(z.flatten(0, 1)), barlow_twins, emp_ssl]
)
def test_one_embedding_for_all_images_is_worse_than_a_spread(loss) -> None:
    spread = torch.randn(1, 64, 8, generator=torch.manual_seed(4)).repeat(2, 1, 1)
    assert loss(torch.ones(2, 64, 8)).item() > loss(spread).item()


@pytest.mark.parametrize("axes", [1, 2])
def test_every_view_of_a_batch_is_a_copy_of_all_images(axes: int) -> None:
    x = torch.arange(3.0).view(3, 1, *[1] * axes)
    y = torch.arange(3)
    (batch,) = repeated(iter([Batch(x, y, y)]), 2)
    assert batch.x.shape == (6, 1, *[1] * axes)
    assert batch.x.flatten().tolist() == [0, 1, 2, 0, 1, 2]
