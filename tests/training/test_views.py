"""Augmentations of self-supervised views."""

from __future__ import annotations

import pytest
import torch

from neocog.errors import DataError
from neocog.training.augment import Augment, augment
from neocog.training.views import suited_views


def test_views_of_photographs_are_mirrored_and_views_of_drawings_are_not() -> None:
    color, gray = suited_views(3, (32, 32)), suited_views(1, (28, 28))
    assert color.flip
    assert color.saturation > 0
    assert not gray.flip
    assert gray.rotate <= 15
    with pytest.raises(DataError, match="1 or 3 channels; these have 4"):
        suited_views(4, (32, 32))


def test_grayscale_leaves_luma_and_hue_leaves_gray() -> None:
    x, y = torch.rand(8, 3, 5, 5), torch.zeros(8, dtype=torch.int64)
    luma = torch.tensor([0.299, 0.587, 0.114])
    gray = augment(x, y, Augment(grayscale=1.0), seed=0).x
    assert torch.allclose(gray[:, 0], gray[:, 2], atol=2e-3)
    # The inverse of the three-digit matrix of the standard is exact to a thousandth.
    assert torch.allclose(gray[:, 1], torch.einsum("c,bchw->bhw", luma, x), atol=2e-3)
    turned = augment(gray, y, Augment(hue=0.5, saturation=0.5), seed=0).x
    assert torch.allclose(turned, gray, atol=4e-3)
    assert not torch.allclose(augment(x, y, Augment(hue=0.5), seed=0).x, x, atol=0.05)
    one = x[:, :1]
    assert torch.equal(augment(one, y, Augment(hue=0.5, grayscale=1.0), seed=0).x, one)
