from __future__ import annotations

import numpy as np
import torch

from neocog.render.pixels import (
    amounts,
    as_image,
    beside,
    enlarged,
    framed,
    gray_or_color,
    shaded,
    sheet,
    signed,
)


def test_values_become_levels() -> None:
    assert as_image(torch.tensor([[[0.0, 0.5, 1.0, 7.0]]])).tolist() == [[0, 128, 255, 255]]
    assert as_image(torch.rand(3, 4, 5)).shape == (4, 5, 3)
    assert as_image(torch.rand(7, 4, 5)).shape == (4, 5)  # the mean of other numbers of channels


def test_raw_values_are_stretched_whatever_their_range() -> None:
    x = torch.tensor([[[-1e-3, 0.0, 1e-3]]])
    assert as_image(x, values="raw").tolist() == [[0, 128, 255]]
    assert as_image(x).tolist() == [[0, 0, 0]]
    batch = torch.cat([x[None], 500 * x[None]]).expand(-1, 2, -1, -1)
    assert [as_image(one).tolist() for one in shaded(batch, "raw")] == [[[0, 128, 255]]] * 2
    assert shaded(batch, "pixels") is batch


def test_zero_is_the_middle_of_signed_colors_and_of_weights() -> None:
    shown = signed(np.array([[-2.0, 0.0, 1.0]]))
    assert shown[0, 1].tolist() == [243, 242, 239]
    assert shown[0, 0, 2] > shown[0, 0, 0]  # blue
    assert shown[0, 2, 0] > shown[0, 2, 2]  # brown
    assert gray_or_color(np.array([[[-1.0, 0.0, 1.0]]])).tolist() == [[0, 128, 255]]
    assert gray_or_color(np.zeros((1, 2, 2))).tolist() == [[128, 128]] * 2


def test_larger_amounts_are_brighter() -> None:
    shown = amounts(np.linspace(0, 1, 20)[None]).astype(int).sum(2)[0]
    assert (np.diff(shown) > 0).all()
    assert amounts(np.full((2, 2), 3.0)).shape == (2, 2, 3)  # no range


def test_images_side_by_side() -> None:
    gray, color = np.full((2, 1), 7, np.uint8), np.zeros((2, 1, 3), np.uint8)
    assert beside(gray, gray, gap=2, ground=255).tolist() == [[7, 255, 255, 7]] * 2
    assert beside(gray, color).shape == (2, 4, 3)


def test_sheets_and_frames() -> None:
    ones = [np.full((2, 3), 255, np.uint8)] * 5
    made = sheet(ones)
    assert made.shape == (2 * 2 + 1, 3 * 3 + 2)
    assert (made == 255).sum() == 5 * 6
    assert beside(ones[0], np.zeros((2, 4, 3), np.uint8), gap=1).shape == (2, 8, 3)
    assert enlarged(ones[0], 3).shape == (6, 9)
    frame = framed(np.zeros((9, 9), np.uint8), (3, 6, 2, 5))
    assert (frame[:, :, 0] > 0).sum() == 16  # the ring around 3×3
    assert (frame[3:6, 2:5] == 0).all()
    assert (framed(np.zeros((4, 4), np.uint8), (0, 4, 0, 4)) > 0).any()
