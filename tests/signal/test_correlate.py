from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from neocog.errors import ShapeMismatch, UsageError
from neocog.signal.correlate import MATCHES, convolve, correlate, match, peaks, window_sums
from neocog.signal.kernels import prewitt

MODES = ("valid", "same", "full", "circular")
SIZES = st.tuples(st.integers(4, 9), st.integers(4, 9))
KERNELS = st.tuples(st.integers(1, 4), st.integers(1, 4))


def drawn(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def close(one: Tensor, two: Tensor) -> None:
    # float64 rounding of sums of up to a hundred products of values around 1.
    torch.testing.assert_close(one, two, rtol=0, atol=1e-11)


def by_definition(x: Tensor, k: Tensor, mode: str, *, sign: int) -> Tensor:
    """Every output sample by the formula, one product at a time; `sign` is +1 for correlation."""
    n, taps = len(x), len(k)
    if mode == "circular":
        places, first = range(n), 0
    else:
        low, high = (-(taps - 1), n) if sign > 0 else (0, n + taps - 1)
        places = range(low, high)
        first = {"full": 0, "same": taps // 2, "valid": taps - 1}[mode]
        count = {"full": n + taps - 1, "same": n, "valid": n - taps + 1}[mode]
        places = places[first : first + count]
    out = []
    for i in places:
        total = 0.0
        for j in range(taps):
            at = i + sign * j
            if mode == "circular":
                total += float(k[j]) * float(x[at % n])
            elif 0 <= at < n:
                total += float(k[j]) * float(x[at])
        out.append(total)
    return torch.tensor(out, dtype=torch.float64)


def test_A1_correlation_of_3x3_with_2x2() -> None:
    x = torch.arange(9.0).view(3, 3)
    k = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    assert correlate(x, k).tolist() == [[19, 25], [37, 43]]
    # FFT: float32 rounding of values below 100.
    torch.testing.assert_close(correlate(x, k, method="fft"), correlate(x, k), rtol=0, atol=1e-4)
    assert correlate(x.long(), k.long()).tolist() == [[19, 25], [37, 43]]


def test_A2_vertical_edge_of_a_half_bright_image() -> None:
    x = torch.zeros(6, 6)
    x[:, :3] = 1
    edges = correlate(x, prewitt().float())
    assert edges.tolist() == [[0, 3, 3, 0]] * 4
    padded = correlate(x, prewitt().float(), mode="same")
    ends, between = [-2, 0, 2, 2, 0, 0], [-3, 0, 3, 3, 0, 0]
    assert padded.tolist() == [ends, *[between] * 4, ends]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", ["direct", "fft", "auto"])
@pytest.mark.parametrize("taps", [1, 2, 3, 4, 7])
def test_both_are_what_the_formula_says(mode: str, method: str, taps: int) -> None:
    x, k = drawn(7), drawn(taps, seed=1)
    close(correlate(x, k, mode=mode, method=method), by_definition(x, k, mode, sign=1))
    close(convolve(x, k, mode=mode, method=method), by_definition(x, k, mode, sign=-1))


@settings(max_examples=25, deadline=None)
@given(SIZES, KERNELS, st.sampled_from(MODES))
def test_A3_convolution_is_correlation_with_the_flipped_kernel(
    size: tuple[int, int], taps: tuple[int, int], mode: str
) -> None:
    x, k = drawn(2, *size), drawn(*taps, seed=1)
    if mode == "circular":  # there the kernel is turned about its tap 0, which stays
        turned = k.new_zeros(size)
        turned[: taps[0], : taps[1]] = k
        turned = turned.flip((0, 1)).roll((1, 1), (0, 1))
    else:
        turned = k.flip((0, 1))
    close(convolve(x, k, mode=mode), correlate(x, turned, mode=mode))
    series, row = x[:, 0], k[0]
    if mode != "circular":
        close(convolve(series, row, mode=mode), correlate(series, row.flip(0), mode=mode))
    if mode == "valid" and min(taps) > 1:  # they differ where the kernel is not symmetric
        assert not torch.allclose(convolve(x, k), correlate(x, k))


@settings(max_examples=25, deadline=None)
@given(SIZES, KERNELS, KERNELS, st.sampled_from(["direct", "fft"]))
def test_A4_convolution_is_commutative_associative_distributive_and_linear(
    size: tuple[int, int], one: tuple[int, int], two: tuple[int, int], method: str
) -> None:
    x, a, b = drawn(*size), drawn(*one, seed=1), drawn(*two, seed=2)

    def conv(p: Tensor, q: Tensor) -> Tensor:
        return convolve(p, q, mode="full", method=method)

    close(conv(x, a), conv(a, x))
    close(conv(conv(x, a), b), conv(x, conv(a, b)))
    other = drawn(*one, seed=3)
    close(conv(x, a + other), conv(x, a) + conv(x, other))
    close(conv(2.5 * x, a), 2.5 * conv(x, a))
    close(conv(x, -0.5 * a), -0.5 * conv(x, a))
    close(conv(x[0], a[0]), conv(a[0], x[0]))  # series


@settings(max_examples=25, deadline=None)
@given(SIZES, KERNELS)
def test_A5_the_spectrum_of_a_circular_convolution_is_the_product_of_the_spectra(
    size: tuple[int, int], taps: tuple[int, int]
) -> None:
    x, k = drawn(*size), drawn(*taps, seed=1)
    product = torch.fft.fft2(x) * torch.fft.fft2(k, s=size)
    close(torch.fft.fft2(convolve(x, k, mode="circular")).real, product.real)
    close(torch.fft.fft2(convolve(x, k, mode="circular")).imag, product.imag)


@pytest.mark.parametrize("mode", MODES)
def test_A5_fast_and_direct_agree_in_every_mode(mode: str) -> None:
    x, k = drawn(3, 2, 17, 12), drawn(5, 4, seed=1)
    for function in (correlate, convolve):
        close(function(x, k, mode=mode, method="fft"), function(x, k, mode=mode))


@settings(max_examples=20, deadline=None)
@given(SIZES, st.integers(-9, 9), st.integers(-9, 9))
def test_A6_a_shift_of_the_image_shifts_the_result(
    size: tuple[int, int], down: int, right: int
) -> None:
    x, k = drawn(*size), drawn(3, 2, seed=1)
    moved = correlate(x.roll((down, right), (0, 1)), k, mode="circular")
    close(moved, correlate(x, k, mode="circular").roll((down, right), (0, 1)))


def test_A9_one_output_is_the_dot_products_of_kernels_and_patches_and_the_bias() -> None:
    layer = torch.nn.Conv2d(3, 4, 3, bias=True).double().requires_grad_(False)
    x = drawn(1, 3, 6, 5)
    patch, kernels = x[0, :, 2:5, 1:4], layer.weight[1]
    by_hand = sum(float((patch[c] * kernels[c]).sum()) for c in range(3)) + float(layer.bias[1])
    assert float(layer(x)[0, 1, 2, 1]) == pytest.approx(by_hand, abs=1e-12)
    whole = torch.stack([correlate(x[0, c], kernels[c]) for c in range(3)]).sum(0) + layer.bias[1]
    close(whole, layer(x)[0, 1])


def test_same_is_what_networks_do() -> None:
    x, k = drawn(2, 9, 8), drawn(5, 3, seed=1)
    net = F.conv2d(x[:, None], k[None, None], padding="same")[:, 0]
    close(correlate(x, k, mode="same"), net)


def test_gradients_flow() -> None:
    x, k = drawn(5, 4).requires_grad_(), drawn(2, 3, seed=1).requires_grad_()
    for method in ("direct", "fft"):
        for mode in MODES:
            assert torch.autograd.gradcheck(
                lambda x, k, mode=mode, method=method: correlate(x, k, mode=mode, method=method),
                (x, k),
            )


def test_window_sums_by_hand_and_for_any_window() -> None:
    assert window_sums(torch.tensor([1.0, 2.0, 3.0, 4.0]), (3,)).tolist() == [6, 9]
    x = drawn(2, 7, 6)
    close(window_sums(x, (3, 2)), correlate(x, torch.ones(3, 2, dtype=torch.float64)))


def coefficient(a: Tensor, b: Tensor) -> float:
    """The correlation coefficient, channel means taken off, written out."""
    a = a - a.mean((1, 2), keepdim=True)
    b = b - b.mean((1, 2), keepdim=True)
    return float((a * b).sum() / math.sqrt(float(a.square().sum() * b.square().sum())))


@pytest.mark.parametrize("method", ["direct", "fft"])
def test_A12_the_normalized_score_is_the_correlation_coefficient(method: str) -> None:
    x, t = drawn(3, 8, 9), drawn(3, 3, 4, seed=1)
    scores = match(x, t, method=method)
    assert scores.shape == (6, 6)
    for i in range(6):
        for j in range(6):
            expected = coefficient(x[:, i : i + 3, j : j + 4], t)
            assert float(scores[i, j]) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.05, 20), st.floats(-5, 5), st.integers(0, 5), st.integers(0, 4))
