"""Which images are the same: exactly, or as the eye sees it.

Exact copies have equal pixels, whatever their files look like. Images are judged as their files
hold them, never as they are served: no requested size, resize mode or number of channels
changes what is a copy. Near copies (saved again, scaled,
slightly brighter) are found by a perceptual hash of 64 bits (signs of the low frequencies of a
thumbnail's cosine transform; Zauner 2010) and confirmed on the thumbnails themselves. Hashes that
differ in at most seven of 64 bits differ in at most one bit of one of four bands of 16 bits, so
candidates come from four tables instead of from comparing all pairs (multi-index hashing;
Norouzi, Punjani and Fleet 2012).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = [
    "GLANCE",
    "LEAST_SIDE",
    "Traits",
    "components",
    "digest",
    "exact_pairs",
    "near_pairs",
    "room_for",
    "traits",
]

THUMB = 16
"""Side of the thumbnail that confirms a near copy, in pixels."""
RADIUS = 6
"""Bits of 64 in which the hashes of near copies may differ."""
DISTANCE = 0.2
"""Root mean square difference of two thumbnails brought to one brightness and contrast."""
CONTRAST = 8.0
"""Standard deviation of a thumbnail (white is 255) below which there is nothing to compare."""
LEAST_SIDE = 32
"""Pixels of the shortest side of a file below which only exact copies are sought."""
GLANCE = (64, 64)
"""(H, W) at which files are compared, in gray, their aspect ignored."""
_SIDE = 2 * THUMB
_BUCKET = 128
"""Images of one band's bucket that each is compared with at most: the nearest in order."""
_PAIRS = 1 << 22
"""Candidates that are looked at in one go."""


class Traits(NamedTuple):
    """What images are compared by, a row per image."""

    digest: np.ndarray
    """Of all pixels, uint64 (B,)."""
    hash: np.ndarray
    """Perceptual, uint64 (B,)."""
    thumb: np.ndarray
    """Gray, float16 (B, THUMB * THUMB), white is 255."""


def room_for(images: int, shape: tuple[int, ...]) -> np.ndarray:
    """Room for `traits` of blocks of (H, W, C) images, to be used again and again."""
    return np.empty((images, _SIDE, *shape[1:]), np.float32)


def traits(x: np.ndarray, room: np.ndarray | None = None) -> Traits:
    """Digest, perceptual hash and thumbnail of images (B, H, W, C), uint8 or uint16.

    Of a tall image the last two see 128 of its rows.

    Args:
        x: some dozen images: the values on the way are several times their pixels.
        room: from `room_for`, of as many images or more.
    """
    n, height, width, channels = x.shape
    some = room_for(n, x.shape[1:]) if room is None else room[:n]
    rows = ((np.arange(4 * _SIDE) + 0.5) * height / (4 * _SIDE)).astype(np.int64).reshape(-1, 4)
    np.copyto(some, x[:, rows[:, 0]])
    for column in rows.T[1:]:
        some += x[:, column]
    some /= 4 if x.dtype == np.uint8 else 4 * 257
    flat = width * channels
    # Products this small stay in the calling thread. Larger ones wake a pool of threads for
    # each of the threads that decode: thirty times slower.
    lines = next(h for h in (32, 16, 8, 4, 2, 1) if h * flat * _SIDE < 250_000 or h == 1)
    small = np.matmul(some.reshape(-1, lines, flat), _columns(width, channels))
    small = small.reshape(n, _SIDE, _SIDE)
    thumb = (small[:, ::2] + small[:, 1::2]) / 4
    thumb = (thumb[:, :, ::2] + thumb[:, :, 1::2]).reshape(n, -1)
    return Traits(digest(x), _perceptual(small), thumb.astype(np.float16))


def exact_pairs(digests: np.ndarray, equal: Callable[[int, int], bool]) -> np.ndarray:
    """Pairs of neighbors in chains of equal images, int64 (P, 2).

    Args:
        digests: of the samples, (B,); equal images have equal ones.
        equal: whether two samples have the same pixels, by position.
    """
    order = np.argsort(digests, kind="stable")
    same = np.flatnonzero(digests[order[1:]] == digests[order[:-1]])
    pairs: np.ndarray = np.stack([order[same], order[same + 1]], axis=1)
    keep = [equal(a, b) for a, b in pairs.tolist()]
    kept: np.ndarray = pairs[np.asarray(keep, bool)]
    return kept


