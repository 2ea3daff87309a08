"""Self-supervised losses against numbers worked out by hand, and laws that they obey."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from neocog.errors import UsageError
from neocog.tasks.pretext.barlow_twins import barlow_twins
from neocog.tasks.pretext.byol import BYOL
from neocog.tasks.pretext.emp_ssl import coding_rate, emp_ssl
from neocog.tasks.pretext.method import Encoder, Pretraining, repeated
from neocog.tasks.pretext.simclr import nt_xent
from neocog.tasks.pretext.simsiam import fastsiam
from neocog.tasks.pretext.table import METHODS, build_method
from neocog.tasks.pretext.vicreg import vicreg
from neocog.types import Batch


class Tiny(nn.Module):
    """A convolution of stride 4 and its mean: eight features."""

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(nn.Conv2d(1, 8, 4, stride=4), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.stage1(x).mean((2, 3))
        return features


def _encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder(Tiny(), width=8, stage="stage1", stride=4, channels=8)


def _rotation(width: int) -> torch.Tensor:
    q: torch.Tensor = torch.linalg.qr(torch.randn(width, width, dtype=torch.float64))[0]
    return q


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


def test_vicreg_of_four_embeddings_by_hand() -> None:
    a = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [1.0, 1.0], [-1.0, -1.0]])
    # Unbiased variance 4/3 > 1; covariance 4/3, twice squared over 2; the views differ by 1.
    assert vicreg(torch.stack([a, a + 1])).item() == pytest.approx(25 + 2 * 16 / 9, abs=1e-4)


def test_barlow_twins_of_opposite_views_by_hand() -> None:
    a = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    # c = diag(-1, 1): (1 + 1)² + 0, nothing beside the diagonal.
    b = a * torch.tensor([-1.0, 1.0])
    assert barlow_twins(torch.stack([a, b])).item() == pytest.approx(4, abs=1e-4)


def test_the_coding_rate_is_the_same_from_either_gram_matrix() -> None:
    z = torch.nn.functional.normalize(torch.randn(6, 9, generator=torch.manual_seed(0)), dim=1)
    d, b = 9, 6
    direct = 0.5 * torch.logdet(torch.eye(9) + d / (b * 0.2) * z.T @ z)
    assert coding_rate(z).item() == pytest.approx(direct.item(), rel=1e-5)


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


def test_vicreg_and_barlow_twins_know_no_mean_and_barlow_twins_no_scale() -> None:
    z = torch.randn(2, 64, 5, generator=torch.manual_seed(3))
    shifted = z + torch.tensor([3.0, -1.0, 0.0, 2.0, 5.0])
    assert vicreg(shifted).item() == pytest.approx(vicreg(z).item(), rel=1e-3)
    scaled = shifted * torch.tensor([2.0, 0.5, 3.0, 1.0, 7.0])
    assert barlow_twins(scaled).item() == pytest.approx(barlow_twins(z).item(), rel=1e-3)


@pytest.mark.parametrize(
    "loss", [vicreg, lambda z: nt_xent(z.flatten(0, 1)), barlow_twins, emp_ssl]
)
def test_one_embedding_for_all_images_is_worse_than_a_spread(loss) -> None:
    spread = torch.randn(1, 64, 8, generator=torch.manual_seed(4)).repeat(2, 1, 1)
    assert loss(torch.ones(2, 64, 8)).item() > loss(spread).item()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_gives_a_scalar_that_trains_its_encoder(name: str) -> None:
    encoder = _encoder()
    module = Pretraining(encoder, build_method(name, encoder, channels=1))
    x = torch.rand(12 * module.method.views, 1, 16, 16)
    value = module.method.loss(module(x))
    assert value.ndim == 0
    value.backward()
    gradients = [p.grad for p in encoder.parameters()]
    assert all(g is not None and g.abs().sum() > 0 for g in gradients)
    module.eval()
    assert len(module.method.embed(encoder(x[:12]))) == 12


def test_the_table_says_the_views_and_the_images_that_a_method_needs() -> None:
    for name, line in METHODS.items():
        method = build_method(name, _encoder(), channels=1)
        assert line.views == method.views, name
        assert method.has_embeddings == (name not in ("rotation", "masked"))
        assert line.least == 1 + (name in ("simclr", "vicreg", "barlow-twins", "emp-ssl"))


def test_the_slow_copy_of_byol_follows_and_is_not_trained() -> None:
    encoder = _encoder()
    method = build_method("byol", encoder, channels=1)
    assert isinstance(method, BYOL)
    assert method.target is not None
    slow = next(method.target.parameters())
    assert not any(p.requires_grad for p in method.target.parameters())
    with torch.no_grad():
        next(encoder.parameters()).add_(1.0)
    before = slow.clone()
    method(encoder, torch.rand(8, 1, 16, 16))
    # The first decay is 1/10: nine tenths of the way.
    assert torch.allclose(slow - before, torch.full_like(slow, 0.9), atol=1e-5)


def test_every_view_of_a_batch_is_a_copy_of_all_images() -> None:
    x = torch.arange(3.0).view(3, 1, 1, 1)
    y = torch.arange(3)
    (batch,) = repeated(iter([Batch(x, y, y)]), 2)
    assert batch.x.flatten().tolist() == [0, 1, 2, 0, 1, 2]


def test_an_unknown_method_and_a_network_without_a_map_are_refused() -> None:
    with pytest.raises(UsageError, match="Did you mean `simclr`"):
        build_method("simcrl", _encoder(), channels=1)
    with pytest.raises(UsageError, match="last feature map is known"):
        build_method("masked", Encoder(Tiny(), width=8), channels=1)
