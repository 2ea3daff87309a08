"""BYOL: a predictor names the embedding that a slow copy of the network gives another view.

J.-B. Grill et al., "Bootstrap your own latent", NeurIPS 2020. Nothing in the loss forbids that all
embeddings become one; the predictor and the slow copy are what prevents it.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from neocog.tasks.pretext.method import Encoder, ProjectedMethod, embed_mlp
from neocog.tasks.pretext.simsiam import negative_cosine

__all__ = ["BYOL"]


class BYOL(ProjectedMethod):
    """Self-distillation with a slow copy.

    Args:
        width: of the features.
        decay: of the slow copy, per step; it begins with shorter memory, as
            `training.average` does.
    """

    steps: Tensor

    def __init__(self, width: int, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.head = embed_mlp(width, max(256, width), 128)
        self.predictor = embed_mlp(128, 256, 128)
        self.target: nn.ModuleList | None = None
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def begin(self, encoder: Encoder) -> None:
        """Make the slow copy; before the optimizer is built, and once."""
        online = nn.ModuleList([encoder, self.head])
        self.target = copy.deepcopy(online).requires_grad_(False)

    def forward(self, encoder: Encoder, x: Tensor) -> tuple[Tensor, Tensor]:
        """Predictions of both views, and the slow copy's embeddings of the same."""
        z = self.predictor(self.embed(encoder(x)))
        with torch.no_grad():
            if self.training:
                self._follow(encoder)
            assert self.target is not None
            slow_encoder, slow_head = self.target
            target = slow_head(slow_encoder(x))
        return z, target

    def _follow(self, encoder: Encoder) -> None:
        """Move the slow copy toward what the last step made."""
        assert self.target is not None
        t = int(self.steps)
        decay = min(self.decay, (1 + t) / (10 + t))
        for slow, now in zip(
            self.target.parameters(), [*encoder.parameters(), *self.head.parameters()], strict=True
        ):
            slow.lerp_(now.detach(), 1 - decay)
        self.steps += 1

    def loss(self, output: tuple[Tensor, Tensor]) -> Tensor:
        """Negative cosine similarity of each prediction and the other view's target."""
        prediction, target = output
        return negative_cosine(prediction, target.roll(len(target) // 2, 0))
