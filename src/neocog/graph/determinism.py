"""Whether a network's output is a function of the sample alone: run twice, alone, in a batch.

Rounding is not a difference. A kernel may sum in another order for another batch, so outputs of one
sample differ by some units in the last place, which the layers behind make larger or smaller. Two
outputs count as different beyond 2¹¹ units of float32 (2.4 · 10⁻⁴ of the largest output, where
networks of a hundred layers stay below 10⁻⁵) that are moreover a thousand times what the last bit
of the input changes, for networks that blow up everything; a tenth of the largest output where
numbers of fewer than 32 bits are computed with. The same batch run twice is added up in the same
order, so there the first bound is enough.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.errors import NeocogError, printable
from neocog.graph.culprit import BEGINS, SAME, apart, culprit, dtypes
from neocog.graph.preserve import exact, preserved

__all__ = ["Difference", "difference", "probes", "same_randomness_after"]

GROWTH = 1000
"""How much larger than the effect of the last bit of the input a difference must be."""

COARSE = 0.1
"""The threshold for arithmetic of few bits, as a fraction of the largest output."""

AGAIN = 16
"""Times that a network which draws random numbers is run, before its outputs count as steady."""

ALONE = "alone and in a batch"
REPEATED = "when the same batch is run twice,"

Read = Callable[[object], Tensor]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How the outputs for one sample differ.

    Args:
        when: in words, what differed between the runs.
        largest: difference of two outputs, as a fraction of the largest output.
        top: whether the top class of some sample changed.
        cause: where it comes from, in words; empty where that is not known.
    """

    when: str
    largest: float
    top: bool
    cause: str

    @property
    def advice(self) -> str:
        """What to change in a network, by the cause; ends without a stop."""
        if "stays in training mode" in self.cause or "draws random" in self.cause:
            return "Make it follow eval() (F.dropout takes training=self.training)"
        if "of the batch" in self.cause:
            return "Let its norm use running statistics in evaluation mode"
        if self.when == REPEATED:
            return "Keep no state between calls in evaluation mode"
        return "Compute each sample independently of the others"

    @property
    def sentence(self) -> str:
        """What differs, by how much, and why; begins in lower case and ends without a stop."""
        if math.isinf(self.largest):
            return f"{self.when} the outputs for a sample fail: {self.cause}"
        top = ", and the top class changes" if self.top else ""
        why = f"; {self.cause}" if self.cause else ""
        percent = 100 * self.largest
        share = f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"
        return f"{self.when} the outputs for a sample differ by {share} of the largest{top}{why}"


def probes(shape: tuple[int, ...], n: int = 2) -> Tensor:
    """Samples in [0, 1] of which no two are alike: coarse patterns under noise, dark to bright.

    Args:
        shape: (C, H, W) or (C, N) of a sample.
        n: how many.

    Example:
        >>> probes((3, 8, 8)).shape
        torch.Size([2, 3, 8, 8])
    """
    generator = torch.Generator().manual_seed(11)
    noise = torch.rand(n, *shape, generator=generator)
    coarse = torch.rand(n, shape[0], *(min(4, s) for s in shape[1:]), generator=generator)
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}.get(len(shape) - 1)
    if mode is None:
        return noise
    coarse = F.interpolate(coarse, size=shape[1:], mode=mode, align_corners=False)
    bright = torch.linspace(1, 0.5, n).view(-1, *[1] * len(shape))
    return (noise + coarse) / 2 * bright


