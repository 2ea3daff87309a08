"""A network together with its spec: pixels in, logits out."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from neocog.errors import ModelError, ShapeMismatch
from neocog.graph.multiple_outputs import output_at
from neocog.graph.output_kind import to_logits
from neocog.types import ModelSpec

__all__ = ["SpecifiedNetwork", "normalize"]


def normalize(
    x: Float[Tensor, "B C *S"], mean: Float[Tensor, C * S1], std: Float[Tensor, C * S1]
) -> Float[Tensor, "B C *S"]:
    """(x - mean) / std, per channel."""
    return (x - mean) / std


class SpecifiedNetwork(nn.Module):
    """Values of images in [0, 1], or of series → normalized by the spec → network → logits.

    Of several tensors that a network returns the spec's is taken, and of probabilities logits
    are made: what gives the same probabilities again.

    Mean and standard deviation live in the spec; the module holds copies that move with it between
    devices and stay out of its state dict, whose keys are the network's behind `network.`.

    Args:
        network: normalized (B, C, H, W) or (B, C, N) to (B, K).
        spec: what goes in and comes out.

    Raises:
        ModelError: mean or standard deviation do not fit the number of channels, or cannot belong
            to values in [0, 1].

    Example:
        >>> from neocog.networks.catalog import build
        >>> from neocog.types import InputSpec
        >>> signal = InputSpec(channels=1, size=(28, 28), mean=(0.13,), std=(0.31,))
        >>> spec = ModelSpec(task="classify", classes=("no", "yes"), input=signal)
        >>> network = build("dense", num_classes=2, in_channels=1, size=(28, 28))
        >>> SpecifiedNetwork(network, spec)(torch.zeros(3, 1, 28, 28)).shape
        torch.Size([3, 2])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, spec: ModelSpec) -> None:
        super().__init__()
        signal = spec.input
        if not len(signal.mean) == len(signal.std) == signal.channels:
            raise ModelError(
                "A spec needs one mean and one standard deviation per channel; got "
                f"{signal.channels} channels, {len(signal.mean)} means and {len(signal.std)} "
                "standard deviations. Correct the spec."
            )
        if (wrong := signal.misfit()) is not None:
            values = "values in [0, 1]" if signal.axes == 2 else "values"
            raise ModelError(f"A spec normalizes {values}, and its {wrong}. Correct the spec.")
        self.spec = spec
        self.network = network
        for name, numbers in (("mean", signal.mean), ("std", signal.std)):
            tensor = torch.tensor(numbers, dtype=torch.float32).view(-1, *[1] * len(signal.size))
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, x: Float[Tensor, "B C *S"]) -> Float[Tensor, "B K *T"]:
        """Pixels in [0, 1] to logits.

        Raises:
            ShapeMismatch: other channels or another size than the spec's.
        """
        if not (expected := self.spec.input.shape):  # of a module that nothing is known of
            return self._read(self.network(x))
        if x.shape[1:] != expected:
            images = self.spec.input.axes == 2
            raise ShapeMismatch(
                f"This model takes {'images' if images else 'series'} of shape "
                f"(B, {', '.join(map(str, expected))}), channels before "
                f"{'rows and columns' if images else 'time'}; got {tuple(x.shape)}. "
                + ("Resize the images and convert their channels." if images else "Reshape them."),
                expected=expected,
                actual=tuple(x.shape),
            )
        return self._read(self.network(normalize(x, self.mean, self.std)))

    def _read(self, out: object) -> Tensor:
        """The prediction among what the network returned, as logits."""
        return to_logits(output_at(out, self.spec.output.name), self.spec.output.kind)
