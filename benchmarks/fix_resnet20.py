"""An external ResNet-20, fixed: shifts, accuracy, and the time of the fine-tune.

The weights were published by somebody else and are read into a network that knows nothing of this
package. It is fixed twice, with polyphase sampling and borders that wrap around, and with blurs;
each is fine-tuned on the 50,000 training images and measured on the 10,000 test images, once.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import DATA, Results, Row, say, usual_options
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.cli.memory import keep_freed_memory
from neocog.data.batches import pixels
from neocog.models.model import Model
from neocog.runs.load import load
from neocog.verbs.fix import Fixed, fix

WAYS: dict[str, dict[str, Any]] = {
    "polyphase": {"downsampling": "polyphase", "padding": "circular"},
    "blur": {"downsampling": "blur", "padding": "keep"},
}
"""Part to what is asked of the fix."""

EPOCHS = {"polyphase": 4.5, "blur": 12.0}
"""Part to the length of its fine-tune; the first has a limit of time, see the table."""

STEADY = {"polyphase": 0.0, "blur": 15.0}
"""Part to how strongly two views of an image are drawn to each other."""

MODES = ("circular", "crop")
"""Ways of shifting that all test images are shown in."""

LOOKED_AT = 16
"""Images that are shown at every one of the 1,024 shifts."""


class Block(nn.Module):
    """Two 3×3 convolutions; the short cut downsamples by slicing and adds zero channels."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.quarter = outputs // 4 if outputs != inputs else 0

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.quarter:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.quarter, self.quarter))
        return F.relu(y + x)


class ResNet20(nn.Module):
    """K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(Block(16, 16, 1) for _ in range(3)))
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 32, 1))
        self.layer3 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1), Block(64, 64, 1))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = F.avg_pool2d(x, x.size()[3])
        return self.linear(x.view(x.size(0), -1))


def packed(folder: Path, place: Path) -> Path:
    """CIFAR-10 as one .npz, from sheets of 20×50 images or from a folder that has it already."""
    if place.suffix == ".npz":
        return place
    labels = np.load(place / "labels.npz")
    arrays = {}
    for split in ("train", "test"):
        sheets = sorted(place.glob(f"{split}_*.webp"))
        arrays[f"x_{split}"] = np.concatenate([_images(s) for s in sheets])
        arrays[f"y_{split}"] = labels[f"{split}_labels"].astype(np.int64)
    file = folder / "cifar10.npz"
    np.savez(file, **arrays)
    return file


def _images(sheet: Path) -> np.ndarray:
    with Image.open(sheet) as image:
        tiles = np.asarray(image.convert("RGB")).reshape(20, 32, 50, 32, 3).swapaxes(1, 2)
    return tiles.reshape(1000, 32, 32, 3)


def external_resnet20(weights: Path) -> Model:
    """The network as it was published."""
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    place = f"{Path(__file__).stem}:ResNet20"
    return load(place, weights=weights, size=(3, 32, 32), mean=mean, std=std, classes=10)


@torch.no_grad()
def all_shifts(done: Fixed, data: Path) -> dict[str, Any]:
    """Largest difference of logits, and predictions that flip, over all circular shifts."""
    assert done.model is not None
    x = pixels(done.model.samples(data).split, slice(0, LOOKED_AT))
    model = done.model.module.eval()
    here, worst, changed = model(x), 0.0, 0
    for rows in range(32):
        moved = torch.cat([torch.roll(x, (rows, columns), (2, 3)) for columns in range(32)])
        there = model(moved).view(32, len(x), -1)
        worst = max(worst, float((there - here).abs().max()))
        changed += int((there.argmax(2) != here.argmax(1)).sum())
    return {"images": len(x), "shifts": 1024, "largest_difference": worst, "changed": changed}


def length(way: str, given: argparse.Namespace) -> float:
    """Epochs of a part's fine-tune."""
    return EPOCHS[way] if given.epochs is None else float(given.epochs)


