"""Augmentation of whole batches: amounts are sampled here, images are moved in `symmetry.warp`.

All random numbers come from one seed, so a batch is augmented in the same way whenever it recurs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from neocog.errors import UsageError, did_you_mean
from neocog.symmetry.color import chroma_matrix
from neocog.symmetry.warp import (
    BORDERS,
    affine_matrix,
    crop_at,
    flip,
    shift_zero_fill,
    smooth_field,
    warp,
)

__all__ = ["OF_PIXELS", "Augment", "Mixed", "augment", "equalize", "suited", "varied"]

OF_PIXELS = ("brightness", "contrast", "saturation", "hue", "grayscale", "equalize")
"""Augmentations in units of white, or of color: raw values have neither."""


MOST = 100_000
"""Maximum of any amount: pixels, degrees or fractions."""


_FRACTIONS = (
    *("crop", "random_erasing", "erasing_size", "equalize"),
    *("brightness", "hue", "grayscale"),
)


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Augmentations of each batch, sampled per image; 0 disables one.

    Args:
        shift: max translation along each axis, in pixels. Alone, it is by whole pixels; with
            another geometric augmentation by any fraction.
        rotate: max rotation, in degrees.
        scale: max change of scale, as a fraction: 0.1 samples from 1/1.1 to 1.1.
        aspect_jitter: max change of aspect ratio, as a fraction.
        shear: max slope of a vertical line.
        elastic: standard deviation, in pixels, of a smooth random displacement given at
            5 x 5 points (after Simard et al. 2003).
        crop: smallest fraction of the area that is cropped and resized to the full frame;
            0 for none.
        flip: flip half of the images horizontally.
        flip_vertical: flip half of the images vertically.
        border: padding mode beyond the image: `zeros`, `edge` or `reflect`. It is mirrored about
            its outermost pixels, as for the windows of an audit; where it is interpolated, about
            its outer edge.
        random_erasing: fraction of the images in which a rectangle is filled with the image mean
            (DeVries & Taylor 2017; Zhong et al. 2020).
        erasing_size: max side of the rectangle, as a fraction of the image's.
        brightness: max offset added to all pixels, in units of the range 0 to 1.
        contrast: max change of contrast around the image mean, as a fraction.
        saturation: max change of saturation of color images, as a fraction.
        hue: max rotation of the hue of color images, as a fraction of the color circle.
        grayscale: fraction of the color images that are turned gray.
        equalize: fraction of the images whose histogram is equalized.
        mixup: images and targets are mixed in pairs with a weight sampled from
            Beta(mixup, mixup) (Zhang et al. 2018).
    """

    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    aspect_jitter: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0
    crop: float = 0.0
    flip: bool = False
    flip_vertical: bool = False
    border: str = "zeros"
    random_erasing: float = 0.0
    erasing_size: float = 0.4
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    grayscale: float = 0.0
    equalize: float = 0.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        """Check the amounts.

        Raises:
            UsageError: an amount is negative, a fraction is above 1, the border is unknown.
        """
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, float | int) and not 0 <= value <= MOST:
                raise UsageError(
                    f"`augment.{f.name}` must not be negative, nor above {MOST:,}; got {value}. "
                    "Use 0 to leave it out."
                )
        for name in _FRACTIONS:
            if getattr(self, name) > 1:
                raise UsageError(
                    f"`augment.{name}` is a fraction from 0 to 1, got {getattr(self, name)}. "
                    "Try 0.5."
                )
        if self.border not in BORDERS:
            raise UsageError(
                f"`augment.border` is the padding mode beyond an image, got `{self.border}`. "
                f"{did_you_mean(self.border, BORDERS)}"
            )

    @property
    def resamples(self) -> bool:
        """Whether images are interpolated."""
        return any(
            (self.rotate, self.scale, self.aspect_jitter, self.shear, self.elastic, self.crop)
        )


def suited(channels: int, size: tuple[int, int], *, raw: bool = False) -> Augment:
    """Default augmentation: shifts of up to a fourteenth of the side.

    Color images are assumed to be photographs; half of them are flipped horizontally too. Raw
    values are reflected at the border, as 0 is no black there.

    Example:
        >>> suited(1, (28, 28)).shift, suited(3, (128, 128)).flip
        (2.0, True)
    """
    shift = float(max(1, round(min(size) / 14)))
    if raw:
        return Augment(shift=shift, border="reflect")
    return Augment(shift=shift, flip=channels == 3)