def test_A12_brightness_and_contrast_change_nothing_of_the_normalized_score(
    gain: float, offset: float, row: int, column: int
) -> None:
    x = drawn(2, 9, 9)
    t = x[:, row : row + 3, column : column + 4]
    scores = match(gain * x + offset, t)
    # Double precision, the offset up to a hundred times the contrast.
    assert float(scores.amax()) == pytest.approx(1, abs=1e-8)
    assert peaks(scores) == [(row, column)]
    torch.testing.assert_close(scores, match(x, t), rtol=0, atol=1e-8)


def test_A12_raw_prefers_what_is_bright_and_the_mean_free_one_ignores_added_light() -> None:
    x = torch.tensor([[0.0, 5.0, 0.0, 1.0, 2.0, 1.0, 9.0, 9.0, 9.0]])
    t = torch.tensor([[1.0, 2.0, 1.0]])
    assert match(x, t, how="raw").tolist() == [10, 6, 4, 6, 13, 28, 36]
    assert peaks(match(x, t, how="raw")) == [(6,)]
    torch.testing.assert_close(match(x + 3, t, how="mean_free"), match(x, t, how="mean_free"))
    scores = match(x, t)
    assert scores[0] == pytest.approx(1)  # 0 5 0 is the same shape, larger
    assert scores[3] == pytest.approx(1)
    assert scores[6] == 0


