import itertools
from dataclasses import fields

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.errors import UsageError
from neocog.training.augment import Augment, augment, equalize

EACH = {
    "shift": 2.0,
    "rotate": 20.0,
    "scale": 0.2,
    "aspect_jitter": 0.2,
    "shear": 0.2,
    "elastic": 1.0,
    "crop": 0.5,
    "flip": True,
    "flip_vertical": True,
    "random_erasing": 1.0,
    "brightness": 0.2,
    "contrast": 0.5,
    "saturation": 0.5,
    "hue": 0.2,
    "grayscale": 0.5,
    "equalize": 0.5,
    "mixup": 0.4,
}
"""A value for every change; a change without one here fails the spec below."""


def _batch(n: int = 16, channels: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return torch.rand(n, channels, 12, 12, generator=g), torch.arange(n) % 4


def test_every_change_is_covered() -> None:
    modifiers = {"border", "erasing_size"}
    assert set(EACH) == {f.name for f in fields(Augment)} - modifiers


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("channels", [1, 3])
def test_each_change(name: str, channels: int) -> None:
    x, y = _batch(channels=channels)
    before = x.clone()
    options = Augment(**{name: EACH[name]})
    one = augment(x, y, options, seed=5)
    assert one.x.shape == x.shape
    assert one.x.dtype == torch.float32
    assert -1e-6 <= one.x.min() <= one.x.max() <= 1 + 1e-6  # rounding of interpolation
    assert torch.equal(x, before), "the batch that came was changed"
    if channels == 1 and name in ("saturation", "hue", "grayscale"):
        assert torch.equal(one.x, x), "gray images have no color"
        return
    assert not torch.equal(one.x, x)
    assert torch.equal(one.y, y)
    again, other = augment(x, y, options, seed=5), augment(x, y, options, seed=6)
    assert torch.equal(one.x, again.x)
    assert not torch.equal(one.x, other.x)
    state = torch.get_rng_state()
    augment(x, y, options, seed=5)
    assert torch.equal(state, torch.get_rng_state()), "the global generator was used"


@pytest.mark.parametrize("name", EACH)
def test_channels_of_a_image_move_together(name: str) -> None:
    gray, y = _batch()
    options = Augment(**{name: EACH[name]})
    color = augment(gray.expand(-1, 3, -1, -1).contiguous(), y, options, seed=1).x
    # The mean of three equal numbers is rounded once more than that of one.
    torch.testing.assert_close(color[:, 0], color[:, 2], atol=1e-6, rtol=0)
    torch.testing.assert_close(color[:, :1], augment(gray, y, options, seed=1).x, atol=1e-5, rtol=0)


def test_nothing_is_no_copy() -> None:
    x, y = _batch()
    assert augment(x, y, Augment(), seed=0).x is x


def test_shift_alone_moves_whole_pixels_within_reach() -> None:
    x = torch.zeros(64, 1, 9, 9)
    x[:, :, 4, 4] = 1
    out = augment(x, torch.zeros(64, dtype=torch.int64), Augment(shift=2), seed=0).x
    assert torch.equal(out.unique(), torch.tensor([0.0, 1.0]))
    where = out.flatten(1).argmax(1)
    rows, columns = where // 9 - 4, where % 9 - 4
    assert set(rows.tolist()) == set(columns.tolist()) == {-2, -1, 0, 1, 2}


def test_shift_alone_shows_a_window_of_the_mirrored_image() -> None:
    x, y = _batch(channels=3)
    wide = F.pad(x, [2] * 4, mode="reflect")
    out = augment(x, y, Augment(shift=2, border="reflect"), seed=0).x
    corners = list(itertools.product(range(5), repeat=2))
    for image, frame in zip(out, wide, strict=True):
        assert any(torch.equal(image, frame[:, r : r + 12, c : c + 12]) for r, c in corners)


@pytest.mark.parametrize("border", ["zeros", "edge", "reflect"])
def test_twins_move_in_opposite_directions(border: str) -> None:
    x = torch.zeros(64, 1, 9, 9)
    x[:, :, 4, 4] = 1
    y = torch.zeros(64, dtype=torch.int64)
    out = augment(x, y, Augment(shift=2, border=border), seed=0, twins=True).x
    where = out.flatten(1).argmax(1)
    rows, columns = (where // 9 - 4).chunk(2), (where % 9 - 4).chunk(2)
    assert torch.equal(rows[0], -rows[1])
    assert torch.equal(columns[0], -columns[1])
    assert set(rows[0].tolist()) == set(columns[0].tolist()) == {-2, -1, 0, 1, 2}


@pytest.mark.parametrize("name", sorted(set(EACH) - {"shift", "crop"}))
def test_twins_are_otherwise_changed_alike(name: str) -> None:
    x, y = _batch(channels=3)
    out = augment(
        torch.cat([x, x]), torch.cat([y, y]), Augment(**{name: EACH[name]}), seed=1, twins=True
    )
    one, two = out.x.chunk(2)
    assert torch.equal(one, two)
    assert not torch.equal(one, x)


def test_twins_that_are_turned_too_move_in_opposite_directions() -> None:
    x = torch.zeros(32, 1, 33, 33)
    x[:, :, 16, 16] = 1
    y = torch.zeros(32, dtype=torch.int64)
    out = augment(x, y, Augment(shift=4, scale=0.2, rotate=20), seed=2, twins=True).x
    one, two = out.chunk(2)
    # A half turn about the middle brings the one to the place of the other; the frame is odd.
    mass = one.sum((1, 2, 3))
    rows = ((one.sum((1, 3)) - two.flip(2, 3).sum((1, 3))) @ torch.arange(33.0)) / mass
    assert rows.abs().max() < 1e-3
    apart = ((one.sum((1, 3)) - two.sum((1, 3))) @ torch.arange(33.0)) / mass
    assert apart.abs().max() > 2


def test_an_odd_batch_holds_no_twins() -> None:
    x, y = _batch(3)
    with pytest.raises(UsageError, match="must contain every sample twice; got 3 samples"):
        augment(x, y, Augment(shift=1), seed=0, twins=True)


def test_crop_never_looks_beyond_the_image() -> None:
    x = torch.ones(32, 1, 16, 16)
    out = augment(x, torch.zeros(32, dtype=torch.int64), Augment(crop=0.3), seed=0).x
    # Zeros beyond the border would darken a bright image; the outermost half pixel of a
    # bilinear sample may still reach over it.
    assert out[:, :, 1:-1, 1:-1].min() > 0.999


def test_mixup_mixes_images_and_targets_alike() -> None:
    y = torch.arange(8)
    x = F.one_hot(y, 8).float().view(8, 1, 1, 8)
    mixed = augment(x, y, Augment(mixup=1.0), seed=3)
    torch.testing.assert_close(mixed.target(8), mixed.x.view(8, 8))
    assert mixed.weight is not None
    assert mixed.weight.min() >= 0.5


def test_without_mixup_targets_are_numbers() -> None:
    x, y = _batch()
    assert augment(x, y, Augment(shift=1), seed=0).target(4) is y


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_erased_pixels_are_the_image_s_mean(seed: int) -> None:
    x, y = _batch(4)
    out = augment(x, y, Augment(random_erasing=1.0, erasing_size=0.5), seed=seed).x
    mean = x.mean((2, 3), keepdim=True).expand_as(x)
    assert torch.equal(out[out != x], mean[out != x])
    share = (out != x).float().mean((1, 2, 3))
    assert share.max() <= (7 / 12) ** 2  # sides of at most 6 pixels may touch 7


def test_F3_equalized_images_have_a_flat_histogram() -> None:
    x = torch.rand(3, 2, 32, 32) ** 2 * 0.4 + 0.1
    out = equalize(x)
    for q in (0.25, 0.5, 0.75):
        # A quarter of the pixels lies below each quarter of the range; the dark levels hold
        # several per cent of the pixels each, hence the tolerance.
        assert out.flatten(2).quantile(q, 2).sub(q).abs().max() < 0.1
    assert torch.equal(equalize(torch.full((1, 1, 4, 4), 0.3)), torch.full((1, 1, 4, 4), 0.3))


def test_equalize_keeps_order() -> None:
    x = torch.rand(1, 1, 16, 16)
    order = x.flatten().argsort()
    assert equalize(x).flatten()[order].diff().min() >= 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shift": -1.0}, r"`augment\.shift` must not be negative, nor above .* got -1"),
        ({"shift": float("nan")}, r"`augment\.shift` must not be negative, nor above .* got nan"),
        ({"random_erasing": 1.5}, r"`augment\.random_erasing` is a fraction from 0 to 1, got 1\.5"),
        ({"border": "black"}, r"`augment\.border` is the padding mode.*got `black`"),
    ],
)
def test_wrong_amounts_are_errors(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Augment(**options)  # type: ignore[arg-type]