def varied(options: Augment, channels: int) -> Augment:
    """The default augmentation for a fine-tune that sees each image many times.

    Color images are assumed to be photographs: crops of two fifths of the area or more, and other
    light. Gray ones, which may be signs or scans, stay with shifts.

    Args:
        options: of `suited`.
        channels: of the images.

    Example:
        >>> varied(suited(3, (128, 128)), 3).crop, varied(suited(1, (28, 28)), 1).crop
        (0.4, 0.0)
    """
    if channels != 3:
        return options
    framed = replace(options, shift=0.0, crop=0.4, border="reflect")
    return replace(framed, brightness=0.1, contrast=0.2, saturation=0.2)


class Mixed(NamedTuple):
    """An augmented batch."""

    x: Tensor
    """Images, (B, C, H, W)."""
    y: Tensor
    """Class indices, (B,)."""
    partner: Tensor | None
    """Class indices of the partners in mixup, (B,), or None."""
    weight: Tensor | None
    """Weight of the first class, (B,), or None."""

    def target(self, num_classes: int) -> Tensor:
        """Target of the loss: class indices, or (B, K) probabilities after mixup."""
        if self.partner is None or self.weight is None:
            return self.y
        first, second = F.one_hot(self.y, num_classes), F.one_hot(self.partner, num_classes)
        weight = self.weight[:, None]
        return first * weight + second * (1 - weight)


def augment(x: Tensor, y: Tensor, options: Augment, *, seed: int, twins: bool = False) -> Mixed:
    """Augment a batch.

    Args:
        x: (B, C, H, W), values in [0, 1].
        y: class indices, (B,).
        options: the augmentations.
        seed: of all random numbers.
        twins: the second half of the batch repeats the first; both get the same augmentation, but
            opposite shifts.

    Raises:
        UsageError: twins in a batch of odd size.

    Example:
        >>> x, y = torch.rand(2, 1, 8, 8), torch.tensor([0, 1])
        >>> augment(x, y, Augment(), seed=0).x is x
        True
    """
    if options == _NOTHING:
        return Mixed(x, y, None, None)
    if twins and len(x) % 2:
        raise UsageError(
            f"A batch of twins must contain every sample twice; got {len(x)} samples. "
            "Concatenate the batch with itself, or leave `twins` out."
        )
    draw = _Draw(seed, len(x), twins=twins)
    x = _move(x, options, draw)
    if options.flip:
        x = flip(x, draw.fraction(0.5), axis=3)
    if options.flip_vertical:
        x = flip(x, draw.fraction(0.5), axis=2)
    if options.equalize:
        mask = draw.fraction(options.equalize).to(x.device)[:, None, None, None]
        x = torch.where(mask, equalize(x), x)
    if options.brightness or options.contrast:
        x = _light(x, options, draw)
    if x.shape[1] == 3 and (options.saturation or options.hue or options.grayscale):
        x = _colors(x, options, draw)
    if options.random_erasing:
        x = _erase(x, options, draw)
    if options.mixup:
        return _mixup(x, y, options.mixup, draw)
    return Mixed(x, y, None, None)


_NOTHING = Augment()


class _Draw:
    """Random numbers of one batch, always from the CPU, so that they are equal on every device."""

    def __init__(self, seed: int, count: int, *, twins: bool = False) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.count, self.twins = count // 2 if twins else count, twins

    def uniform(self, low: float, high: float, *more: int) -> Tensor:
        shape = (self.count, *more)
        random = torch.rand(shape, generator=self.generator)
        return self._for_all(random * (high - low) + low)

    def normal(self, *more: int) -> Tensor:
        return self._for_all(torch.randn((self.count, *more), generator=self.generator))

    def whole(self, reach: int, *more: int) -> Tensor:
        """Integers from -reach to reach."""
        shape = (self.count, *more)
        return self._for_all(torch.randint(-reach, reach + 1, shape, generator=self.generator))

    def fraction(self, probability: float) -> Tensor:
        return self._for_all(torch.rand(self.count, generator=self.generator) < probability)

    def opposite(self, moves: Tensor) -> Tensor:
        """Negate the amounts of the second of two twins."""
        if not self.twins:
            return moves
        first, second = moves.tensor_split([self.count])
        return torch.cat([first, -second])

    def _for_all(self, random: Tensor) -> Tensor:
        return torch.cat([random, random]) if self.twins else random

    def factor(self, limit: float, *more: int) -> Tensor:
        """From 1 / (1 + limit) to 1 + limit, uniform on a logarithmic scale."""
        reach = math.log1p(limit)
        return torch.exp(self.uniform(-reach, reach, *more))


