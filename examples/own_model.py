"""A network that neocog has never seen, trained elsewhere: scored from its factory and weights."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import neocog

MEAN, STD = 0.1307, 0.3081


class Small(nn.Module):
    """Two convolutions and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 16, 5, stride=2)
        self.second = nn.Conv2d(16, 32, 3)
        self.last = nn.Linear(288, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Normalized pixels (B, 1, 28, 28) to logits (B, 10)."""
        x = F.relu(self.second(F.relu(self.first(x))))
        return self.last(F.adaptive_avg_pool2d(x, 3).flatten(1))


def make() -> nn.Module:
    """What MODEL names: a function without arguments that returns the network."""
    return Small()


def train() -> nn.Module:
    """Somebody's own training, without neocog but for the digits."""
    torch.manual_seed(0)
    net = make()
    split = neocog.open_data("digits").splits["train"]
    x = (torch.tensor(split.x).permute(0, 3, 1, 2) / 255 - MEAN) / STD
    y = torch.tensor(split.y)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for _ in range(4):
        for rows in torch.randperm(len(y)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
    return net


def main() -> None:
    """Save a checkpoint as people do, and score it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "checkpoint.pt"
        state = {f"module.{name}": values for name, values in train().state_dict().items()}
        torch.save({"epoch": 4, "state_dict": state}, file)
        options = {"weights": file, "size": (1, 28, 28), "mean": [MEAN], "std": [STD]}
        # On the command line:
        # neocog evaluate own_model:make digits --weights checkpoint.pt --size 1,28,28 …
        score = neocog.evaluate("own_model:make", "digits", **options)
        print(f"with its own normalization: {score.accuracy:.1%}")
        answer = neocog.predict("own_model:make", _seven(Path(folder)), **options)[0]
        print(f"a seven is taken for a {answer.label}")


def _seven(folder: Path) -> Path:
    """An image of a seven."""
    from PIL import Image

    split = neocog.open_data("digits").splits["test"]
    row = int((split.y == 7).argmax())
    Image.fromarray(split.x[row, :, :, 0]).save(folder / "seven.png")
    return folder / "seven.png"


if __name__ == "__main__":
    main()
