"""How many times a JPEG goes over its pixels: a few in earnest, thousands in malice."""

from __future__ import annotations

from neocog.errors import DataError

__all__ = ["PASSES", "SCANS", "check_scans"]

SCANS = 100
"""Scans of a JPEG, at most; encoders write about ten, and 64 refine every bit of every band."""


PASSES = 1_000_000_000
"""Scans times pixels, at most, beyond the sixteen that any size may have: seconds of decoding."""


def check_scans(data: bytes, pixels: int) -> None:
    """Refuse a JPEG that a decoder would go over for minutes.

    In coded pixels 255 is followed by 0 or a restart, so that the mark of a scan is nothing else.

    Args:
        data: the bytes of the file.
        pixels: of the image.

    Raises:
        DataError: it has more than `SCANS` scans, or more than its size allows.
    """
    most = min(SCANS, max(16, PASSES // max(pixels, 1)))
    n = data.count(b"\xff\xda")
    if n > most:
        raise DataError(
            f"goes over its pixels {n:,} times (progressive scans), at most {most} are decoded; "
            "re-save it"
        )
