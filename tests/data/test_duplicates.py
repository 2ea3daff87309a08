"""Copies: exact ones by pixels, near ones by eye; strangers are not copies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from neocog.data.duplicates import RADIUS, components, digest, exact_pairs, near_pairs, traits
from neocog.data.image_decode import decode


def _photos(image, n: int, side: int = 64) -> np.ndarray:
    return np.stack([np.asarray(image(i, side, side)) for i in range(n)])


def test_exact_copies_are_found_and_confirmed(image):
    x = _photos(image, 20)[:, :, :, :]
    x[17] = x[3]
    x[9] = x[3]
    x[12, 5, 5, 0] ^= 1

    def equal(a: int, b: int) -> bool:
        return bool(np.array_equal(x[a], x[b]))

    pairs = exact_pairs(digest(x), equal)
    assert np.unique(pairs).tolist() == [3, 9, 17]
    wrong = exact_pairs(np.zeros(20, np.uint64), equal)
    assert {tuple(p) for p in wrong.tolist()} <= {(3, 9), (9, 17), (3, 17)}


@given(st.integers(1, 40), st.integers(0, 39), st.integers(1, 255))
def test_a_digest_sees_every_byte(n, at, change):
    """Also where the bytes of a row do not fill words of eight."""
    x = np.zeros((2, 1, n, 1), np.uint8)
    x[1, 0, at % n, 0] = change
    assert digest(x)[0] != digest(x)[1]


@pytest.mark.parametrize("change", ["jpeg", "smaller", "brighter", "gray"])
def test_near_copies_are_found(change, image, encode):
    originals = [image(i, 96, 96) for i in range(30)]
    im = originals[7]
    if change == "jpeg":
        im = Image.fromarray(decode(encode(im, "JPEG", quality=40)))
    elif change == "smaller":
        im = im.resize((50, 50)).resize((96, 96), Image.Resampling.BICUBIC)
    elif change == "brighter":
        im = ImageEnhance.Brightness(im).enhance(1.1)
    else:
        im = im.convert("L").convert("RGB")
    x = np.stack([np.asarray(p) for p in [*originals, im]])
    pairs = near_pairs(traits(x), among=np.arange(31))
    assert pairs.tolist() == [[7, 30]]


def test_strangers_and_blanks_are_no_copies(image):
    x = np.concatenate([_photos(image, 200), np.full((50, 64, 64, 3), 250, np.uint8)])
    x[200:] += np.arange(50, dtype=np.uint8)[:, None, None, None] % 5
    assert near_pairs(traits(x), among=np.arange(250)).tolist() == []


def test_candidates_are_those_of_comparing_all_pairs():
    """The tables find every pair that a double loop over hashes finds."""
    rng = np.random.default_rng(0)
    base = rng.integers(0, 1 << 63, 40, np.uint64)
    flips = [
        int(sum(1 << int(b) for b in rng.choice(64, k, False))) for k in range(9) for _ in range(4)
    ]
    hashes = np.concatenate([base, base[:36] ^ np.array(flips, np.uint64)])
    from neocog.data.duplicates import _candidates

    found = {tuple(p) for band in range(4) for p in _candidates(hashes, band).tolist()}
    bits = [[bin(int(a) ^ int(b)).count("1") for b in hashes] for a in hashes]
    wanted = {(i, j) for i in range(76) for j in range(i + 1, 76) if bits[i][j] <= RADIUS}
    assert wanted
    assert found == wanted


def test_sets_that_look_alike_by_nature_need_closer_copies():
    """Drawings that differ by a stroke are not taken for one image."""
    rng = np.random.default_rng(0)
    stroke = np.zeros((64, 64, 1), np.uint8)
    stroke[10:54, 28:36] = 255
    x = np.repeat(stroke[None], 120, 0)
    for i in range(120):
        a, b = rng.integers(8, 48, 2)
        x[i, a : a + 9, b : b + 9] = 255
    loose = near_pairs(traits(x), among=np.arange(120))
    assert len(loose) < 60


@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(
            st.just(n),
            st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=40),
        )
    )
)
def test_components_are_those_of_a_walk(case):
    n, pairs = case
    label = components(n, np.array(pairs, np.int64).reshape(-1, 2))
    near = {i: {i} for i in range(n)}
    for a, b in pairs:
        joined = near[a] | near[b]
        for i in joined:
            near[i] = joined
    assert label.tolist() == [min(near[i]) for i in range(n)]


def test_flowers_has_exactly_the_six_known_pairs(shared, tmp_path):
    """The data set's own notes name four pairs under rose and tulip, and two inside sunflower."""
    from neocog.data.open import open_data

    sheet = open_data(shared / "data" / "flowers5").sheet
    exact = [c for c in sheet.duplicates if c.kind == "exact"]
    assert len(exact) == 6
    conflicting = {c.names[0].split("/")[1].split(".")[0] for c in exact if c.conflict}
    assert conflicting == {
        "15922772266_1167a06620",
        "17104364030_ee31ee279b_n",
        "17291451621_0e39f08b9e_n",
        "17291930305_79deae6a90_n",
    }
    assert [c.labels for c in exact if not c.conflict] == [("sunflower", "sunflower")] * 2
    assert not any(c.across for c in sheet.duplicates)
    near = {c.names for c in sheet.duplicates if c.kind == "near"}
    assert ("tulip/7166552648_28b6dce578.jpg", "tulip/7166552648_28b6dce578_n.jpg") in near
    # Each was looked at by eye: one photo edited or saved again, or two of one moment. Pairs at the
    # edge of the rule may come and go with the version of the decoder.
    assert 16 <= len(near) <= 22
