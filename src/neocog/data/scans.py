"""How many times a JPEG goes over its pixels: a few in earnest, thousands in malice."""

from __future__ import annotations

from neocog.errors import DataError

__all__ = ["SCANS", "check_scans"]

SCANS = 100
"""Scans of a JPEG, at most; encoders write about ten, and 64 refine every bit of every band."""


def check_scans(data: bytes) -> None:
    """Refuse a JPEG that a decoder would go over for minutes.

    In coded pixels 255 is followed by 0 or a restart, so that the mark of a scan is nothing else.

    Raises:
        DataError: it has more than `SCANS` scans.
    """
    n = data.count(b"\xff\xda")
    if n > SCANS:
        raise DataError(
            f"goes over its pixels {n:,} times (progressive scans), at most {SCANS} are decoded; "
            "save it anew"
        )
