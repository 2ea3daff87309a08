"""A collapse is called a collapse, and a spread is not."""

from __future__ import annotations

import pytest
import torch

from neocog.training.spread import effective_rank, relative_std, verdict


def _judged(z: torch.Tensor):
    return verdict(relative_std(z), effective_rank(z))


def test_planted_collapses_are_named_with_their_reason() -> None:
    torch.manual_seed(0)
    point = torch.ones(200, 32) + 1e-3 * torch.randn(200, 32)
    assert "all embeddings are nearly identical" in _judged(point).text
    line = torch.randn(200, 1) * torch.randn(1, 32) + 1e-3 * torch.randn(200, 32)
    assert "lie along a line" in _judged(line).text
    assert _judged(point).collapsed
    assert _judged(line).collapsed
    assert not _judged(torch.randn(200, 32)).collapsed
    assert not _judged(torch.randn(200, 4) @ torch.randn(4, 32)).collapsed


def test_learning_needs_better_neighbors_than_random_weights_have() -> None:
    assert verdict(0.9, 20.0, knn=0.80, before=0.60, n=500).learns
    for knn, n in ((0.55, 500), (0.65, 20), (0.608, 10**6)):  # worse, by chance, and by little
        none = verdict(0.9, 20.0, knn=knn, before=0.60, n=n)
        assert not none.learns
        assert none.text.startswith("no gain beyond chance yet")
    assert verdict(0.9, 20.0, knn=0.65, before=0.60, n=2000).learns
    assert verdict(0.9, 20.0).learns is None


def test_features_behind_a_relu_are_judged_by_their_rank_alone() -> None:
    assert not verdict(None, 8.0).collapsed
    assert "relative std" not in verdict(None, 8.0).text
    assert verdict(None, 1.2).collapsed
    assert verdict(0.04, 8.0).collapsed


def test_rank_and_spread_know_no_rotation_and_no_scale() -> None:
    torch.manual_seed(1)
    z = torch.randn(64, 8).double() * torch.tensor([4.0, 1, 1, 1, 0.1, 0.1, 0.1, 0.1]).double()
    moved = 5 * z @ torch.linalg.qr(torch.randn(8, 8).double())[0]
    assert effective_rank(moved) == pytest.approx(effective_rank(z), rel=1e-9)
    assert relative_std(moved) == pytest.approx(relative_std(z), rel=1e-9)
    assert 1 < effective_rank(z) < 8