def test_a_window_without_contrast_scores_zero() -> None:
    x = torch.full((1, 6, 6), 0.7)
    x[0, 0, 0] = 0.2
    scores = match(x, torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]))
    assert scores[0, 0] == pytest.approx(-1 / math.sqrt(3), abs=1e-6)
    assert (scores[1:, 1:] == 0).all()


def test_many_images_at_once_and_series() -> None:
    x, t = drawn(4, 2, 10), drawn(2, 3, seed=1)
    scores = match(x, t)
    assert scores.shape == (4, 8)
    close(scores[1], match(x[1], t))


def test_peaks_keep_their_distance_and_end_where_the_map_is_full() -> None:
    scores = torch.tensor([[9.0, 8.0, 1.0], [7.0, 2.0, 3.0]])
    assert peaks(scores, 3) == [(0, 0), (0, 1), (1, 0)]
    assert peaks(scores, 3, apart=(2, 2)) == [(0, 0), (1, 2)]
    assert scores[0, 0] == 9


def test_wrong_use() -> None:
    x, k = torch.zeros(4, 4), torch.zeros(2, 2)
    with pytest.raises(UsageError, match=r"`vald` is not a mode of a correlation\. Did you mean"):
        correlate(x, k, mode="vald")
    with pytest.raises(UsageError, match="`fast` is not a method of a correlation"):
        correlate(x, k, method="fast")
    with pytest.raises(ShapeMismatch, match="one axis for series and two for images"):
        correlate(torch.zeros(4, 4, 4), torch.zeros(2, 2, 2))
    with pytest.raises(ShapeMismatch, match=r"lies wholly on the signal; got one of \(5, 2\)"):
        convolve(x, torch.zeros(5, 2))
    with pytest.raises(UsageError, match="`best` is not a way of matching"):
        match(x[None], k[None], how="best")
    with pytest.raises(UsageError, match="one that is the same everywhere"):
        match(x[None], torch.ones(1, 2, 2))
    with pytest.raises(ShapeMismatch, match="has the channels of the image"):
        match(torch.zeros(3, 4, 4), torch.zeros(1, 2, 2))


@pytest.mark.parametrize("how", MATCHES)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_integers_are_matched_as_the_numbers_that_they_are(how: str, dtype: torch.dtype) -> None:
    x = torch.randint(0, 256, (1, 9, 8), generator=torch.Generator().manual_seed(0)).to(dtype)
    found = match(x, x[:, 2:5, 3:6], how=how)
    assert found.dtype == torch.float32
    wanted = match(x.float(), x[:, 2:5, 3:6].float(), how=how)
    assert torch.equal(found, wanted)
    mixed = match(x, x[:, 2:5, 3:6].double(), how=how)
    torch.testing.assert_close(mixed.float(), wanted)
