import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from neocog.errors import UsageError
from neocog.layers.blocks import extend, per_axis
from neocog.layers.border import continued, folded

# PyTorch's forward mode loads code that warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")

MODES = ("circular", "reflect", "replicate")
SIDES = [[(1, 2), (2, 0)], [(0, 7), (5, 1)], [(0, 0), (1, 0)]]
LAYOUTS = (torch.contiguous_format, torch.channels_last)


def by_hand(x: Tensor, before: int, after: int, mode: str) -> Tensor:
    """One axis, sample by sample."""
    n, out = x.shape[-1], []
    for i in range(-before, n + after):
        if mode == "circular":
            i %= n
        elif mode == "replicate":
            i = max(0, min(n - 1, i))
        else:
            while not 0 <= i < n:
                i = -i if i < 0 else 2 * (n - 1) - i
                if n == 1:
                    i = 0
        out.append(x[..., i])
    return torch.stack(out, -1)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(5, 4), (2, 3), (1, 1), (8, 9)])
def test_every_size_and_number_of_samples(
    mode: str, layout: torch.memory_format, size: tuple[int, int]
) -> None:
    x = torch.randn(2, 3, *size).to(memory_format=layout)
    for sides in SIDES:
        wide = by_hand(by_hand(x.mT, *sides[0], mode).mT, *sides[1], mode)
        assert torch.equal(extend(x, sides, padding=mode), wide)
        assert torch.equal(extend(x.clone().requires_grad_(), sides, padding=mode), wide)
        series = extend(x[:, :, 0], sides[1:], padding=mode)
        assert torch.equal(series, by_hand(x[:, :, 0], *sides[1], mode))


@pytest.mark.parametrize("mode", MODES)
def test_is_the_border_of_torch_where_that_exists(mode: str) -> None:
    x = torch.randn(2, 3, 5, 6)
    assert torch.equal(continued(x, [(1, 2), (2, 1)], mode), F.pad(x, (2, 1, 1, 2), mode=mode))
    assert torch.equal(extend(x, [(1, 2), (0, 1)], padding="zeros"), F.pad(x, (0, 1, 1, 2)))
    assert extend(x, [(0, 0), (0, 0)], padding=mode) is x


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_is_kept_by_map_and_gradient(mode: str, layout: torch.memory_format) -> None:
    x = torch.randn(2, 3, 5, 6).to(memory_format=layout).requires_grad_()
    y = extend(x, [(1, 1), (1, 1)], padding=mode)
    assert y.is_contiguous(memory_format=layout)
    (g,) = torch.autograd.grad(y, x, torch.ones_like(y))
    assert g.is_contiguous(memory_format=layout)


def test_layout_is_kept_where_one_side_gets_nothing() -> None:
    x = torch.randn(2, 8, 6, 6).to(memory_format=torch.channels_last)
    wider = continued(x, ((0, 1), (0, 1)), "circular")
    assert wider.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(5, 4), (1, 2)])
def test_gradients_in_every_direction(mode: str, size: tuple[int, int]) -> None:
    x = torch.randn(1, 2, *size, dtype=torch.float64).requires_grad_()
    for sides in SIDES:

        def wider(x: Tensor, sides: list[tuple[int, int]] = sides) -> Tensor:
            return extend(x, sides, padding=mode)

        assert torch.autograd.gradcheck(wider, x, check_forward_ad=True)
        assert torch.autograd.gradgradcheck(wider, x)


@pytest.mark.parametrize("mode", MODES)
def test_folding_is_the_transpose(mode: str) -> None:
    x = torch.randn(2, 1, 4, 5, dtype=torch.float64)
    for sides in SIDES:
        y = torch.randn_like(extend(x, sides, padding=mode))
        one = (extend(x, sides, padding=mode) * y).sum()
        # float64 rounding of some hundred summands.
        torch.testing.assert_close(one, (x * folded(y, sides, mode)).sum(), rtol=1e-12, atol=1e-12)


def test_functional_transforms() -> None:
    def energy(x: Tensor) -> Tensor:
        return extend(x[None], [(1, 2), (2, 1)], padding="circular").square().sum()

    x = torch.randn(3, 2, 4, 4, dtype=torch.float64)
    each = torch.func.vmap(torch.func.grad(energy))(x)
    torch.testing.assert_close(each, torch.stack([torch.func.grad(energy)(v) for v in x]))
    _, tangent = torch.func.jvp(energy, (x[0],), (x[0],))
    torch.testing.assert_close(tangent, 2 * energy(x[0]))


def test_a_stride_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match=r"one for each of the 2 axes; got \(2, 2, 2\)"):
        per_axis((2, 2, 2), 2)
    with pytest.raises(UsageError, match=r"positive integer.*; got 0"):
        per_axis(0, 1)
    with pytest.raises(UsageError, match="`mirror` is not a padding"):
        extend(torch.zeros(1, 1, 3), [(1, 1)], padding="mirror")
