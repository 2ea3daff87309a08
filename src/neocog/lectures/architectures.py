"""Chapter D: networks that mark the way, as published."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from neocog.audits.shift import shift_consistency
from neocog.exhibits import Bars, Table
from neocog.lectures.evidence import Comparison, Evidence, LectureClaim, largest
from neocog.lectures.material import Material, ShortTraining, accuracy_of, train_network
from neocog.networks.catalog import build

__all__ = ["CLAIMS"]

LENET5 = (156, 12, 1_516, 32, 48_120, 10_164)
"""Trainable parameters of the layers of LeNet-5, as published."""


def dense_baseline(material: Material) -> Evidence:
    """D1: fully connected networks."""
    c, h, w = material.shape
    pixels, k = c * h * w, material.num_classes
    comparisons = []
    for hidden in ((1,), (100,), (10, 10)):
        sizes = (pixels, *hidden, k)
        by_hand = sum(a * b + b for a, b in itertools.pairwise(sizes))
        comparisons.append(
            Comparison(name=f"hidden units {' × '.join(map(str, hidden))}: parameters",
                value=_params(material.build("dense", {"hidden": hidden})), expected=by_hand)
        )  # fmt: skip
    net = train_network(
        material.build("dense", {"hidden": (100,)}), material.train, ShortTraining(steps=150)
    )
    comparisons.append(
        Comparison(name="100 hidden units: held-out accuracy", expected=0.5, relation=">",
            value=accuracy_of(net, material.test.x, material.test.y), unit="%")
    )  # fmt: skip
    return Evidence(
        measured_on=f"{material.named}, {len(material.train.y):,} images",
        comparisons=tuple(comparisons),
        note="That one hidden layer approximates any function is shown by H5.",
    )


def lenet5(material: Material) -> Evidence:
    """D2: LeNet-5 as published."""
    net = build("lenet5", num_classes=10, in_channels=1, size=(28, 28))
    by_layer = [n for n in (_own(m) for m in net.children()) if n]
    trained = material.trained("lenet5")
    accuracy = accuracy_of(trained, material.test.x, material.test.y)
    return Evidence(
        measured_on=f"the published network, trained on {len(material.train.y):,} images of "
        f"{material.named}",
        comparisons=(
            Comparison(name="trainable parameters", value=_params(net), expected=60_000,
                deck=True),
            Comparison(name="by layer", value=tuple(by_layer), expected=LENET5, deck=True),
            Comparison(name="held-out accuracy", value=accuracy, expected=0.8, relation=">",
                unit="%"),
        ),
        exhibits=[Table(title="layers", columns=("parameters",), rows=[[n] for n in by_layer])],
        note="The 0.95 % of the paper are of 60,000 images and many epochs; "
        "docs/reference/benchmarks.md has what is measured on these.",
    )  # fmt: skip


def neocognitron(material: Material) -> Evidence:
    """D3: S-cells and C-cells without backpropagation."""
    return Evidence(
        measured_on="nothing",
        missing="the Neocognitron, which is not a network of this version",
    )


def alexnet(material: Material) -> Evidence:
    """D4: AlexNet."""
    sizes = {}
    with torch.device("meta"):
        for name in ("alexnet", "alexnet_2012"):
            sizes[name] = _params(
                build(name, num_classes=1000, in_channels=3, size=(224, 224), options={})
            )
    net = material.build("alexnet", {"hidden": 64, "dropout": 0.0})
    before = _loss(net, material)
    train_network(net, material.train, ShortTraining(steps=20, lr=1e-3, seed=material.seed))
    after = _loss(net, material)
    return Evidence(
        measured_on=f"the published sizes, and a narrow head on {material.named}",
        comparisons=(
            Comparison(name="parameters, two towers (2012)", value=sizes["alexnet_2012"],
                expected=60_965_224),
            Comparison(name="parameters, one tower", value=sizes["alexnet"],
                expected=61_100_840),
            Comparison(name="held-out loss after 20 steps", value=after, expected=before,
                relation="<"),
        ),
        note="With 64 hidden units in place of 4,096, so that it takes seconds.",
    )  # fmt: skip


def deep_stacks(material: Material) -> Evidence:
    """D5: small kernels in a stack, residual networks with batch norm."""
    counts, kernels, norms = {}, 0, 0
    with torch.device("meta"):
        for name in ("vgg16", "resnet18"):
            net = build(name, num_classes=1000, in_channels=3, size=(224, 224), options={})
            counts[name] = _params(net)
            if name == "vgg16":
                kernels = max(max(m.kernel_size) for m in net.modules()
                              if isinstance(m, nn.Conv2d))  # fmt: skip
            else:
                norms = sum(isinstance(m, nn.BatchNorm2d) for m in net.modules())
    net = train_network(
        material.build("resnet20"), material.train, ShortTraining(steps=40, seed=material.seed)
    )
    accuracy = accuracy_of(net, material.test.x, material.test.y)
    return Evidence(
        measured_on=f"the published sizes, and a ResNet-20 on {material.named}, 40 steps",
        comparisons=(
            Comparison(name="parameters of VGG-16", value=counts["vgg16"], expected=138_357_544),
            Comparison(name="its largest kernel", value=kernels, expected=3),
            Comparison(name="parameters of ResNet-18", value=counts["resnet18"],
                expected=11_689_512),
            Comparison(name="its batch norms", value=norms, expected=20),
            Comparison(name="ResNet-20: held-out accuracy", value=accuracy, expected=0.3,
                relation=">", unit="%"),
        ),
    )  # fmt: skip


def harmonic(material: Material) -> Evidence:
    """D6: circular harmonics."""
    x = material.test.x[:32].contiguous()
    changes: dict[str, list[float]] = {}
    networks = {"harmonic": material.build("hnet"), "LeNet-5": material.build("lenet5_modern")}
    for name, net in networks.items():
        with torch.no_grad():
            y = net(x)
            scale = float((y - y.mean(0)).norm())
            changes[name] = [
                float((net(torch.rot90(x, k, (2, 3))) - y).norm()) / scale for k in (1, 2, 3)
            ]
    return Evidence(
        measured_on=f"32 images of {material.named}, networks with random weights",
        comparisons=(
            Comparison(
                name="harmonic network: largest change under quarter turns",
                value=largest(changes["harmonic"]),
                expected=1e-4,
                relation="<=",
            ),
            Comparison(
                name="LeNet-5: least change",
                value=min(changes["LeNet-5"]),
                expected=0.1,
                relation=">",
            ),
        ),
        exhibits=[
            Bars(
                title="change of the output under quarter turns",
                names=["90°", "180°", "270°"],
                series=changes,
            ),
        ],
        missing="the error of a trained harmonic network on rotated MNIST, 1.69 % in the paper",
        note="‖f(T x) − f(x)‖ over the spread of f. All angles: E6; training it: "
        "`neocog train digits --model hnet`.",
    )


def anti_aliased(material: Material) -> Evidence:
    """D7: blur, then downsample."""
    rows, test = {}, material.test
    for name in ("stride", "blur"):
        net = material.trained("lenet5_modern", {"downsampling": name})
        shift = shift_consistency(net, test.samples, max_shift=3, seed=material.seed)
        rows[name] = (shift.consistency, accuracy_of(net, test.x, test.y))
    return Evidence(
        measured_on=f"LeNet-5, trained twice on {len(material.train.y):,} images of "
        f"{material.named}",
        comparisons=(
            Comparison(name="circular shift consistency with blur", value=rows["blur"][0],
                expected=rows["stride"][0], relation=">", unit="%"),
            Comparison(name="accuracy with blur", value=rows["blur"][1],
                expected=rows["stride"][1] - 0.02, relation=">", unit="%"),
        ),
        exhibits=[
            Bars(title="with and without blur", names=["consistency", "accuracy"], unit="%",
                series={name: list(values) for name, values in rows.items()}, high=1.0),
        ],
        note="Accuracy may be two points lower at most.",
    )  # fmt: skip


def _params(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def _own(layer: nn.Module) -> int:
    return sum(p.numel() for p in layer.parameters() if p.requires_grad)


def _loss(net: nn.Module, material: Material) -> float:
    with torch.inference_mode():
        return float(F.cross_entropy(net(material.test.x[:100]), material.test.y[:100]))


CLAIMS = (
    LectureClaim(id="D1", decks=(2, 4), measure=dense_baseline, slow=True,
        text="A fully connected network is the baseline; its parameters follow from its layers."),
    LectureClaim(id="D2", decks=(2, 4), measure=lenet5, slow=True,
        text="LeNet-5 as published has 60,000 trainable parameters and reads digits."),
    LectureClaim(id="D3", decks=(4,), measure=neocognitron,
        text="The Neocognitron recognizes digits without backpropagation, wherever they stand."),
    LectureClaim(id="D4", decks=(4,), measure=alexnet, slow=True,
        text="AlexNet made it work at scale: its published size, and it trains."),
    LectureClaim(id="D5", decks=(1, 3, 4), measure=deep_stacks, slow=True,
        text="VGG stacks small kernels; ResNet adds shortcuts and batch norm."),
    LectureClaim(id="D6", decks=(4,), measure=harmonic,
        text="Harmonic networks are equivariant to translation and all rotations."),
    LectureClaim(id="D7", decks=(4,), measure=anti_aliased, slow=True,
        text="Blur before downsampling makes predictions more consistent at equal accuracy."),
)  # fmt: skip
"""In reading order."""
