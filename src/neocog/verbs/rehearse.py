"""The figures that an audit will have, before it begins: the same audit of a stand-in.

A bound on a figure that does not exist would otherwise fail after minutes. The stand-in is a
network of one convolution on four images of noise; it has every figure that the options ask for,
whatever their names are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from neocog.audits.config import AuditConfig
from neocog.audits.result import Audit
from neocog.audits.suite import audit_model
from neocog.data.samples import Samples

__all__ = ["rehearsal"]

_SIDE, _SAMPLES = 16, 4


def rehearsal(config: AuditConfig, *, task: str = "classify", black_box: bool = False) -> Audit:
    """An audit of a stand-in, in a second.

    Args:
        config: what is measured.
        task: of the model.
        black_box: only predictions are available.

    Example:
        >>> found = rehearsal(AuditConfig(shift=("circular",), layers=False, scale=False))
        >>> "consistency" in found.to_json()["shift"]["circular"], found.scale
        (True, None)
    """
    few = replace(
        config,
        full=True,  # whatever the time decides later
        n=_SAMPLES,
        max_shift=None if config.max_shift is None else 1,
        map_max_shift=min(config.map_max_shift, 1),
        map_samples=1,
        layer_samples=None,
        all_shifts=False,
        every_sample=False,
        batch=None,
    )
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(_SAMPLES, 1, _SIDE, _SIDE, generator=generator)
    module, truth = _STAND_INS.get(task, _classifier)(generator)
    return audit_model(
        module.eval(),
        Samples.of((x, truth)),
        few,
        task=task if task in _STAND_INS else "classify",
        black_box=black_box,
    )


def _convolution(outputs: int, stride: int, generator: torch.Generator) -> nn.Module:
    layer = nn.Conv2d(1, outputs, 3, stride=stride, padding=1)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.rand(p.shape, generator=generator) - 0.5)
    return layer


def _classifier(generator: torch.Generator) -> tuple[nn.Module, Tensor]:
    layers = (_convolution(2, 2, generator), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*layers), torch.arange(_SAMPLES) % 2


def _segmenter(generator: torch.Generator) -> tuple[nn.Module, Tensor]:
    truth = torch.zeros(_SAMPLES, _SIDE, _SIDE, dtype=torch.long)
    return nn.Sequential(_convolution(2, 1, generator)), truth


def _regressor(generator: torch.Generator) -> tuple[nn.Module, Tensor]:
    layers = (_convolution(1, 2, generator), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*layers), torch.zeros(_SAMPLES)


_STAND_INS: dict[str, Callable[[torch.Generator], tuple[nn.Module, Tensor]]] = {
    "classify": _classifier,
    "segment": _segmenter,
    "regress": _regressor,
}
