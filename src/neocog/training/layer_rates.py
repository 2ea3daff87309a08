"""Fine-tuning: what is frozen, and a learning rate for each layer.

Lower layers of a pretrained network are general and need small steps, the head is new and needs
large ones (J. Howard, S. Ruder, "Universal Language Model Fine-tuning for Text Classification",
ACL 2018: discriminative learning rates). Batch norms keep the running statistics of the pretrained
weights: those of small batches of a small set would be worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from neocog.errors import UsageError
from neocog.training.optimize import OPTIMIZERS, OptimizerConfig

__all__ = ["finetuning", "freeze_below", "layer_rates", "layered_optimizer"]

RATES = {"adamw": 5e-4, "sgd": 1e-3}
"""Optimizer to the rate of the head. Features of a pretrained network have a norm of about 15, and
the loss of a linear layer on them diverges from steps of 2 / 15² on."""

DECAY = 0.01
"""Decoupled weight decay of AdamW."""


def finetuning(options: OptimizerConfig) -> OptimizerConfig:
    """The optimizer of a fine-tune, where none was given: AdamW, which suits layers of any scale.

    Example:
        >>> finetuning(OptimizerConfig()).name, finetuning(OptimizerConfig(momentum=0.8)).lr
        ('adamw', 0.001)
    """
    if options.lr:
        return options
    if options == OptimizerConfig():
        return OptimizerConfig(name="adamw", lr=RATES["adamw"], weight_decay=DECAY)
    return replace(options, lr=RATES[options.name])


def freeze_below(network: nn.Module, stages: Sequence[str], count: int) -> int:
    """Freeze what comes before the end of a stage, in the order in which it was built.

    Args:
        network: changed in place: parameters take no gradients, batch norms stay in evaluation
            mode, all of them.
        stages: names of its stages, shallow to deep.
        count: stages that are frozen, and what is below them; 0 for none.

    Returns:
        How many parameters (values) are frozen.

    Raises:
        UsageError: there are fewer stages.
    """
    if count > len(stages):
        raise UsageError(
            f"`--freeze N` keeps the first N stages as they are, and this network has "
            f"{len(stages)}; got {count}. Give fewer, or `all` for everything but the head."
        )
    network.train()
    for part in network.modules():
        if isinstance(part, _BatchNorm):
            part.eval()
    if not count:
        return 0
    parts, top = dict(network.named_modules()), stages[count - 1]
    last = max(i for i, n in enumerate(parts) if n == top or n.startswith(f"{top}."))
    frozen = 0
    for part in list(parts.values())[: last + 1]:
        for parameter in part.parameters(recurse=False):
            parameter.requires_grad_(False)
            frozen += parameter.numel()
    return frozen


def layer_rates(network: nn.Module, lowest: float) -> dict[str, float]:
    """Factor of the learning rate of each trainable parameter: 1 at the head, `lowest` below all.

    It grows by the same factor from each layer to the next, in the order in which they were built.

    Example:
        >>> net = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 1))
        >>> [round(f, 2) for n, f in layer_rates(net, 0.04).items() if n.endswith("weight")]
        [0.04, 0.2, 1.0]
    """
    layers = list(dict.fromkeys(n.rpartition(".")[0] for n, _ in network.named_parameters()))
    top = max(1, len(layers) - 1)
    at = {layer: lowest ** (1 - i / top) for i, layer in enumerate(layers)}
    return {n: at[n.rpartition(".")[0]] for n, p in network.named_parameters() if p.requires_grad}


def layered_optimizer(
    network: nn.Module, options: OptimizerConfig, *, lowest: float
) -> torch.optim.Optimizer:
    """An optimizer with a learning rate for each layer; its first group is that of the head.

    Args:
        network: its trainable parameters are taken.
        options: of the optimizer; its rate is that of the head.
        lowest: the rate of the lowest layer, as a fraction of it.
    """
    rates = layer_rates(network, lowest)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, factor in sorted(rates.items(), key=lambda item: -item[1]):
        parameter = network.get_parameter(name)
        decay = options.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((factor, decay), []).append(parameter)
    return OPTIMIZERS[options.name](
        [
            {"params": held, "lr": options.lr * factor, "weight_decay": decay}
            for (factor, decay), held in groups.items()
        ],
        replace(options),
    )
