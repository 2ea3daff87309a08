"""Memory settings of the C library for commands."""

from __future__ import annotations

import ctypes

__all__ = ["keep_freed_memory"]


def keep_freed_memory() -> bool:
    """Let this process reuse memory that it has freed, instead of giving it back at once.

    A network asks for the same large blocks with every batch and frees them again. By default the C
    library of Linux returns such blocks to the system, which then has to clear each page again; on
    maps of a few megabytes that is about as much work as batch norm itself: the forward passes of a
    ResNet-18 are 1.5 times as fast without. A process keeps the most that it has held. The setting
    is the whole process's, so commands make it and library functions do not.

    Returns:
        Whether the C library has such a setting.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    top_pad, trim_threshold, mmap_max = -2, -1, -4
    settings = ((mmap_max, 0), (trim_threshold, 2**31 - 1), (top_pad, 64 * 2**20))
    done = [mallopt(key, value) for key, value in settings]
    return all(done)