def near_pairs(traits: Traits, *, among: np.ndarray) -> np.ndarray:
    """Pairs of near copies, int64 (P, 2): a matter of the two alone, whatever else is there.

    Args:
        traits: traits of all images.
        among: positions that are compared: one of each set of exact copies.
    """
    contrast = traits.thumb[among].astype(np.float32).std(1)
    among = among[contrast > CONTRAST]
    pairs = [_candidates(traits.hash[among], band) for band in range(4)]
    both = among[np.unique(np.concatenate(pairs), axis=0)]
    apart = np.zeros(len(both))
    for some in np.array_split(np.arange(len(both)), len(both) // 65536 + 1):
        a, b = (_even(traits.thumb[both[some, side]]) for side in (0, 1))
        apart[some] = np.sqrt(((a - b) ** 2).mean(1))
    kept: np.ndarray = both[apart < DISTANCE]
    return kept


def _even(thumb: np.ndarray) -> np.ndarray:
    """Thumbnails without their brightness and contrast."""
    wide = thumb.astype(np.float32)
    wide -= wide.mean(1, keepdims=True)
    even: np.ndarray = wide / wide.std(1, keepdims=True)
    return even


def components(n: int, pairs: np.ndarray) -> np.ndarray:
    """The smallest member of each sample's group, int64 (n,): pairs joined to groups.

    Example:
        >>> import numpy as np
        >>> components(5, np.array([[1, 2], [4, 2]])).tolist()
        [0, 1, 1, 3, 1]
    """
    label: np.ndarray = np.arange(n)
    while len(pairs):
        low = np.minimum(label[pairs[:, 0]], label[pairs[:, 1]])
        before = label.copy()
        np.minimum.at(label, label[pairs[:, 0]], low)
        np.minimum.at(label, label[pairs[:, 1]], low)
        label = label[label]
        if np.array_equal(before, label):
            break
    return label


def _candidates(hashes: np.ndarray, band: int) -> np.ndarray:
    """Rising pairs of close hashes that differ in one bit of a band at most, int64 (P, 2)."""
    key = (hashes >> np.uint64(16 * band)).astype(np.uint16).astype(np.int64)
    order = np.lexsort((hashes, key))
    ends = np.cumsum(np.bincount(key, minlength=1 << 16))
    rank = np.empty(len(key), np.int64)
    rank[order] = np.arange(len(key))
    pairs = [np.zeros((0, 2), np.int64)]
    for flip in [0, *(1 << bit for bit in range(16))]:
        a = order if flip == 0 else order[(key[order] & flip) != 0]
        target = key[a] ^ flip
        first = rank[a] + 1 if flip == 0 else np.concatenate([[0], ends])[target]
        count = np.clip(ends[target] - first, 0, _BUCKET)
        for some in np.array_split(np.arange(len(a)), int(count.sum()) // _PAIRS + 1):
            left = np.repeat(a[some], count[some])
            step = np.arange(len(left)) - np.repeat(
                np.cumsum(count[some]) - count[some], count[some]
            )
            right = order[np.repeat(first[some], count[some]) + step]
            close = _bits(hashes[left] ^ hashes[right]) <= RADIUS
            pairs.append(np.sort(np.stack([left[close], right[close]], axis=1), axis=1))
    return np.concatenate(pairs)


def _bits(word: np.ndarray) -> np.ndarray:
    """Ones in each word of 64 bits (Warren, Hacker's Delight, 2002: sums of ever wider fields)."""
    fields = ((1, 0x5555555555555555), (2, 0x3333333333333333), (4, 0x0F0F0F0F0F0F0F0F))
    for shift, mask in fields:
        word = (word & np.uint64(mask)) + ((word >> np.uint64(shift)) & np.uint64(mask))
    ones: np.ndarray = (word * np.uint64(0x0101010101010101)) >> np.uint64(56)
    return ones


@functools.lru_cache(maxsize=8)
def _columns(width: int, channels: int) -> np.ndarray:
    """(W * C, S): brightness, averaged over stretches of columns, with parts of pixels."""
    edges = np.linspace(0, width, _SIDE + 1)
    i = np.arange(width)
    low = np.maximum(edges[:-1, None], i[None])
    high = np.minimum(edges[1:, None], i[None] + 1)
    share = np.maximum(0, high - low) * (_SIDE / width)
    luma = np.array([0.299, 0.587, 0.114]) if channels == 3 else np.full(channels, 1 / channels)
    return np.ascontiguousarray(np.kron(share, luma).T, np.float32)


def _perceptual(small: np.ndarray) -> np.ndarray:
    """Signs of 64 low frequencies of (B, S, S) against their median, without the mean."""
    side = small.shape[1]
    k = np.arange(9)[:, None]
    cosine = np.cos(np.pi * k * (2 * np.arange(side)[None] + 1) / (2 * side)).astype(np.float32)
    wave = np.matmul(np.matmul(cosine, small), cosine.T)
    u, v = np.divmod(np.arange(81), 9)
    low = np.argsort(u + v + np.maximum(u, v) / 16, kind="stable")[1:65]
    value = wave.reshape(len(small), -1)[:, low]
    sign = value > np.median(value, axis=1, keepdims=True)
    return np.ascontiguousarray(np.packbits(sign, axis=1)).view(np.uint64)[:, 0]


def digest(x: np.ndarray) -> np.ndarray:
    """A universal hash of each row's bytes, uint64: sum of words times odd random numbers."""
    flat = np.ascontiguousarray(x).reshape(len(x), -1).view(np.uint8)
    spare = -flat.shape[1] % 8
    if spare:
        flat = np.pad(flat, ((0, 0), (0, spare)))
    words = flat.view(np.uint64)
    total: np.ndarray = np.einsum("ij,j->i", words, _weights(words.shape[1]))
    return np.asarray(total ^ (total >> np.uint64(32)))


@functools.lru_cache(maxsize=8)
def _weights(n: int) -> np.ndarray:
    return np.random.default_rng(0x0DD).integers(0, 1 << 63, n, np.uint64) * np.uint64(
        2
    ) + np.uint64(1)