@contextmanager
def same_randomness_after() -> Iterator[None]:
    """The generators of PyTorch, NumPy and Python as they were, whatever runs inside."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  # what others draw from
    used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = range(torch.cuda.device_count()) if used else ()
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def difference(
    module: nn.Module, x: Tensor, *, read: Read | None = None, coarse: bool = False
) -> Difference | None:
    """How the outputs for one sample differ, run twice, at another position, and alone; or None.

    The module runs in evaluation mode, and it and all generators are as before afterwards.

    Args:
        module: any.
        x: two samples or more, (B, C, *space), no two alike: six passes of one sample for two.
        read: what the module returns to a tensor, a row per sample; itself if left out.
        coarse: it computes with numbers of few bits, where that cannot be seen from outside.

    Raises:
        ModelError: the module fails on the batch, with an error of ours.

    Example:
        >>> x = probes((1, 4, 4))
        >>> difference(nn.Flatten(), x) is None
        True
        >>> net = nn.Sequential(nn.Flatten(2), nn.BatchNorm1d(1, track_running_stats=False))
        >>> print(difference(net, x).cause)
        layer `1` (BatchNorm1d) normalizes by the statistics of the batch
    """
    with preserved(module), torch.no_grad(), exact(), same_randomness_after():
        return _Runs(module, x, read, coarse).differs()


class _Runs:
    """A module and some samples, run in several ways."""

    def __init__(self, module: nn.Module, x: Tensor, read: Read | None, coarse: bool) -> None:
        held = (t for t in (*module.parameters(), *module.buffers()) if t.is_floating_point())
        first = next(held, x)
        self.module, self.read, self.coarse = module, read, coarse
        self.x = x.to(first.device, first.dtype)

    def run(self, x: Tensor) -> Tensor:
        out = self.module(x.clone())
        if self.read is not None:
            out = self.read(out)
        assert isinstance(out, Tensor)
        return out.detach().double().cpu()

    def differs(self) -> Difference | None:
        x, n = self.x, len(self.x)
        before = _states()
        first = self.run(x)
        turned = self.run(x.flip(0)).flip(0)
        drawn = [name for name, state in _states().items() if state != before[name]]
        for _ in range(AGAIN if drawn else int(apart(first, turned) > SAME)):
            second = self.run(x)
            if apart(first, second) > SAME:
                why = _of_state(drawn, self._cause(x, x, None))
                return _difference(REPEATED, first, second, why)
        if self._beyond(first, turned):
            why = self._cause(x, x.flip(0), (0, n - 1))
            return _difference("at another position in the batch", first, turned, why)
        for i in (0, n - 1):  # what takes the largest or least of a batch changes for one of them
            if (change := self._alone(first, i)) is not None:
                return change
        return None

    def _alone(self, first: Tensor, i: int) -> Difference | None:
        """How a sample without the others differs from what it was in the batch."""
        x, row = self.x[i : i + 1], first[i : i + 1]
        try:
            alone = self.run(x)
        except NeocogError:
            raise
        except Exception as e:  # of any kind: the module is not ours
            lines = str(e).strip().splitlines() or [type(e).__name__]
            return Difference(when=ALONE, largest=math.inf, top=False, cause=printable(lines[0]))
        if alone.shape != row.shape:
            shapes = f"they are of shape {tuple(alone.shape)} for {tuple(row.shape)}"
            return Difference(when=ALONE, largest=math.inf, top=False, cause=shapes)
        if self._beyond(row, alone):
            return _difference(ALONE, row, alone, self._cause(self.x, x, (i, 0)))
        return None

    def _beyond(self, a: Tensor, b: Tensor) -> bool:
        """Whether outputs differ by more than rounding, of a network that draws nothing."""
        amount = apart(a, b)
        if amount <= SAME:
            return False
        seen = dtypes(lambda: self.run(self.x)) - {torch.bool}
        if (self.coarse or any(t.itemsize < 4 for t in seen)) and amount <= COARSE:
            return False
        eps = torch.finfo(torch.float32).eps
        sign = torch.where(self.x > self.x.mean(), 1.0, -1.0)
        grown = apart(self.run(self.x), self.run(self.x * (1 + eps * sign)))
        return amount > GROWTH * grown

    def _cause(self, x: Tensor, other: Tensor, rows: tuple[int, int] | None) -> str:
        return culprit(
            self.module,
            lambda: self.run(x),
            lambda: self.run(other),
            samples=len(x),
            rows=rows,
        )


def _difference(when: str, a: Tensor, b: Tensor, cause: str) -> Difference:
    top = a.ndim > 1 and a.shape[1] > 1 and bool((a.argmax(1) != b.argmax(1)).any())
    return Difference(when=when, largest=apart(a, b), top=top, cause=cause)


def _states() -> dict[str, object]:
    """The states of the generators that everybody shares."""
    return {
        "PyTorch's": bytes(torch.get_rng_state().numpy()),
        "Python's": random.getstate(),
        "NumPy's": str(np.random.get_state()),  # noqa: NPY002
    }


def _of_state(drawn: list[str], cause: str) -> str:
    """Why the same batch gets other outputs, where the operations do not say it all."""
    if cause and not cause.startswith(BEGINS):
        return cause
    why = "has its own random generator or keeps state between calls"
    if drawn:
        why = f"draws random numbers from {drawn[0]} generator"
    return f"{cause.removeprefix(BEGINS) or 'the network'} {why}"
