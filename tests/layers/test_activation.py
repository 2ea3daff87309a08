import math

import torch

from neocog.layers.activation import ScaledTanh, scaled_tanh


def test_scaled_tanh_values_of_the_paper() -> None:
    x = torch.tensor([-1.0, 0.0, 1.0, 50.0], dtype=torch.float64)
    y = scaled_tanh(x)
    # The paper rounds 1.7159; with it f(1) = 1 holds to four digits.
    torch.testing.assert_close(y[:3], x[:3], rtol=0, atol=5e-5)
    assert math.isclose(y[3].item(), 1.7159, rel_tol=1e-12)
    assert torch.equal(ScaledTanh()(x), y)


def test_scaled_tanh_gradient() -> None:
    x = torch.randn(5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(scaled_tanh, (x,))
