"""Running statistics of batch norms, re-estimated without labels, gradients or steps.

A network whose operators were replaced sends other values through its batch norms than those of
their running means and variances. A few hundred images, with each batch norm normalizing by the
batch itself, give the new statistics; the mean over all batches counts, as in PyTorch with
`momentum=None`. (The same is done after averaging
weights: P. Izmailov et al., "Averaging Weights Leads to Wider Optima", UAI 2018.)

It is done where PyTorch's dispatcher performs a batch norm, so modules, functional calls and
exported programs are one case, on maps of any number of axes. No module is put into training mode,
and nothing but the statistics changes: neither `momentum` nor `num_batches_tracked`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from neocog.graph.operations import DispatchMode, Operation
from neocog.graph.ops import rule_of

__all__ = ["recalibrate"]


def recalibrate(model: nn.Module, batches: Iterable[Tensor]) -> int:
    """Re-estimate the running statistics of all batch norms, in place.

    Args:
        model: in any mode; it runs in evaluation mode, without dropout.
        batches: (B, C, ...) each, as the model takes them and on its device; best with 64 samples
            or more each.

    Returns:
        How many batch norms were recalibrated: 0 where a network has none, or freezes them as
        plain arithmetic. One that gets a single value per channel keeps its statistics.

    Example:
        >>> norm = nn.BatchNorm1d(1)
        >>> recalibrate(norm, [torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [7.0]])])
        1
        >>> norm.running_mean.item(), norm.running_var.item(), norm.training
        (4.0, 2.0, True)
    """
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    gathering = _Gathering({t.data_ptr() for t in model.buffers() if t.numel()})
    try:
        with torch.no_grad():
            for x in batches:
                with gathering:
                    model(x)
            for mean, var, total_mean, total_var, count in gathering.statistics.values():
                mean.copy_(total_mean / count)
                var.copy_(total_var / count)
    finally:
        for module, mode in modes:
            module.training = mode
    return len(gathering.statistics)


class _Gathering(DispatchMode):  # type: ignore[no-untyped-call]
    """Makes batch norms normalize by the batch, and sums up their statistics."""

    def __init__(self, held: set[int]) -> None:
        super().__init__()
        self.held = held
        self.statistics: dict[int, tuple[Tensor, Tensor, Tensor, Tensor, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        op = Operation("", func.overloadpacket.__name__, func, args, kwargs or {}, None)
        if rule_of(op) != "batch norm" or kwargs:
            return func(*args, **(kwargs or {}))
        given = op.given
        x, mean, var = args[0], given.get("running_mean"), given.get("running_var")
        values = x.numel() // max(1, x.shape[1])
        trains = given.get("training", given.get("train", False))
        if mean is None or var is None or mean.data_ptr() not in self.held:
            return func(*args)
        if trains or values < 2:
            return func(*args)
        axes = [a for a in range(x.ndim) if a != 1]
        # In double precision: values of one channel may be many, and far from zero.
        spread, center = torch.var_mean(x.double(), axes, correction=0)
        self._add(mean, var, center, spread * (values / (values - 1)))
        replaced = [*args]  # of all batch norms, these two come after input, weight and bias
        replaced[3], replaced[4] = center.to(mean.dtype), spread.to(var.dtype)
        return func(*replaced)

    def _add(self, mean: Tensor, var: Tensor, center: Tensor, spread: Tensor) -> None:
        key = mean.data_ptr()
        if key in self.statistics:
            _, _, centers, spreads, count = self.statistics[key]
            center, spread = centers + center, spreads + spread
            self.statistics[key] = mean, var, center, spread, count + 1
        else:
            self.statistics[key] = mean, var, center, spread, 1
