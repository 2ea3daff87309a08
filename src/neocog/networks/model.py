"""A network together with its contract: pixels in, logits out."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from neocog.errors import ModelError, ShapeMismatch
from neocog.probe.scores import to_logits
from neocog.probe.several import output_at
from neocog.types import Contract, not_of_pixels

__all__ = ["Model", "normalise"]


def normalise(
    x: Float[Tensor, "B C *S"], mean: Float[Tensor, C * S1], std: Float[Tensor, C * S1]
) -> Float[Tensor, "B C *S"]:
    """(x - mean) / std, per channel."""
    return (x - mean) / std


class Model(nn.Module):
    """Pixels in [0, 1] → normalised by the contract → network → logits.

    Of several tensors that a network returns the contract's is taken, and of probabilities logits
    are made: what gives the same probabilities again.

    Mean and deviation live in the contract; the module holds copies that move with it between
    devices and stay out of its state dict, whose keys are the network's behind `network.`.

    Args:
        network: normalised (B, C, H, W) to (B, K).
        contract: what goes in and comes out.

    Raises:
        ModelError: mean or standard deviation do not fit the number of channels, or cannot belong
            to values in [0, 1].

    Example:
        >>> from neocog.networks.catalog import build
        >>> from neocog.types import SignalSpec
        >>> signal = SignalSpec(channels=1, size=(28, 28), mean=(0.13,), std=(0.31,))
        >>> contract = Contract(task="classify", classes=("no", "yes"), signal=signal)
        >>> network = build("dense", classes=2, channels=1, size=(28, 28))
        >>> Model(network, contract)(torch.zeros(3, 1, 28, 28)).shape
        torch.Size([3, 2])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, contract: Contract) -> None:
        super().__init__()
        signal = contract.signal
        if not len(signal.mean) == len(signal.std) == signal.channels:
            raise ModelError(
                f"A contract has one mean and one deviation a channel; {signal.channels} "
                f"channels, {len(signal.mean)} means and {len(signal.std)} deviations came. "
                "Correct the contract."
            )
        if (wrong := not_of_pixels(signal.mean, signal.std)) is not None:
            raise ModelError(
                f"A contract normalizes values in [0, 1], and its {wrong}. Correct the contract."
            )
        self.contract = contract
        self.network = network
        for name, values in (("mean", signal.mean), ("std", signal.std)):
            tensor = torch.tensor(values, dtype=torch.float32).view(-1, *[1] * len(signal.size))
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, x: Float[Tensor, "B C *S"]) -> Float[Tensor, "B K *T"]:
        """Pixels in [0, 1] to logits.

        Raises:
            ShapeMismatch: other channels or another size than the contract's.
        """
        signal = self.contract.signal
        if x.shape[1:] != (signal.channels, *signal.size):
            expected = (signal.channels, *signal.size)
            raise ShapeMismatch(
                f"This model takes pictures of shape (B, {', '.join(map(str, expected))}), "
                f"channels before rows and columns; {tuple(x.shape)} came. "
                "Decode the pictures to its channels and size.",
                expected=expected,
                actual=tuple(x.shape),
            )
        out = output_at(self.network(normalise(x, self.mean, self.std)), self.contract.output.name)
        return to_logits(out, self.contract.output.kind)
