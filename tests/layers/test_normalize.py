import torch

from neocog.layers.normalize import LocalResponseNorm, local_response_norm


def test_D4_response_normalization_is_the_formula_of_the_paper() -> None:
    x = torch.randn(2, 7, 3, 3, dtype=torch.float64) * 20
    expected = torch.empty_like(x)
    for i in range(7):
        near = x[:, max(0, i - 2) : i + 3].square().sum(1)
        expected[:, i] = x[:, i] / (2 + 1e-4 * near) ** 0.75
    # float64 rounding
    torch.testing.assert_close(local_response_norm(x), expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(LocalResponseNorm()(x), local_response_norm(x))
