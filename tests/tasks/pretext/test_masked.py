"""Masked reconstruction."""

import torch

from neocog.tasks.pretext.masked import masked_error, square_mask


def test_squares_are_whole_and_as_many_as_are_wanted() -> None:
    mask = square_mask(5, (8, 12), 4, 0.5)  # 6 squares, 3 of them blank
    assert mask.shape == (5, 1, 8, 12)
    assert mask.sum((1, 2, 3)).tolist() == [48] * 5
    coarse = mask[:, :, ::4, ::4]
    assert torch.equal(mask, coarse.repeat_interleave(4, 2).repeat_interleave(4, 3))


def test_only_blanked_pixels_count() -> None:
    x, y = torch.zeros(1, 2, 1, 2), torch.tensor([[[[1.0, 5.0]], [[3.0, 7.0]]]])
    mask = torch.tensor([[[[True, False]]]])
    assert masked_error(x, y, mask).item() == 5  # (1 + 9) / 2
    assert masked_error(x, y, torch.zeros_like(mask)).item() == 0
