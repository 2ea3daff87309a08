from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.data.open import open_data
from neocog.data.samples import Samples
from neocog.errors import UsageError
from neocog.explainers.statistics import Statistics, statistics_from, statistics_of


def noise(kind: Statistics, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (count, len(kind.mean), *kind.amplitude.shape, 2)
    return torch.randn(shape, generator=generator, dtype=torch.float64) / 2**0.5


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_amplitudes_have_a_mean_square_of_one(height: int, width: int, series: bool) -> None:
    size = (width,) if series else (height, width)
    found = statistics_from((0.5,), (0.2,), size)
    full = torch.fft.ifftshift(torch.zeros(size)).numpy() * 0
    axes = tuple(range(len(size)))
    impulse = np.zeros(size)
    impulse[(0,) * len(size)] = 1.0
    half = np.fft.rfftn(impulse, axes=axes) * found.amplitude
    # Energy of the impulse response over its number of samples is the mean square of the spectrum.
    full = np.fft.irfftn(half, s=size, axes=axes) if width > 1 or height > 1 else half
    assert float((np.abs(full) ** 2).sum()) == pytest.approx(1, abs=1e-6)


def test_noise_has_the_colors_and_the_spectrum_of_the_data() -> None:
    generator = torch.Generator().manual_seed(1)
    plain = torch.randn(400, 3, 12, 10, generator=generator, dtype=torch.float64)
    smooth = (plain + plain.roll(1, 3) + plain.roll(1, 2)) / 3
    mix = torch.tensor([[0.3, 0.0, 0.1], [0.2, 0.1, 0.0], [0.2, 0.0, -0.2]], dtype=torch.float64)
    x = 0.5 + 0.2 * torch.einsum("dc,bchw->bdhw", mix, smooth)
    found = statistics_of(Samples.of(x))
    made = found.field(noise(found, 400))
    np.testing.assert_allclose(found.mean, x.mean(0).numpy(), atol=1e-6)
    cov = torch.cov((x - x.mean(0)).movedim(1, 0).flatten(1)).numpy()
    np.testing.assert_allclose(found.color @ found.color.T, cov, rtol=1e-4)
    own = torch.cov(made.movedim(1, 0).flatten(1)).numpy()
    # 400 × 120 values: a deviation of some per cent of the largest variance.
    np.testing.assert_allclose(own, cov, atol=0.05 * cov.max())
    power = torch.fft.rfft2(made).abs().square().mean((0, 1))
    truth = torch.fft.rfft2(x - x.mean(0)).abs().square().mean((0, 1))
    ratio = power / truth
    assert float(ratio.min()) > 0.8
    assert float(ratio.max()) < 1.25


def test_digits_are_dark_and_smooth() -> None:
    found = statistics_of(Samples.of(open_data("digits").splits["train"]), n=500)
    assert found.mean.mean() == pytest.approx(0.13, abs=0.02)
    assert found.spread[14, 14] > 1
    assert found.spread[0, 0] < 0.1  # nobody writes in the corner
    assert (found.spread**2).mean() == pytest.approx(1)
    assert found.amplitude[2, 2] > 5 * found.amplitude[14, 14]
    field = found.field(noise(found, 200)).std(0)[0]
    assert field[14, 14] > 5 * field[:3].mean()  # and the noise keeps away from the border
    images = found.image(noise(found, 8))
    assert float(images.min()) >= 0
    assert float(images.max()) <= 1


def test_natural_images_fall_as_one_over_frequency_and_vary_mostly_in_brightness() -> None:
    found = statistics_from((0.5, 0.5, 0.4), (0.25, 0.25, 0.3), (32, 32))
    assert found.amplitude[0, 4] / found.amplitude[0, 8] == pytest.approx(2)
    np.testing.assert_allclose(
        np.sqrt(np.diag(found.color @ found.color.T)), (0.25, 0.25, 0.3), rtol=1e-9
    )
    correlation = (found.color @ found.color.T)[0, 1] / 0.25**2
    assert correlation > 0.85
    json.dumps(found.to_json(), allow_nan=False)


def test_wrong_use() -> None:
    with pytest.raises(UsageError, match="1 means, 2 standard deviations and the size"):
        statistics_from((0.5,), (0.2, 0.2), (8, 8))


@pytest.mark.parametrize("n", [1, 7])
def test_images_that_do_not_differ_have_no_statistics(n: int) -> None:
    one = torch.rand(1, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    with pytest.raises(UsageError, match=rf"images that differ; got {n} equal ones"):
        statistics_of(Samples.of(one.expand(n, -1, -1, -1)))
    other = one.clone()
    other[0, 0, 0, 0] += 1 / 255
    found = statistics_of(Samples.of(torch.cat([one] * 999 + [other])))
    assert np.isfinite(found.amplitude).all()
