from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from neocog.errors import ModelError
from neocog.explainers.filters import Filters, filters
from neocog.lectures.gabor import first_layer, gabor_fit
from neocog.render.page import page
from neocog.signal.kernels import gabor, gaussian, product, sobel


def layer(*kernels: torch.Tensor, color: tuple[float, ...] = (1.0,)) -> Filters:
    weights = torch.stack([torch.stack([c * k for c in color]) for k in kernels]).float().numpy()
    return Filters(
        name="conv1", kind="Conv2d", weights=weights, stride=(1, 1), dilation=(1, 1), groups=1
    )


def apart(one: float, other: float) -> float:
    """Between two phases, in degrees."""
    return abs((one - other + 180) % 360 - 180)


@pytest.mark.parametrize("phase", [0.0, 90.0, 180.0, -90.0, 130.0, -50.0])
def test_G1_the_phase_tells_bright_from_dark_and_left_from_right(phase: float) -> None:
    kernels = [gabor(9, wavelength=4, angle=a, sigma=1.8, phase=phase) for a in (20, 110)]
    fit = gabor_fit(layer(*kernels), random=1)
    for i, angle in enumerate((20, 110)):
        assert apart(fit.phase[i], phase) < 3
        assert abs(fit.angle[i] - angle) < 2


def test_G1_the_floor_says_that_3x3_kernels_are_nearly_always_fitted() -> None:
    noise = torch.randn(24, 1, 3, 3, generator=torch.Generator().manual_seed(5)).numpy()
    small = gabor_fit(
        Filters(name="a", kind="", weights=noise, stride=(1, 1), dilation=(1, 1), groups=1),
        random=30,
    )
    large = gabor_fit(layer(gabor(9, wavelength=4, angle=20, sigma=2)), random=30)
    assert np.median(small.floor) > 0.8
    assert np.median(large.floor) < 0.5
    assert "the fit says little" in small.verdict() or np.median(small.floor) < 0.9
    # Noise among noise: 5 % of 24 expected; seven would be 0.0003 by the binomial law.
    assert small.fraction_above < 7 / 24
    assert large.fraction_above == 1


def test_edges_and_blobs_are_gabor_functions_too() -> None:
    wide = torch.nn.functional.pad(sobel(), (2, 2, 2, 2))
    fit = gabor_fit(layer(product(gaussian(1.5, taps=7)), wide), random=8)
    assert fit.explained[0] > 0.99
    assert fit.explained[1] > 0.95
    assert min(fit.angle[1], 180 - fit.angle[1]) < 3  # differences from left to right


def test_colors_that_do_not_vary_together_count_as_not_explained() -> None:
    one, two = (gabor(7, wavelength=4, angle=a, sigma=1.5) for a in (0, 90))
    both = layer(one)
    weights = torch.stack([one, two])[None].float().numpy()
    fit = gabor_fit(
        Filters(name="", kind="", weights=weights, stride=(1, 1), dilation=(1, 1), groups=1),
        random=4,
    )
    assert fit.explained[0] == pytest.approx(0.5, abs=0.08)
    assert gabor_fit(both, random=4).explained[0] > 0.999


def test_same_seed_same_numbers_and_plain_results() -> None:
    found = first_layer(filters(nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 5, 5))))
    assert found.name == "1"
    found.weights[3] = 0  # a filter that never learned anything
    one, two = (gabor_fit(found, random=6, seed=3) for _ in range(2))
    assert np.array_equal(one.explained, two.explained, equal_nan=True)
    assert np.array_equal(one.floor, two.floor)
    assert np.isnan(one.explained[3])
    assert one.to_json()["explained"][3] is None
    json.dumps(one.to_json(), allow_nan=False)
    html = page("Gabor", one.sections())
    assert "of a random 5×5 filter" in html
    pairs = next(e for e in one.sections()[0].exhibits if e.title == "Filter and fit").images
    # Ten pixels a tap; between filter and fit a white gap, which no weight is.
    assert pairs[0].shape[:2] == (50, 50 + 10 + 50)
    assert (pairs[0][:, 50:60] == 255).all()


def test_kernels_without_two_axes_have_no_gabor_function() -> None:
    for net in (nn.Conv1d(1, 2, 5), nn.Conv2d(3, 2, 1)):
        with pytest.raises(ModelError, match="kernels of two axes with more than one tap"):
            gabor_fit(filters(net)[0])
