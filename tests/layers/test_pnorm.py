import math

import pytest
import torch
import torch.nn.functional as F

from neocog.errors import UsageError
from neocog.layers.pnorm import PNormPool, p_norm_pool

GRID = torch.tensor([[6.0, 1, 2, 4], [1, 6, 7, 8], [3, 5, 2, 0], [1, 2, 3, 4]]).reshape(1, 1, 4, 4)


def test_C2_the_family_runs_from_the_mean_to_the_maximum() -> None:
    assert p_norm_pool(GRID, 1, kernel_size=2)[0, 0].tolist() == [[3.5, 5.25], [2.75, 2.25]]
    assert p_norm_pool(GRID, math.inf, kernel_size=2)[0, 0].tolist() == [[6, 8], [5, 4]]
    squares = torch.tensor([[74.0, 133], [39, 29]]) / 4
    torch.testing.assert_close(p_norm_pool(GRID, 2, kernel_size=2)[0, 0], squares.sqrt())
    nine = torch.arange(9.0).reshape(1, 1, 3, 3)
    assert p_norm_pool(nine, math.inf, kernel_size=2, stride=1)[0, 0].tolist() == [[4, 5], [7, 8]]
    # 4^(1/200) = 1.007: the mean of powers is that near to the maximum.
    assert 1 / 1.007 < float(p_norm_pool(GRID, 200, kernel_size=2)[0, 0, 0, 1]) / 8 <= 1


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 7])
def test_without_the_mean_it_is_the_norm(p: float) -> None:
    x = torch.randn(2, 3, 7, 8, dtype=torch.float64)
    y = p_norm_pool(x, p, kernel_size=(3, 2), stride=(2, 3), mean=False)
    for i in range(3):
        for j in range(3):
            window = x[:, :, 2 * i : 2 * i + 3, 3 * j : 3 * j + 2]
            norm = torch.linalg.vector_norm(window, p, dim=(2, 3))
            torch.testing.assert_close(y[:, :, i, j], norm)
    torch.testing.assert_close(
        p_norm_pool(x.abs(), p, kernel_size=2, mean=False), F.lp_pool2d(x.abs(), p, 2)
    )


@pytest.mark.parametrize("p", [1, 2, 3.5, math.inf])
def test_one_axis_of_space(p: float) -> None:
    x = torch.randn(2, 3, 9)
    series = p_norm_pool(x, p, kernel_size=3, stride=2)
    torch.testing.assert_close(
        series, p_norm_pool(x[:, :, None], p, kernel_size=(1, 3), stride=(1, 2))[:, :, 0]
    )


@pytest.mark.parametrize("p", [1, 2, 3.5, math.inf])
def test_gradients(p: float) -> None:
    x = torch.randn(1, 2, 5, 6, dtype=torch.float64).requires_grad_()
    pool = PNormPool(p, kernel_size=2)
    assert not list(pool.state_dict())
    assert torch.autograd.gradcheck(pool, x)


@pytest.mark.parametrize("p", [1, 2, 9, math.inf])
def test_zeros_and_large_values_are_numbers(p: float) -> None:
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, :2] = 1e9
    x.requires_grad_()
    y = p_norm_pool(x, p, kernel_size=2)
    torch.testing.assert_close(y[0, 0, 0], torch.full((2,), 1e9))
    assert y[0, 0, 1].tolist() == [0, 0]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("p", [2, 16, 200])
def test_a_small_window_beside_a_large_value_keeps_its_norm(p: float) -> None:
    for small in (1e-3, 1e-25):
        x = torch.tensor([[[1.0, 1.0, small, small]]]).requires_grad_()
        y = p_norm_pool(x, p, kernel_size=2)
        torch.testing.assert_close(y, torch.tensor([[[1.0, small]]]), rtol=1e-6, atol=0)
        y.sum().backward()
        assert x.grad is not None
        torch.testing.assert_close(x.grad, torch.full((1, 1, 4), 0.5))


def test_what_is_no_number_stays_none() -> None:
    x = torch.tensor([[[1.0, 1.0, math.nan, 1.0]]])
    y = p_norm_pool(x, 3, kernel_size=2)
    assert y[0, 0, 0] == 1
    assert y[0, 0, 1].isnan()


def test_p_below_one_is_refused() -> None:
    with pytest.raises(UsageError, match=r"p from 1 to infinity; got 0.5"):
        PNormPool(0.5, kernel_size=2)
    with pytest.raises(UsageError, match="got nan"):
        p_norm_pool(GRID, math.nan, kernel_size=2)
    assert "p=2, kernel_size=3, stride=None, mean=True" in repr(PNormPool(2, kernel_size=3))
