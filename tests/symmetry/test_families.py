import pytest
import torch
from torch import Tensor

from neocog.symmetry.families import (
    FAMILIES,
    BrightnessFamily,
    ContrastFamily,
    Family,
    HueFamily,
    OrientationFamily,
    ScaleFamily,
)


def images(n: int, side: int = 24) -> Tensor:
    x = torch.rand(n, 2, side, side, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.avg_pool2d(x, 5, 1, 2)


def applied(family: Family, x: Tensor, element: Tensor) -> Tensor:
    return family.views(x, element, torch.zeros(len(element)))


def test_orientations_are_a_group() -> None:
    family = OrientationFamily(count=16)
    every = torch.arange(16)
    table = family.after(every[:, None], every)
    assert torch.equal(table[0], every)
    assert torch.equal(table[:, 0], every)
    assert all(row.sort().values.equal(every) for row in (*table, *table.T))
    a, b, c = (torch.randint(16, (50,)) for _ in range(3))
    assert torch.equal(family.after(family.after(a, b), c), family.after(a, family.after(b, c)))


def test_one_orientation_after_another_is_their_product() -> None:
    family, x = OrientationFamily(count=8), images(1)
    first, then = torch.cartesian_prod(torch.arange(8), torch.arange(8)).T
    x = x.expand(64, -1, -1, -1)
    twice = applied(family, applied(family, x, then), first)
    # Quarter turns take samples to samples; the grid is computed in float32.
    torch.testing.assert_close(
        twice, applied(family, x, family.after(first, then)), atol=1e-5, rtol=0
    )


def test_by_hand() -> None:
    family, x = OrientationFamily(), images(1)
    hidden = applied(family, torch.ones_like(x), torch.tensor([0]))
    mirror = applied(family, x, torch.tensor([24]))
    torch.testing.assert_close(mirror, x.flip(3) * hidden, atol=1e-5, rtol=0)
    quarter = applied(family, x, torch.tensor([6]))
    torch.testing.assert_close(quarter, x.rot90(1, (2, 3)) * hidden, atol=1e-5, rtol=0)
    assert family.amount(6) == 90
    assert family.amount(24 + 18) == -90
    assert ScaleFamily().amount(8) == 1  # twice as large
    assert ContrastFamily().amount(4) == 1
    assert BrightnessFamily().amount(13) == 1


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_nothing_but_the_content_gives_an_element_away(family: Family) -> None:
    even = torch.full((family.count, 1, 24, 24), 0.5)
    out = applied(family, even, torch.arange(family.count))
    if family.name != "brightness":  # which is what it changes
        torch.testing.assert_close(out, out[:1].expand_as(out), atol=1e-5, rtol=0)
    assert float(out.min()) >= 0
    assert float(out.max()) <= 1


@pytest.mark.parametrize("family", FAMILIES[1:], ids=lambda f: f.name)
def test_steps_of_a_line_end_at_its_window(family: Family) -> None:
    last = torch.tensor(family.count - 1)
    assert int(family.after(last, torch.tensor(0))) == family.count - 1
    assert int(family.after(last, torch.tensor(1))) == -1
    assert family.amount(0) == 0
    assert family.amount(1) > 0 > family.amount(-1)


def test_a_hue_is_rotated_back_by_its_inverse_and_luma_stays() -> None:
    hue = HueFamily()
    x = torch.rand(12, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.25
    every = torch.arange(12)
    luma = torch.tensor([0.299, 0.587, 0.114])
    seen = hue.views(x, every, torch.zeros(12))
    assert torch.allclose(
        torch.einsum("c,bchw->bhw", luma, seen), torch.einsum("c,bchw->bhw", luma, x), atol=1e-3
    )  # the matrices of the standard have three digits
    assert torch.equal(hue.after(every, -every % 12), torch.zeros(12, dtype=torch.int64))
