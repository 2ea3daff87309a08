"""How long a computation takes by itself, whatever else the machine is doing."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

__all__ = ["fastest"]


def fastest(call: Callable[[], object], repeats: int = 5) -> float:
    """Milliseconds of processor time of the fastest of some calls, on one thread.

    Time in which the thread waits for a processor is not counted, so that a verdict does not depend
    on what else is running. One call before is not counted either.

    Args:
        call: what is timed.
        repeats: calls.

    Example:
        >>> import time
        >>> fastest(lambda: time.sleep(0.2), repeats=1) < 100
        True
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        call()
        best = float("inf")
        for _ in range(repeats):
            began = time.thread_time()
            call()
            best = min(best, time.thread_time() - began)
    finally:
        torch.set_num_threads(threads)
    return 1e3 * best
