"""Laws that the drawn amounts obey, found again in what was done to images."""

import math

import pytest
import torch

from neocog.training.augment import Augment, augment

N = 400
"""Images a draw: a share of a half lies within 0.4 to 0.6 but once in 10,000 such draws."""


def _blob(size: int = 33) -> torch.Tensor:
    """A bright spot above the middle, at a distance of ten pixels."""
    at = torch.arange(size) - size // 2
    spot = torch.exp(-((at[:, None] + 10.0) ** 2 + at[None, :] ** 2) / 4)
    return spot.expand(N, 1, size, size).clone()


def _center(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the spots are: rows down and columns right of the middle."""
    size = x.shape[2]
    at = torch.arange(size) - size // 2
    mass = x.sum((1, 2, 3))
    return (x.sum((1, 3)) * at).sum(1) / mass, (x.sum((1, 2)) * at).sum(1) / mass


def _moved(options: Augment) -> tuple[torch.Tensor, torch.Tensor]:
    y = torch.zeros(N, dtype=torch.int64)
    return _center(augment(_blob(), y, options, seed=1).x)


def test_turns_reach_their_angle_and_no_further() -> None:
    rows, columns = _moved(Augment(rotate=30))
    angle = torch.atan2(-columns, -rows) * 180 / math.pi
    # Half a degree: the spot's center is found again through interpolated pixels.
    assert 28 < angle.max() <= 30.5
    assert -30.5 <= angle.min() < -28
    assert torch.hypot(rows, columns).sub(10).abs().max() < 0.1


def test_scales_reach_their_share_and_no_further() -> None:
    rows, columns = _moved(Augment(scale=0.25))
    zoom = torch.hypot(rows, columns) / 10
    assert 1.22 < zoom.max() <= 1.26
    assert 0.79 <= zoom.min() < 0.82


def test_squeezes_keep_the_area() -> None:
    rows, _ = _moved(Augment(aspect_jitter=0.44))
    # Of an aspect of 1.44 each side takes the square root, 1.2.
    assert 1.17 < (-rows / 10).max() <= 1.21
    assert 0.82 <= (-rows / 10).min() < 0.86


def test_shears_move_along_the_row() -> None:
    rows, columns = _moved(Augment(shear=0.3))
    assert rows.add(10).abs().max() < 0.1
    assert 2.8 < columns.abs().max() <= 3.05
    assert columns.min() < -2.8 < 2.8 < columns.max()


def test_shifts_beside_other_changes_reach_any_fraction() -> None:
    rows, columns = _moved(Augment(shift=4, rotate=1e-6))
    for moved in (rows + 10, columns):
        assert 3.8 < moved.max() <= 4.05
        assert -4.05 <= moved.min() < -3.8
        assert (moved - moved.round()).abs().max() > 0.4


@pytest.mark.parametrize("name", ["flip", "flip_vertical"])
def test_half_are_mirrored(name: str) -> None:
    x, y = torch.rand(N, 1, 6, 6), torch.zeros(N, dtype=torch.int64)
    out = augment(x, y, Augment(**{name: True}), seed=1).x
    mirrored = x.flip(3 if name == "flip" else 2)
    which = (out == mirrored).flatten(1).all(1)
    assert torch.equal(out[~which], x[~which])
    assert 0.4 < which.float().mean() < 0.6


def test_light_stays_within_its_amounts() -> None:
    x, y = torch.rand(N, 1, 8, 8) * 0.2 + 0.4, torch.zeros(N, dtype=torch.int64)
    lift = augment(x, y, Augment(brightness=0.1), seed=1).x.mean((1, 2, 3)) - x.mean((1, 2, 3))
    assert 0.095 < lift.max() <= 0.1001
    assert -0.1001 <= lift.min() < -0.095
    out = augment(x, y, Augment(contrast=0.5), seed=1).x
    gain = out.flatten(1).std(1) / x.flatten(1).std(1)
    assert 1.47 < gain.max() <= 1.501
    assert 1 / 1.501 <= gain.min() < 1 / 1.47


def test_shares_of_images_are_shares() -> None:
    x, y = torch.rand(N, 1, 12, 12), torch.zeros(N, dtype=torch.int64)
    for options in (Augment(random_erasing=0.3, erasing_size=0.9), Augment(equalize=0.3)):
        changed = (augment(x, y, options, seed=1).x != x).flatten(1).any(1)
        # A rectangle may be too thin to hold the middle of a pixel.
        assert 0.2 < changed.float().mean() < 0.4


def test_mixup_draws_from_its_beta() -> None:
    x, y = torch.rand(20 * N, 1, 1, 1), torch.zeros(20 * N, dtype=torch.int64)
    weight = augment(x, y, Augment(mixup=0.4), seed=1).weight
    assert weight is not None
    # Of Beta(a, a), folded to at least a half, the variance about a half is 1 / (4 (2a + 1)).
    assert ((weight - 0.5) ** 2).mean().item() == pytest.approx(1 / (4 * 1.8), rel=0.03)
