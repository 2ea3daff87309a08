"""Self-supervised losses against numbers worked out by hand, and laws that they obey."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from neocog.errors import UsageError
from neocog.tasks.pretext.byol import BYOL
from neocog.tasks.pretext.method import Encoder, Pretraining
from neocog.tasks.pretext.table import METHODS, build_method


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


def test_an_unknown_method_and_a_network_without_a_map_are_refused() -> None:
    with pytest.raises(UsageError, match="Did you mean `simclr`"):
        build_method("simcrl", _encoder(), channels=1)
    with pytest.raises(UsageError, match="last feature map is known"):
        build_method("masked", Encoder(Tiny(), width=8), channels=1)
