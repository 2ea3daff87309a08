"""Scans of a JPEG are bounded by what they cost."""

from __future__ import annotations

import pytest
from tests.field.images_by_hand import encoded, smooth

from neocog.data import scans
from neocog.data.image_decode import PIXEL_LIMIT, decode
from neocog.errors import DataError


def scanned(n: int, **options: object) -> bytes:
    """A progressive JPEG of n scans: its last one again and again."""
    data = encoded(smooth(0, 64, 64), "JPEG", progressive=True, **options)
    starts = [i for i in range(len(data)) if data[i : i + 2] == b"\xff\xda"]
    return data[:-2] + data[starts[-1] : -2] * (n - len(starts)) + data[-2:]


JPEG = encoded(smooth(0, 64, 64), "JPEG")


def test_scans_are_bounded_by_what_they_cost():
    scans.check_scans(scanned(100), 64 * 64)
    decode(scanned(90))
    with pytest.raises(DataError, match="at most 20 are decoded"):
        scans.check_scans(scanned(21), 50_000_000)
    scans.check_scans(scanned(16), PIXEL_LIMIT)
