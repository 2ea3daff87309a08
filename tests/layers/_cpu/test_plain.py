"""Where a plain convolution is computed."""

import pytest
import torch
from torch import Tensor

from neocog.layers._cpu.separable import SeparableAxis, filtered
from neocog.layers.blur import BlurPool

# PyTorch's forward mode loads code that warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Maps that `blur` takes this way from now on, of every size."""
    seen: list[Tensor] = []

    def noted(x: Tensor, axes: list[SeparableAxis]) -> Tensor:
        seen.append(x)
        return filtered(x, axes)

    monkeypatch.setattr("neocog.layers._cpu.blur.LARGE", 0)
    monkeypatch.setattr("neocog.layers._cpu.blur.filtered", noted)
    return seen


def test_transforms_of_functions_are_of_a_plain_convolution(taken: list[Tensor]) -> None:
    x = torch.randn(3, 2, 4, 6, 6, dtype=torch.float64)
    pool = BlurPool(2).double()
    one_by_one = torch.stack([pool(part) for part in x])
    v = torch.randn_like(x[0])
    along_v = pool(v)
    whole = x.clone().requires_grad_()
    sum(pool(part).square().sum() for part in whole).backward()
    taken.clear()
    torch.testing.assert_close(torch.func.vmap(pool)(x), one_by_one, rtol=0, atol=1e-14)
    y, found = torch.func.jvp(pool, (x[0],), (v,))
    torch.testing.assert_close((y, found), (one_by_one[0], along_v), rtol=0, atol=1e-14)
    each = torch.func.vmap(torch.func.grad(lambda x: pool(x).square().sum()))(x)
    torch.testing.assert_close(each, whole.grad, rtol=0, atol=1e-13)
    assert not taken


def test_an_export_is_of_a_plain_convolution(taken: list[Tensor]) -> None:
    x = torch.randn(2, 4, 8, 8)
    pool = BlurPool(2).eval()
    program = torch.export.export(pool, (x,))
    assert not taken
    # Of one sum of twenty-five terms in float32, in another order.
    torch.testing.assert_close(program.module()(x), pool(x), rtol=0, atol=1e-6)


def test_in_lower_precision_it_is_a_plain_convolution(taken: list[Tensor]) -> None:
    x = torch.randn(2, 4, 8, 8).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = BlurPool(2)(x)
    assert not taken
    y.float().sum().backward()
    assert x.grad is not None
    # bfloat16 keeps eight bits.
    torch.testing.assert_close(y.float(), BlurPool(2)(x), rtol=0.02, atol=0.02)
