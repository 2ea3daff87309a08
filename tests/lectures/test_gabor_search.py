"""Gabor functions are found again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neocog.explainers.filters import Filters
from neocog.lectures.gabor import gabor_fit
from neocog.signal.kernels import gabor


def layer(*kernels: torch.Tensor, color: tuple[float, ...] = (1.0,)) -> Filters:
    weights = torch.stack([torch.stack([c * k for c in color]) for k in kernels]).float().numpy()
    return Filters(
        name="conv1", kind="Conv2d", weights=weights, stride=(1, 1), dilation=(1, 1), groups=1
    )


def apart(one: float, other: float) -> float:
    """Between two phases, in degrees."""
    return abs((one - other + 180) % 360 - 180)


def seen_from(found: float, angle: float, phase: float) -> float:
    """The phase of a wave that may have been run through the other way."""
    return phase if abs(found - angle) < 90 else -phase


@pytest.mark.parametrize("size", [7, 11])
def test_G1_gabor_functions_are_found_again(size: int) -> None:
    asked = [
        (4.0, 0.0, 1.6, 0.0),
        (5.0, 30.0, 1.8, 90.0),
        (3.5, 75.0, 1.5, 40.0),
        (4.5, 140.0, 1.7, -60.0),
    ]
    kernels = [gabor(size, wavelength=w, angle=a, sigma=s, phase=p) for w, a, s, p in asked]
    fit = gabor_fit(layer(*kernels, color=(0.5, -1.0, 0.2)), random=8)
    # Single precision of the weights, and a search that ends close to the top.
    assert (fit.explained > 0.999).all(), fit.explained
    for i, (wavelength, angle, sigma, phase) in enumerate(asked):
        assert fit.wavelength[i] == pytest.approx(wavelength, rel=0.03)
        assert abs((fit.angle[i] - angle + 90) % 180 - 90) < 2
        assert fit.sigma[i, 0] == pytest.approx(sigma, rel=0.05)
        assert np.abs(fit.center[i]).max() < 0.1
        # The strongest channel has the color -1: half a turn.
        assert apart(fit.phase[i], seen_from(fit.angle[i], angle, phase) + 180) < 6
    assert np.abs(fit.fitted - fit.filters).max() < 0.05
