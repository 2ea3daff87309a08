"""Optimizers and learning-rate schedules: two small typed records and what they build."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from neocog.errors import UsageError, did_you_mean

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "OptimizerConfig",
    "ScheduleConfig",
    "build_optimizer",
    "rate_at",
    "suited_rate",
]


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """The optimizer.

    Args:
        name: `sgd` (with momentum) or `adamw`.
        lr: peak learning rate of the schedule; 0 for one that suits the model.
        momentum: of sgd; the first decay rate of adamw.
        nesterov: look ahead along the momentum (sgd).
        weight_decay: applied to weights of two or more axes, not to biases and norms.
            For sgd it is added to the gradient; adamw decouples it (Loshchilov & Hutter 2019).
    """

    name: str = "sgd"
    lr: float = 0.0
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        """Check the name and the numbers.

        Raises:
            UsageError: the name is unknown or a number is out of range.
        """
        if self.name not in OPTIMIZERS:
            raise UsageError(
                f"`optimizer.name` must name an optimizer, got `{self.name}`. "
                f"{did_you_mean(self.name, OPTIMIZERS)}"
            )
        if not 0 <= self.lr < math.inf:
            raise UsageError(
                f"`optimizer.lr` must be a positive number, got {self.lr}. Try 0.1 for sgd."
            )
        if not 0 <= self.momentum < 1:
            raise UsageError(
                f"`optimizer.momentum` must be at least 0 and below 1, got {self.momentum}. "
                "Try 0.9."
            )
        if not 0 <= self.weight_decay < math.inf:
            raise UsageError(
                f"`optimizer.weight_decay` must not be negative, got {self.weight_decay}. "
                "Use 0 to leave it out."
            )


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """The learning-rate schedule.

    Args:
        name: `cosine`, `linear` or `constant`, from its peak after the warm-up.
        warmup: fraction of all steps in which the rate rises linearly from `start`.
        start: fraction of the peak rate at the first step.
        final_lr_factor: fraction of the peak rate at the last step.
    """

    name: str = "linear"
    warmup: float = 0.2
    start: float = 0.0
    final_lr_factor: float = 0.0

    def __post_init__(self) -> None:
        """Check the name and the fractions.

        Raises:
            UsageError: the name is unknown or a fraction is outside 0 to 1.
        """
        if self.name not in SCHEDULES:
            raise UsageError(
                f"`schedule.name` must name a schedule, got `{self.name}`. "
                f"{did_you_mean(self.name, SCHEDULES)}"
            )
        for name in ("warmup", "start", "final_lr_factor"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise UsageError(
                    f"`schedule.{name}` is a fraction from 0 to 1, got {value}. Try 0.1."
                )


def _sgd(groups: list[dict[str, object]], o: OptimizerConfig) -> torch.optim.Optimizer:
    nesterov = o.nesterov and o.momentum > 0
    return torch.optim.SGD(groups, lr=o.lr, momentum=o.momentum, nesterov=nesterov, foreach=True)


def _adamw(groups: list[dict[str, object]], o: OptimizerConfig) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=o.lr, betas=(o.momentum, 0.999), fused=True)


OPTIMIZERS = {"sgd": _sgd, "adamw": _adamw}
"""Name to function of (parameter groups, options)."""

RATES = {"sgd": (0.15, 0.02), "adamw": (0.003, 0.001)}
"""Name to the rate that suits a network with batch norm, and one without."""

SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda p: 0.5 * (1 + math.cos(math.pi * p)),
    "linear": lambda p: 1 - p,
    "constant": lambda p: 1.0,
}
"""Name to function from progress after the warm-up, 0 to 1, to a factor, 1 to 0."""


TRAINED = 0.1
"""Learning rate of pretrained weights, as a fraction of that of random ones."""


def suited_rate(module: nn.Module, name: str, *, trained: bool = False) -> float:
    """Default peak learning rate.

    Batch norm allows rates at which other networks diverge. Pretrained weights need a tenth: a rate
    for random weights would destroy them.

    Args:
        module: to be trained.
        name: of the optimizer.
        trained: most of its weights are pretrained.

    Example:
        >>> suited_rate(nn.BatchNorm2d(1), "sgd"), suited_rate(nn.Linear(1, 1), "adamw")
        (0.15, 0.001)
        >>> round(suited_rate(nn.Linear(1, 1), "sgd", trained=True), 4)
        0.002
    """
    normed = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in module.modules())
    return RATES[name][0 if normed else 1] * (TRAINED if trained else 1)


def build_optimizer(module: nn.Module, options: OptimizerConfig) -> torch.optim.Optimizer:
    """An optimizer over the trainable parameters of a module.

    Raises:
        UsageError: nothing is trainable.
    """
    if not options.lr:
        options = replace(options, lr=suited_rate(module, options.name))
    parameters = [p for p in module.parameters() if p.requires_grad]
    if not parameters:
        raise UsageError(
            "Training needs a trainable parameter, and all are frozen. Freeze fewer layers."
        )
    groups: list[dict[str, object]] = [
        {
            "params": [p for p in parameters if p.ndim > 1],
            "weight_decay": options.weight_decay,
        },
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return OPTIMIZERS[options.name]([g for g in groups if g["params"]], options)


def rate_at(schedule: ScheduleConfig, progress: float) -> float:
    """The learning rate as a fraction of its peak.

    Args:
        schedule: of the learning rate.
        progress: fraction of all steps done, 0 at the first, 1 after the last.

    Example:
        >>> rate_at(ScheduleConfig(name="linear", warmup=0.5, start=0.0), 0.25)
        0.5
        >>> rate_at(ScheduleConfig(name="linear", warmup=0.5, start=0.0), 0.75)
        0.5
    """
    if progress < schedule.warmup:
        return schedule.start + (1 - schedule.start) * progress / schedule.warmup
    rest = (progress - schedule.warmup) / (1 - schedule.warmup) if schedule.warmup < 1 else 1.0
    return schedule.final_lr_factor + (1 - schedule.final_lr_factor) * SCHEDULES[schedule.name](
        min(1.0, rest)
    )
