import pytest
import torch

from neocog.explainers.trust.similarity import by_parts, ranks, spearman, ssim


def test_ranks_share_the_mean_place_of_equal_values() -> None:
    assert ranks(torch.tensor([[5.0, 1.0, 5.0, 0.0, 5.0]])).tolist() == [[3.0, 1.0, 3.0, 0.0, 3.0]]


def test_rank_correlation_by_hand() -> None:
    """1 - 6 Σ d² / (n (n² - 1)) = 1 - 6 · 2 / (4 · 15) for one swap of neighbors among four."""
    a = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    assert spearman(a, torch.tensor([[1.0, 2.0, 9.0, 5.0]])).item() == pytest.approx(0.8)
    assert spearman(a, -a).item() == pytest.approx(-1)
    assert spearman(a, torch.ones(1, 4)).item() == 0


def test_structural_similarity_by_hand() -> None:
    """One window; means 1/2 and 1/2, variances 1/4, covariance -1/4."""
    a = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    c1, c2 = 1e-4, 9e-4
    want = (0.5 + c1) * (-0.5 + c2) / ((0.5 + c1) * (0.5 + c2))
    assert ssim(a, 1 - a, reach=1.0).item() == pytest.approx(want)
    assert ssim(a, a, reach=1.0).item() == pytest.approx(1)


def test_series_too() -> None:
    x = torch.rand(3, 20, generator=torch.Generator().manual_seed(0))
    assert ssim(x, x, reach=1.0).tolist() == pytest.approx([1, 1, 1])
    assert spearman(x, x**3).tolist() == pytest.approx([1, 1, 1])


def test_many_maps_are_compared_some_at_a_time(monkeypatch) -> None:
    a, b = torch.rand(5, 4, 4), torch.rand(5, 4, 4)
    sizes = []

    def measure(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        sizes.append(len(one))
        return spearman(one, other)

    monkeypatch.setattr("neocog.explainers.trust.similarity._VALUES", 35)
    assert torch.equal(by_parts(measure, a, b), spearman(a, b))
    assert sizes == [2, 2, 1]
