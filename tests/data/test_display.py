"""Samples of any kind as images to look at."""

import numpy as np

from neocog.data.display import as_displayed


def test_pixels_are_drawn_as_they_are_and_other_channels_as_their_mean() -> None:
    x = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert as_displayed(x) is not None
    np.testing.assert_array_equal(as_displayed(x), x)
    np.testing.assert_array_equal(as_displayed(x.astype(np.uint16) * 257), x)
    two = np.stack([np.zeros((2, 2)), np.full((2, 2), 100)], 2).astype(np.uint8)
    assert as_displayed(two).tolist() == [[50, 50], [50, 50]]


def test_a_constant_raw_image_is_black() -> None:
    assert not as_displayed(np.full((3, 3, 1), -7.5, np.float32)).any()
