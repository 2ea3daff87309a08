"""Chapter C: activations, pools, normalization, residual connections, losses, optimizers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from neocog.exhibits import Curve, Gallery, Table
from neocog.layers.pnorm import p_norm_pool
from neocog.layers.residual import BasicBlock
from neocog.lectures.evidence import Comparison, Evidence, LectureClaim, numbers
from neocog.lectures.material import Material, ShortTraining, accuracy_of, train_network
from neocog.networks.catalog import schema
from neocog.render.pixels import as_image, enlarged
from neocog.tasks.classify import loss
from neocog.training.priors import LabeledImages, gradient_norms

__all__ = ["CLAIMS"]

ROUNDING = 1e-5
"""Of single precision, for values around 1."""

POOLED = ("lenet5_modern", "convnet", "alexnet", "vgg11")
"""Networks with pools between their convolutions."""

MATRIX = ((6, 1, 2, 4), (1, 6, 7, 8), (3, 5, 2, 0), (1, 2, 3, 4))
"""The map that the lectures pool."""


def activations(material: Material) -> Evidence:
    """C1: ReLU, GELU and sigmoid by their formulas."""
    at = (-2.0, -1.0, 0.0, 1.0, 2.0)
    x = torch.tensor(at, dtype=torch.float64)
    by_hand = {
        "ReLU": tuple(max(0.0, v) for v in at),
        "GELU": tuple(v / 2 * (1 + math.erf(v / math.sqrt(2))) for v in at),
        "sigmoid": tuple(1 / (1 + math.exp(-v)) for v in at),
    }
    values = {"ReLU": F.relu(x), "GELU": F.gelu(x), "sigmoid": torch.sigmoid(x)}
    line = torch.linspace(-4, 4, 81, dtype=torch.float64)
    lines = {"ReLU": F.relu(line), "GELU": F.gelu(line), "sigmoid": torch.sigmoid(line)}
    return Evidence(
        measured_on="the numbers −2 to 2",
        comparisons=tuple(
            Comparison(name=name, value=numbers(values[name]), expected=expected, deck=True,
                tolerance=1e-12)
            for name, expected in by_hand.items()
        ),
        exhibits=[
            Curve(title="activations", x=line.tolist(), x_label="input", y_label="output",
                lines={k: v.tolist() for k, v in lines.items()}),
        ],
    )  # fmt: skip


def pools(material: Material) -> Evidence:
    """C2: maximum, average and the p-norms between them."""
    x = torch.tensor(MATRIX, dtype=torch.float64)[None, None]
    nine = torch.arange(9.0)[None, None].view(1, 1, 3, 3)
    image = material.image[None].double()
    powers = (1.0, 2.0, 4.0, math.inf)
    family = [p_norm_pool(image, p, kernel_size=2) for p in powers]
    rising = min(float((b - a).min()) for a, b in itertools.pairwise(family))
    return Evidence(
        measured_on=f"the map of the lectures, and the image of most contrast of {material.named}",
        comparisons=(
            Comparison(name="maximum, 2×2", value=numbers(F.max_pool2d(x, 2)[0, 0]),
                expected=((6, 8), (5, 4)), deck=True),
            Comparison(name="average, 2×2", value=numbers(F.avg_pool2d(x, 2)[0, 0]),
                expected=((3.5, 5.25), (2.75, 2.25)), deck=True),
            Comparison(name="maximum of 0 to 8, 2×2, stride 1",
                value=numbers(F.max_pool2d(nine, 2, 1)[0, 0]), expected=((4, 5), (7, 8)),
                deck=True),
            Comparison(name="p = 1 less the average", expected=1e-6, relation="<=",
                value=float((family[0] - F.avg_pool2d(image, 2)).abs().max())),
            Comparison(name="p = ∞ less the maximum", expected=1e-6, relation="<=",
                value=float((family[-1] - F.max_pool2d(image, 2)).abs().max())),
            Comparison(name="least growth with p", value=rising, expected=-1e-9, relation=">="),
        ),
        exhibits=[
            Gallery(title="p-norm pools", captions=["image", "p = 1", "p = 2", "p = 4", "p = ∞"],
                images=[as_image(material.image),
                        *(enlarged(as_image(f[0].clamp(0, 1)), 2) for f in family)]),
        ],
    )  # fmt: skip


def strided_pool(material: Material) -> Evidence:
    """C3: a strided convolution in place of a pool."""
    left, rows = 0, list[tuple[str, int, int]]()
    for name in POOLED:
        assert any(option.name == "pool" for option in schema(name))
        options = {"pool": "conv"} | ({"hidden": 16} if name in ("alexnet", "vgg11") else {})
        net = material.build(name, options)
        pools = sum(isinstance(m, (nn.MaxPool2d, nn.AvgPool2d)) for m in net.modules())
        strides = sum(isinstance(m, nn.Conv2d) and max(m.stride) > 1 for m in net.modules())
        left += pools
        rows.append((name, strides, pools))
    return Evidence(
        measured_on=f"networks for {material.named}",
        comparisons=(
            Comparison(name=f"pools left in {len(POOLED)} networks with pool=conv", value=left,
                expected=0),
            Comparison(name="networks with a strided convolution instead",
                value=sum(bool(r[1]) for r in rows), expected=len(POOLED)),
        ),
        exhibits=[Table(title="networks", rows=rows,
            columns=("network", "strided convolutions", "pools"))],
        note="Residual networks downsample by strided convolutions as published.",
    )  # fmt: skip


def head_layers(material: Material) -> Evidence:
    """C4: flatten, fully connected, softmax, dropout."""
    net = material.classifier
    with torch.inference_mode():
        logits = net(material.test.x[:100])
    p = logits.softmax(1)
    dropout = nn.Dropout(0.3)
    ones = torch.ones(100_000)
    dropped = dropout.train()(ones)
    return Evidence(
        measured_on=f"100 held-out images of {material.named}",
        comparisons=(
            Comparison(name="outputs of the classifier", value=logits.shape[1],
                expected=material.num_classes),
            Comparison(name="largest |Σ softmax − 1|", expected=ROUNDING, relation="<=",
                value=float((p.sum(1) - 1).abs().max())),
            Comparison(name="dropout 0.3 in training: fraction of zeros",
                value=float((dropped == 0).double().mean()), expected=0.3, tolerance=0.01),
            Comparison(name="and the mean stays", value=float(dropped.mean()), expected=1.0,
                tolerance=0.02),
            Comparison(name="dropout at inference: largest change", expected=0.0,
                value=float((dropout.eval()(ones) - ones).abs().max())),
        ),
    )  # fmt: skip


def batch_norm(material: Material) -> Evidence:
    """C5: batch normalization by its formula, and the gradient through depth."""
    x = torch.randn(32, 4, 6, 6, dtype=torch.float64) * 3 + 5
    norm = nn.BatchNorm2d(4).double()
    out = norm.train()(x).detach()
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    by_hand = (x - mean) / (var + norm.eps).sqrt()
    running = norm.running_mean
    assert running is not None
    inference = norm.eval()(x).detach()
    norms = _depth_norms(material)
    return Evidence(
        measured_on=f"noise, and deep networks on {material.named}",
        comparisons=(
            Comparison(name="formula over batch and space less the layer", expected=1e-10,
                relation="<=", value=float((out - by_hand).abs().max())),
            Comparison(name="running mean after one batch, over 0.1 × the mean of the batch",
                value=float((running / (0.1 * mean.flatten())).mean()), expected=1.0,
                tolerance=1e-6),
            Comparison(name="inference differs from training", expected=0.1, relation=">",
                value=float((inference - out).abs().max())),
            Comparison(name="gradient of the first over the last layer, with batch norm",
                value=_ratio(norms["deep, batch norm"]), expected=_ratio(norms["deep"]),
                relation=">"),
        ),
        exhibits=[_depth_curve(norms)],
    )  # fmt: skip


def residual(material: Material) -> Evidence:
    """C6: a residual connection lets the gradient pass."""
    block = BasicBlock(4, 4, stride=1, downsampling="stride", padding="zeros").eval()
    for m in block.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.zeros_(m.weight)
    x = torch.rand(2, 4, 8, 8)
    with torch.no_grad():
        same = float((block(x) - x).abs().max())
    norms = _depth_norms(material)
    return Evidence(
        measured_on=f"a block whose convolutions are zero, and deep networks on {material.named}",
        comparisons=(
            Comparison(name="f = 0: largest |block(x) − x|", value=same, expected=0.0, deck=True),
            Comparison(name="gradient of the first over the last layer, with residual connections",
                value=_ratio(norms["deep, residual"]), expected=10 * _ratio(norms["deep"]),
                relation=">"),
        ),
        exhibits=[_depth_curve(norms)],
        note="Twelve convolutions with random weights; must be ten times that without.",
    )  # fmt: skip


def losses(material: Material) -> Evidence:
    """C7: cross-entropy and mean squared error."""
    k = material.num_classes
    even = loss("cross_entropy", torch.zeros(1, k), torch.tensor([0]))
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    exponentials = [math.exp(v) for v in (2.0, 0.0, -1.0)]
    total = sum(exponentials)
    p = [e / total for e in exponentials]
    squared = ((1 - p[0]) ** 2 + p[1] ** 2 + p[2] ** 2) / 3
    return Evidence(
        measured_on="logits by hand",
        comparisons=(
            Comparison(name=f"cross-entropy of {k} equal logits", value=float(even),
                expected=math.log(k), tolerance=ROUNDING),
            Comparison(name="cross-entropy of (2, 0, −1), class 0", expected=-math.log(p[0]),
                value=float(loss("cross_entropy", logits, torch.tensor([0]))),
                tolerance=ROUNDING),
            Comparison(name="mean squared error of its probabilities", expected=squared,
                value=float(loss("mean_squared_error", logits, torch.tensor([0]))),
                tolerance=ROUNDING),
            Comparison(name="mean squared error of a regression, (1, 2) against (0, 4)",
                value=float(F.mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]))),
                expected=2.5),
        ),
    )  # fmt: skip


def optimizers(material: Material) -> Evidence:
    """C8: random weights learn by backpropagation, with SGD and with Adam."""
    before, after = {}, {}
    test = material.test
    chance = float(test.y.bincount().max()) / len(test.y)
    for name, lr in (("sgd", 0.05), ("adamw", 3e-3)):
        net = material.build("lenet5_modern")
        before[name] = accuracy_of(net, test.x, test.y)
        how = ShortTraining(steps=80, lr=lr, optimizer=name, seed=material.seed)
        after[name] = accuracy_of(train_network(net, material.train, how), test.x, test.y)
    return Evidence(
        measured_on=f"{len(material.train.y):,} images of {material.named}, 80 steps",
        comparisons=tuple(
            Comparison(name=f"{name}: held-out accuracy", value=after[name], unit="%",
                expected=max(chance, before[name]) + 0.05, relation=">")
            for name in after
        ),
        note="Must be five points above that of the random weights, and of always predicting the "
        "most frequent class.",
    )  # fmt: skip


def learning_system(material: Material) -> Evidence:
    """C9: feature extractor, head, optimization."""
    test = material.test
    accuracy = accuracy_of(material.classifier, test.x, test.y)
    chance = float(test.y.bincount().max()) / len(test.y)
    return Evidence(
        measured_on=f"{len(test.y)} held-out images of {material.named}",
        comparisons=(
            Comparison(name="classification: held-out accuracy", value=accuracy, unit="%",
                expected=chance + 0.1, relation=">"),
        ),
        missing="heads for regression, dense prediction, detection, captions and synthesis, "
        "which are not trained in this version",
    )  # fmt: skip


def _depth_norms(material: Material) -> dict[str, tuple[float, ...]]:
    return material.once("depth norms", lambda: _measured_norms(material))


def _measured_norms(material: Material) -> dict[str, tuple[float, ...]]:
    part = material.train
    samples = LabeledImages(
        x=part.x,
        y=np.asarray(part.y),
        num_classes=material.num_classes,
        held_out=100,
        rows=np.arange(len(part.y)),
    )
    return gradient_norms(samples, seeds=2)


def _ratio(norms: tuple[float, ...]) -> float:
    return norms[0] / norms[-1]


def _depth_curve(norms: dict[str, tuple[float, ...]]) -> Curve:
    return Curve(
        title="gradient norm through depth",
        x=list(range(1, 1 + max(map(len, norms.values())))),
        lines=norms,
        x_label="convolution, from the image on",
        y_label="gradient norm",
        log_y=True,
        note="Random weights, one batch of 256 images.",
    )


CLAIMS = (
    LectureClaim(id="C1", decks=(2,), measure=activations,
        text="ReLU, GELU and sigmoid have the values of their formulas."),
    LectureClaim(id="C2", decks=(0, 2, 3, 4), measure=pools,
        text="Pools take the maximum, the average or a p-norm of each window."),
    LectureClaim(id="C3", decks=(4,), measure=strided_pool,
        text="A pool may be replaced by a strided convolution."),
    LectureClaim(id="C4", decks=(1, 4), measure=head_layers, slow=True,
        text="Flatten, fully connected layers, softmax and dropout make a head."),
    LectureClaim(id="C5", decks=(3,), measure=batch_norm,
        text="Batch norm standardizes each channel over batch and space; inference uses averages."),
    LectureClaim(id="C6", decks=(3,), measure=residual,
        text="Through f(x) + x the gradient flows as if the layer were not there."),
    LectureClaim(id="C7", decks=(2, 4), measure=losses,
        text="Cross-entropy is the loss of classes, mean squared error that of numbers."),
    LectureClaim(id="C8", decks=(4,), measure=optimizers, slow=True,
        text="Weights start random and learn by backpropagation, with SGD or Adam."),
    LectureClaim(id="C9", decks=(2, 4), measure=learning_system, slow=True,
        text="A feature extractor, a head for the task and optimization make a learning system."),
)  # fmt: skip
"""In reading order."""
