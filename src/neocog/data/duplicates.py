"""Which pictures are the same: exactly, or as the eye sees it.

Exact copies have equal pixels, whatever their files look like. Near copies (saved again, scaled,
slightly brighter) are found by a perceptual hash of 64 bits (signs of the low frequencies of a
thumbnail's cosine transform; Zauner 2010) and confirmed on the thumbnails themselves. Hashes that
differ in at most three of 64 bits agree in one of four bands of 16 bits, so candidates come from
sorting four times instead of from comparing all pairs (multi-index hashing; Norouzi, Punjani and
Fleet 2012).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Traits", "components", "digest", "exact_pairs", "near_pairs", "traits"]

THUMB = 16
"""Side of the thumbnail that confirms a near copy, in pixels."""
RADIUS = 3
"""Bits of 64 in which the hashes of near copies may differ."""
DISTANCE = 0.12
"""Root mean square difference of two confirmed thumbnails, over their contrast."""
CONTRAST = 8.0
"""Standard deviation of a thumbnail (white is 255) below which there is nothing to compare."""
_BUCKET = 128
"""Pictures in one band's bucket above which a second band has to agree as well."""


class Traits(NamedTuple):
    """What pictures are compared by, a row a picture."""

    digest: np.ndarray
    """Of all pixels, uint64 (B,)."""
    hash: np.ndarray
    """Perceptual, uint64 (B,)."""
    thumb: np.ndarray
    """Grey, float16 (B, THUMB * THUMB), white is 255."""


def traits(x: np.ndarray) -> Traits:
    """Digest, perceptual hash and thumbnail of pictures (B, H, W, C), uint8 or uint16.

    Call it on blocks of some dozens: the intermediate values are several times the pixels.
    """
    n, height, width, channels = x.shape
    step = max(1, min(height, width) // 64)
    some = x[:, ::step, ::step].astype(np.float32)
    if x.dtype == np.uint16:
        some /= 257
    rows, columns = some.shape[1:3]
    side = 2 * THUMB
    across = np.repeat(_average(columns, side), channels, axis=1) / channels
    small = some.reshape(n * rows, columns * channels) @ across.T
    small = np.matmul(_average(rows, side), small.reshape(n, rows, side))
    thumb = small.reshape(n, THUMB, 2, THUMB, 2).mean((2, 4)).reshape(n, -1)
    return Traits(digest(x), _perceptual(small), thumb.astype(np.float16))


def exact_pairs(x: np.ndarray, digests: np.ndarray, *, rows: np.ndarray) -> np.ndarray:
    """Pairs of neighbours in chains of equal pictures, int64 (P, 2), confirmed pixel by pixel.

    Args:
        x: pixels.
        digests: of the samples, (B,).
        rows: which row of `x` each sample is, (B,).
    """
    order = np.argsort(digests, kind="stable")
    same = np.flatnonzero(digests[order[1:]] == digests[order[:-1]])
    pairs = np.stack([order[same], order[same + 1]], axis=1)
    keep = [bool(np.array_equal(x[rows[a]], x[rows[b]])) for a, b in pairs.tolist()]
    return pairs[np.asarray(keep, bool)]


def near_pairs(found: Traits, *, among: np.ndarray) -> np.ndarray:
    """Pairs of near copies, int64 (P, 2).

    Args:
        found: traits of all pictures.
        among: positions that are compared: one of each set of exact copies.
    """
    hashes = found.hash[among]
    pairs = []
    for band in range(RADIUS + 1):
        key = (hashes >> np.uint64(16 * band)).astype(np.uint16)
        other = (hashes >> np.uint64(16 * ((band + 1) % (RADIUS + 1)))).astype(np.uint16)
        pairs.append(_candidates(hashes, key, other))
    both = np.concatenate(pairs)
    both = np.unique(both, axis=0) if len(both) else both
    both = among[both]
    a = found.thumb[both[:, 0]].astype(np.float32)
    b = found.thumb[both[:, 1]].astype(np.float32)
    contrast = np.minimum(a.std(1), b.std(1))
    apart = np.sqrt(((a - b) ** 2).mean(1))
    return both[(contrast > CONTRAST) & (apart < DISTANCE * contrast)]


def components(n: int, pairs: np.ndarray) -> np.ndarray:
    """The smallest member of each sample's group, int64 (n,): pairs joined to groups.

    Example:
        >>> import numpy as np
        >>> components(5, np.array([[1, 2], [4, 2]])).tolist()
        [0, 1, 1, 3, 1]
    """
    label = np.arange(n)
    while len(pairs):
        low = np.minimum(label[pairs[:, 0]], label[pairs[:, 1]])
        before = label.copy()
        np.minimum.at(label, label[pairs[:, 0]], low)
        np.minimum.at(label, label[pairs[:, 1]], low)
        label = label[label]
        if np.array_equal(before, label):
            break
    return label


def _candidates(hashes: np.ndarray, key: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pairs whose key is equal and whose hashes are close."""
    _, inverse, size = np.unique(key, return_inverse=True, return_counts=True)
    crowded = size[inverse] > _BUCKET
    joint = inverse.astype(np.int64)
    joint[crowded] += (other[crowded].astype(np.int64) + 1) << 17
    order = np.argsort(joint, kind="stable")
    joint = joint[order]
    pairs = []
    reach = 1
    while reach < len(joint):
        same = np.flatnonzero(joint[reach:] == joint[:-reach])
        if not len(same) or reach > 8 * _BUCKET:
            break
        a, b = order[same], order[same + reach]
        close = _bits(hashes[a] ^ hashes[b]) <= RADIUS
        pairs.append(np.sort(np.stack([a[close], b[close]], axis=1), axis=1))
        reach += 1
    return np.concatenate(pairs) if pairs else np.zeros((0, 2), np.int64)


def _bits(word: np.ndarray) -> np.ndarray:
    """Ones in each word of 64 bits."""
    if not len(word):
        return np.zeros(0, np.int64)
    return np.unpackbits(word.view(np.uint8).reshape(-1, 8), axis=1).sum(1)


def _average(n: int, m: int) -> np.ndarray:
    """(m, n): each output is the mean of its stretch of the input, with parts of pixels."""
    edges = np.linspace(0, n, m + 1)
    i = np.arange(n)
    low = np.maximum(edges[:-1, None], i[None])
    high = np.minimum(edges[1:, None], i[None] + 1)
    return (np.maximum(0, high - low) * (m / n)).astype(np.float32)


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
    weight = np.random.default_rng(0x0DD).integers(0, 1 << 63, words.shape[1], np.uint64) * 2 + 1
    mixed = words ^ (words >> np.uint64(29))
    total: np.ndarray = np.einsum("ij,j->i", mixed, weight.astype(np.uint64))
    return total ^ (total >> np.uint64(32))
