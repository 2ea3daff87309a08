"""Hue and saturation as linear maps."""

import torch

from neocog.symmetry.color import chroma_matrix


def test_hues_add_and_saturations_multiply() -> None:
    one = chroma_matrix(torch.tensor([0.7]), torch.tensor([2.0]))[0]
    back = chroma_matrix(torch.tensor([-0.7]), torch.tensor([0.5]))[0]
    assert torch.allclose(one @ back, torch.eye(3), atol=1e-5)


def test_gray_stays_and_no_saturation_is_gray() -> None:
    none = chroma_matrix(torch.tensor([0.3]), torch.tensor([0.0]))[0]
    red = none @ torch.tensor([1.0, 0, 0])
    # Luma of red; the numbers of the standard have three digits.
    assert torch.allclose(red, torch.full((3,), 0.299), atol=2e-3)