def measure(way: str, given: argparse.Namespace, data: Path, folder: Path) -> dict[str, Any]:
    """One fix, and what came of it."""
    done = fix(
        external_resnet20(given.weights),
        data,
        **WAYS[way],
        finetune=length(way, given),
        lr=given.lr,
        consistency_weight=STEADY[way],
        keep="fixed",
        shift=MODES,
        n=None,
        out=folder / way,
        progress=lambda event: say(f"  {event}") if isinstance(event, (str, dict)) else None,
    )
    plain = done.to_json()
    plain.pop("run")
    return {**plain, "all_shifts": all_shifts(done, data)}


def rows(parts: dict[str, Any]) -> list[Row]:
    """The table's lines."""
    out = []
    if part := parts.get("polyphase"):
        a, b, seen = part["before"], part["after"], part["all_shifts"]
        same = b["shift"]["circular"]["consistency"]
        minutes = part["finetune"]["seconds"] / 60
        exact = same == 1.0 and seen["changed"] == 0 and seen["largest_difference"] <= 1e-5
        out.append(
            Row(
                what="an external ResNet-20 on CIFAR-10 after `fix --downsampling polyphase "
                "--padding circular`: circular consistency, logits at all 1,024 shifts",
                reach="100.00 %, equal to 1e-5",
                measured=f"{same:.2%} of {b['n']:,} (before {_same(a, 'circular')}); logits differ "
                f"by {seen['largest_difference']:.1e} at most",
                met=exact,
            )
        )
        out.append(
            Row(
                what="the same: accuracy, fine-tune on two cores",
                reach="within 0.5 points of before, ≤ 15 min",
                measured=f"{b['accuracy']:.2%} (before {a['accuracy']:.2%}), {minutes:.1f} min",
                met=b["accuracy"] >= a["accuracy"] - 0.005 and minutes <= 15,
            )
        )
    if part := parts.get("blur"):
        a, b = part["before"], part["after"]
        flips = [p["shift"]["crop"]["flip_rate"] for p in (a, b)]
        minutes = part["finetune"]["seconds"] / 60
        out.append(
            Row(
                what="an external ResNet-20 on CIFAR-10 after `fix --downsampling blur`: "
                "predictions that flip between two crops; accuracy",
                reach="at least halved; not lower",
                measured=f"{flips[1]:.2%} (before {flips[0]:.2%}); {b['accuracy']:.2%} (before "
                f"{a['accuracy']:.2%}); {minutes:.0f} min, cores: {part['at']['cores']}",
                met=flips[1] <= flips[0] / 2 and b["accuracy"] >= a["accuracy"],
            )
        )
    return out


def _same(part: dict[str, Any], mode: str) -> str:
    return f"{part['shift'][mode]['consistency']:.2%}"


def main() -> None:
    options = usual_options(__doc__)
    options.add_argument("--data", type=Path, default=DATA / "cifar10", help="sheets, or an .npz")
    weights = DATA.parent / "models" / "resnet20-cifar10" / "resnet20-12fca82f.th"
    options.add_argument("--weights", type=Path, default=weights)
    options.add_argument("--epochs", type=float, help="of the fine-tune, not the usual")
    options.add_argument("--lr", type=float, default=0.05, help="0 for what trials find")
    options.add_argument("--part", choices=tuple(WAYS), help="one part alone")
    given = options.parse_args()
    keep_freed_memory()
    protocol = {"epochs": given.epochs, "lr": given.lr, "ways": WAYS, "modes": MODES}
    kept = Results(
        "fix_resnet20",
        "What do polyphase sampling and blurs make of an external trained ResNet-20?",
        protocol,
        fresh=given.fresh,
        save=not given.trial,
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data = packed(folder, given.data)
        for way in (given.part,) if given.part else WAYS:
            tuned = kept.parts.get(way, {}).get("finetune", {})
            if [tuned.get("epochs"), tuned.get("consistency_weight", 0.0)] != [
                length(way, given),
                STEADY[way],
            ]:
                kept.parts.pop(way, None)  # measured with another fine-tune
            kept.part(way, lambda way=way: measure(way, given, data, folder))
    kept.write(rows(kept.parts))


if __name__ == "__main__":
    main()