def _move(x: Tensor, options: Augment, draw: _Draw) -> Tensor:
    h, w = x.shape[2:]
    if not options.resamples:
        if not options.shift:
            return x
        reach = round(options.shift)
        whole = draw.opposite(draw.whole(reach, 2))
        if options.border == "zeros":
            return shift_zero_fill(x, whole)
        if options.border == "reflect" and reach < min(h, w):
            return crop_at(F.pad(x, [reach] * 4, mode="reflect"), reach - whole, (h, w))
        straight = torch.eye(2).expand(len(x), 2, 2)
        return warp(x, straight, whole.float(), border=options.border)
    zoom = draw.factor(options.scale)[:, None].expand(-1, 2)
    if options.aspect_jitter:
        aspect = draw.factor(options.aspect_jitter).sqrt()
        zoom = zoom * torch.stack([aspect, 1 / aspect], 1)
    offset = draw.uniform(-options.shift, options.shift, 2)
    if options.crop:
        side = draw.uniform(options.crop, 1.0).sqrt()
        free = (1 - side)[:, None] * torch.tensor([h / 2, w / 2]) / side[:, None]
        offset = offset + draw.uniform(-1.0, 1.0, 2) * free
        zoom = zoom / side[:, None]
    matrix = affine_matrix(
        angle=draw.uniform(-options.rotate, options.rotate),
        zoom=zoom,
        shear=draw.uniform(-options.shear, options.shear),
    )
    offset = draw.opposite(offset)
    field = None
    if options.elastic:
        field = smooth_field(draw.normal(2, 5, 5) * options.elastic, (h, w))
    return warp(x, matrix, offset, field=field, border=options.border)


def _light(x: Tensor, options: Augment, draw: _Draw) -> Tensor:
    mean = x.mean((1, 2, 3), keepdim=True)
    gain = draw.factor(options.contrast).to(x.device)[:, None, None, None]
    lift = draw.uniform(-options.brightness, options.brightness).to(x.device)[:, None, None, None]
    return ((x - mean) * gain + mean + lift).clamp_(0, 1)


def _colors(x: Tensor, options: Augment, draw: _Draw) -> Tensor:
    """Saturation and hue, as one matrix per image: chroma is scaled and rotated, luma stays."""
    radius = draw.factor(options.saturation)
    if options.grayscale:
        radius = torch.where(draw.fraction(options.grayscale), 0.0, radius)
    angle = draw.uniform(-options.hue, options.hue) * (2 * math.pi)
    matrix = chroma_matrix(angle, radius).to(x)
    return torch.einsum("bij,bjhw->bihw", matrix, x).clamp_(0, 1)


def equalize(x: Tensor) -> Tensor:
    """Flatten the histogram of each channel of each image, at 256 levels.

    Each value becomes the fraction of pixels that are not brighter, rescaled so that the darkest
    becomes 0 and the brightest 1; a constant channel is unchanged.

    Args:
        x: (B, C, H, W), values in [0, 1].

    Example:
        >>> equalize(torch.tensor([[[[0.2, 0.4], [0.4, 0.6]]]]))
        tensor([[[[0.0000, 0.6667],
                  [0.6667, 1.0000]]]])
    """
    b, c, h, w = x.shape
    level = (x * 255).round().long().clamp(0, 255).reshape(b * c, h * w)
    count = torch.zeros(b * c, 256, dtype=torch.float32, device=x.device)
    count.scatter_add_(1, level, torch.ones_like(level, dtype=torch.float32))
    below = count.cumsum(1)
    darkest = below.gather(1, level.min(1, keepdim=True).values)
    span = h * w - darkest
    flat = (below.gather(1, level) - darkest) / span.clamp(min=1)
    same = x.reshape(b * c, h * w)
    return torch.where(span > 0, flat, same).view(b, c, h, w)


def _erase(x: Tensor, options: Augment, draw: _Draw) -> Tensor:
    h, w = x.shape[2:]
    inside = []
    for side in (h, w):
        length = draw.uniform(0.1 * options.erasing_size, options.erasing_size) * side
        middle = draw.uniform(0, side)
        away = (torch.arange(side) + 0.5 - middle[:, None]).abs()
        inside.append(away <= length[:, None] / 2)
    box = inside[0][:, :, None] & inside[1][:, None, :]
    box = box & draw.fraction(options.random_erasing)[:, None, None]
    return torch.where(box.to(x.device)[:, None], x.mean((2, 3), keepdim=True), x)


def _mixup(x: Tensor, y: Tensor, alpha: float, draw: _Draw) -> Mixed:
    # A Beta draw from two Gamma draws; torch's own samplers take no generator for Beta.
    pair = torch._standard_gamma(torch.full((2, draw.count), alpha), generator=draw.generator)
    weight = pair.max(0).values / pair.sum(0).clamp(min=1e-12)
    other = torch.randperm(draw.count, generator=draw.generator).to(x.device)
    if draw.twins:
        weight, other = torch.cat([weight, weight]), torch.cat([other, other + draw.count])
    weight = weight.to(x.device)
    s = weight[:, None, None, None]
    mixed = x * s + x[other] * (1 - s)
    return Mixed(mixed, y, y[other], weight)
