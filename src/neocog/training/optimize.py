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
    """How weights are changed.

    Args:
        name: `sgd` (with momentum) or `adamw`.
        lr: the highest learning rate of the schedule; 0 for what suits the network.
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
                f"`optimizer.name` names how weights are changed, got `{self.name}`. "
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
    """How the learning rate moves over a training.

    Args:
        name: `cosine`, `linear` or `constant`, from its highest value after the warm-up.
        warmup: share of all steps in which the rate rises linearly from `start`.
        start: share of the highest rate at the first step.
        final_lr_factor: share of the highest rate at the last step.
    """

    name: str = "linear"
    warmup: float = 0.2
    start: float = 0.0
    final_lr_factor: float = 0.0

    def __post_init__(self) -> None:
        """Check the name and the shares.

        Raises:
            UsageError: the name is unknown or a share is outside 0 to 1.
        """
        if self.name not in SCHEDULES:
            raise UsageError(
                f"`schedule.name` names a course of the learning rate, got `{self.name}`. "
                f"{did_you_mean(self.name, SCHEDULES)}"
            )
        for name in ("warmup", "start", "final_lr_factor"):
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise UsageError(f"`schedule.{name}` is a share from 0 to 1, got {share}. Try 0.1.")


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
"""Name to function from progress after the warm-up, 0 to 1, to a share, 1 to 0."""


TRAINED = 0.1
"""Share of the rate of random weights that suits trained ones."""


def suited_rate(module: nn.Module, name: str, *, trained: bool = False) -> float:
    """The highest learning rate where none is asked for.

    Batch norm lets a network learn with rates that would throw another one off course. Weights
    that are trained lie low already: a rate that takes random ones across the hills throws them
    out, and what they were started from is lost. A tenth of it keeps them.

    Args:
        module: what is trained.
        name: of the optimizer.
        trained: most of its weights are.

    Example:
        >>> suited_rate(nn.BatchNorm2d(1), "sgd"), suited_rate(nn.Linear(1, 1), "adamw")
        (0.15, 0.001)
        >>> round(suited_rate(nn.Linear(1, 1), "sgd", trained=True), 4)
        0.002
    """
    steady = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in module.modules())
    return RATES[name][0 if steady else 1] * (TRAINED if trained else 1)


def build_optimizer(module: nn.Module, options: OptimizerConfig) -> torch.optim.Optimizer:
    """An optimizer over the trainable parameters of a module.

    Raises:
        UsageError: nothing is trainable.
    """
    if not options.lr:
        options = replace(options, lr=suited_rate(module, options.name))
    parameters = [p for p in module.parameters() if p.requires_grad]
    if not parameters:
        raise UsageError("Training needs a parameter that is not frozen, and none is. Freeze less.")
    groups: list[dict[str, object]] = [
        {
            "params": [p for p in parameters if p.ndim > 1],
            "weight_decay": options.weight_decay,
        },
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return OPTIMIZERS[options.name]([g for g in groups if g["params"]], options)


def rate_at(schedule: ScheduleConfig, progress: float) -> float:
    """The learning rate as a share of its highest value.

    Args:
        schedule: the course.
        progress: share of all steps done, 0 at the first, 1 after the last.

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
