"""Chapter E: symmetry, measured."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.audits.aliasing import aliasing
from neocog.audits.elastic import elastic
from neocog.audits.layers import LayerError, layer_errors
from neocog.audits.shift import shift_consistency
from neocog.exhibits import Bars, Curve, Map, Table
from neocog.layers.blur import BlurPool
from neocog.layers.polyphase import PolyphaseDown
from neocog.layers.steerable import SteerableConv2d
from neocog.layers.subsample import Subsample
from neocog.lectures.evidence import Comparison, Evidence, LectureClaim, largest, numbers
from neocog.lectures.material import Material, ShortTraining, train_network
from neocog.symmetry.fields import irrep_field, trivial_field
from neocog.symmetry.groups import group_of
from neocog.symmetry.motion import QuarterTurn, rotation_by

__all__ = ["CLAIMS"]

SIGNAL = (0, 0, 1, 1, 0, 0, 1, 1, 0, 0)
"""The square signal of the lectures, two samples high and two low."""

ROUNDING = 1e-4
"""Relative, of single precision through a few layers."""


def shifts(material: Material) -> Evidence:
    """E1: invariance of classifiers, equivariance of segmenters, layer by layer."""
    few = material.test.first(16)
    options = {"downsampling": "polyphase", "padding": "circular", "widths": (8, 16, 16),
        "depths": (1, 1, 1), "stem": "full"}  # fmt: skip
    exact = material.build("convnet", options)
    sizes = [n for n in material.size if n % 8]
    data = few.x[..., : material.size[0] // 8 * 8, : material.size[1] // 8 * 8] if sizes else few.x
    invariant = shift_consistency(exact, data.contiguous(), grid=None, grid_samples=4,
        seed=material.seed)  # fmt: skip
    segmenter = nn.Sequential(
        nn.Conv2d(material.in_channels, 8, 3, padding=1, padding_mode="circular"), nn.ReLU(),
        nn.Conv2d(8, 3, 3, padding=1, padding_mode="circular"),
    )  # fmt: skip
    with torch.no_grad():
        y = segmenter(few.x)
        worst = largest(
            float((segmenter(few.x.roll(v, (2, 3))) - y.roll(v, (2, 3))).abs().max())
            for v in itertools.product(range(0, material.size[0], 3), repeat=2)
        )
    usual = shift_consistency(
        material.classifier, material.test.samples, max_shift=3, seed=material.seed
    )
    layers = layer_errors(material.classifier, few.samples, seed=material.seed)
    return Evidence(
        measured_on=f"networks on {material.named}",
        comparisons=(
            Comparison(name="polyphase downsampling: same prediction at two shifts", unit="%",
                value=invariant.consistency, expected=1.0),
            Comparison(name="segmenter: largest f(T x) − T f(x)", value=worst, expected=ROUNDING,
                relation="<="),
            Comparison(name="a LeNet-5 is not shift-invariant: same prediction", unit="%",
                value=usual.consistency, expected=1.0, relation="<"),
            Comparison(name="its layers with an equivariance error above rounding",
                value=inexact(layers), expected=4, relation=">="),
            Comparison(name="layers with one in the network of polyphase downsampling",
                value=inexact(layer_errors(exact, data.contiguous(), seed=material.seed)),
                expected=0),
        ),
        exhibits=[
            Bars(title="equivariance error of each layer", names=[e.name for e in layers],
                series={"shift error": [e.shift_error for e in layers]}),
        ],
        note="`neocog audit MODEL DATA` measures the same of any model.",
    )  # fmt: skip


def inexact(layers: Sequence[LayerError]) -> int:
    """Layers whose equivariance error under shifts exceeds rounding.

    Args:
        layers: as audits measure them.
    """
    return sum(layer.shift_error > ROUNDING for layer in layers)


def local_invariance(material: Material) -> Evidence:
    """E2: the maximum over a window does not depend on where in it a patch stands."""
    net, side = material.classifier, material.size[0]
    layer = next(m for m in net.modules() if isinstance(m, nn.Conv2d))
    patch = F.interpolate(material.image[None], size=(8, 8), mode="bilinear")
    offsets = [(3 + i, 3 + j) for i in range(side - 14) for j in range(side - 14)][::3]
    whole, local = [], []
    with torch.no_grad():
        for down, right in offsets:
            canvas = torch.zeros(1, material.in_channels, side, side)
            canvas[:, :, down : down + 8, right : right + 8] = patch
            z = F.relu(layer(canvas))
            whole.append(z[:, :, 1:-1, 1:-1].amax((2, 3)))
            local.append(F.max_pool2d(z, 2)[0, :, side // 4, side // 4])
    first = whole[0]
    spread = largest(float((z - first).abs().max()) for z in whole) / float(first.abs().max())
    moved = float(torch.stack(local).std(0).max())
    return Evidence(
        measured_on=f"a patch of {material.named}, {len(offsets)} positions, first layer of a "
        "trained LeNet-5",
        comparisons=(
            Comparison(name="maximum over the map: largest relative change", value=spread,
                expected=ROUNDING, relation="<="),
            Comparison(name="a single 2×2 window: standard deviation over positions",
                value=moved, expected=spread, relation=">"),
        ),
        note="z(T p) = z(p) for as long as the patch stays within the window that is pooled.",
    )  # fmt: skip


def aliasing_signal(material: Material) -> Evidence:
    """E3: max-pooling of the square signal, and shifted by one."""
    x = torch.tensor([[SIGNAL]], dtype=torch.float32)
    pooled, moved = F.max_pool1d(x, 2), F.max_pool1d(x[..., 1:], 2)
    return Evidence(
        measured_on="the square signal of the lectures",
        comparisons=(
            Comparison(name="pooled by 2", value=numbers(pooled[0, 0]), expected=(0, 1, 0, 1, 0),
                deck=True),
            Comparison(name="shifted by one, pooled by 2", value=numbers(moved[0, 0]),
                expected=(1, 1, 1, 1), deck=True),
        ),
        exhibits=[
            Curve(title="signal", x=list(range(len(SIGNAL))), lines={"signal": list(SIGNAL)},
                x_label="sample", y_label="value"),
            Curve(title="after max pooling", x=list(range(5)), x_label="sample", y_label="value",
                lines={"as it is": pooled[0, 0].tolist(),
                       "shifted by one": [*moved[0, 0].tolist(), None]}),
        ],
    )  # fmt: skip


def partial_solution(material: Material) -> Evidence:
    """E4: blur reduces the error, polyphase sampling removes it."""
    part = material.test.first(32).samples
    errors = {
        name: layer_errors(nn.Sequential(m), part, max_shift=3, seed=material.seed)[0].shift_error
        for name, m in (
            ("every second sample", Subsample((2, 2))),
            ("blur, then every second", BlurPool(2, padding="circular")),
            ("polyphase", PolyphaseDown(2)),
        )
    }
    plain, blurred, exact = errors.values()
    return Evidence(
        measured_on=f"32 images of {material.named}, circular shifts",
        comparisons=(
            Comparison(name="error with blur", value=blurred, expected=plain, relation="<"),
            Comparison(name="which is not zero", value=blurred, expected=0.001, relation=">"),
            Comparison(name="error of polyphase downsampling", value=exact, expected=ROUNDING,
                relation="<="),
        ),
        exhibits=[
            Bars(title="equivariance error under shifts", names=list(errors),
                series={"‖f(T x) − T f(x)‖ / ‖f(x)‖": list(errors.values())}),
        ],
    )  # fmt: skip


def frequencies(material: Material) -> Evidence:
    """E5: which energy aliases at each downsampling."""
    part = material.test.first(32).samples
    plain = aliasing(material.classifier, part)
    blurred = aliasing(material.trained("lenet5_modern", {"downsampling": "blur"}), part)
    return Evidence(
        measured_on=f"32 images of {material.named} through a LeNet-5",
        comparisons=(
            Comparison(name="downsampling operations", value=len(plain), expected=2,
                relation=">="),
            Comparison(name="aliased energy at the first one", value=plain[0].aliased_energy,
                expected=0.01, relation=">", unit="%"),
            Comparison(name="with blur", value=blurred[0].aliased_energy, unit="%",
                expected=plain[0].aliased_energy, relation="<"),
        ),
        exhibits=[
            Map(title=f"spectrum before {a.name}", values=np.log10(a.spectrum + 1e-9),
                box=(0.5, 0.5),
                note="Logarithm of the mean power; what is outside of the frame aliases.")
            for a in (plain[0], blurred[0])
        ],
    )  # fmt: skip


def rotations(material: Material) -> Evidence:
    """E6: a usual convolution and a harmonic one under rotation."""
    so2 = group_of("so2")
    usual = nn.Conv2d(material.in_channels, 20, 7, padding=3)
    middle = irrep_field(so2, {0: 8, 1: 6})
    steerable = SteerableConv2d(trivial_field(so2, material.in_channels), middle, kernel_size=7)
    part = material.test.first(24)
    at_quarters = {
        name: layer_errors(nn.Sequential(net), part.samples, seed=material.seed)[0].rotation_error
        for name, net in (("usual", usual), ("harmonic", steerable))
    }
    angles = list(range(0, 361, 15))
    curves = {
        "usual": [_change(lambda x: usual(x).relu().mean((2, 3)), part.x, a) for a in angles],
        "harmonic": [_change(lambda x: _invariants(steerable(x)), part.x, a) for a in angles],
    }
    return Evidence(
        measured_on=f"24 images of {material.named}, random weights",
        comparisons=(
            Comparison(name="usual convolution, quarter turns: error",
                value=at_quarters["usual"] or 0.0, expected=0.1, relation=">"),
            Comparison(name="harmonic convolution, quarter turns: error",
                value=1.0 if at_quarters["harmonic"] is None else at_quarters["harmonic"],
                expected=ROUNDING, relation="<="),
            Comparison(name="harmonic over usual, mean over 0° to 360°",
                value=float(np.mean(curves["harmonic"]) / np.mean(curves["usual"])),
                expected=0.5, relation="<"),
        ),
        exhibits=[
            Curve(title="change of pooled features under rotation", x=angles, lines=curves,
                x_label="angle (°)", y_label="‖f(T x) − f(x)‖ / ‖f(x)‖"),
        ],
        note="Between quarter turns the grid and the interpolation leave an error.",
    )  # fmt: skip


def deformations(material: Material) -> Evidence:
    """E7: the distance grows with the slope of the displacement."""
    part = material.test.first(60)
    net = _invariant_network(material)
    result = elastic(net, part.samples, border="zeros", seed=material.seed)
    steps = np.diff([0.0, *result.distance])
    with torch.no_grad():
        moved = [(net(part.x.roll(v, (2, 3))) - net(part.x)).norm() for v in ((3, 0), (2, -5))]
        constant = float(torch.stack(moved).max() / net(part.x).norm())
    return Evidence(
        measured_on=f"60 images of {material.named} through a trained network with circular "
        "convolutions and a mean over the map",
        comparisons=(
            Comparison(
                name="slope of the distance over ‖∇τ‖: lower end of its 95 % CI",
                value=result.slope_ci[0],
                expected=0.0,
                relation=">",
            ),
            Comparison(
                name="least growth from one amount to the next",
                value=float(steps.min()),
                expected=0.0,
                relation=">",
            ),
            Comparison(
                name="constant τ, whole pixels: relative change of the output",
                value=constant,
                expected=ROUNDING,
                relation="<=",
            ),
        ),
        exhibits=result.exhibits(),
        note="Zero for a constant displacement holds for shift-invariant networks; a LeNet-5 is "
        "none (E1).",
    )


def _invariant_network(material: Material) -> nn.Module:
    """Trained; its output is the same for every circular shift by whole pixels."""
    net = nn.Sequential(
        nn.Conv2d(material.in_channels, 12, 5, padding=2, padding_mode="circular"), nn.ReLU(),
        nn.Conv2d(12, 16, 5, padding=2, padding_mode="circular"), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, material.num_classes),
    )  # fmt: skip
    return train_network(net, material.train, ShortTraining(steps=60, seed=material.seed))


def group_structure(material: Material) -> Evidence:
    """E8: rotations form a group."""
    x = material.image[None]

    def turned(k: int, mirrored: bool, image: Tensor) -> Tensor:
        return QuarterTurn(torch.tensor([k]), mirrored)(image)

    wrong = sum(
        not torch.equal(turned(a, False, turned(b, False, x)), turned((a + b) % 4, False, x))
        for a in range(4) for b in range(4)
    )  # fmt: skip
    d4 = group_of("d4")
    table = [[d4.product(a, b) for b in range(d4.order)] for a in range(d4.order)]
    order = range(d4.order)
    associative = sum(
        table[table[a][b]][c] != table[a][table[b][c]] for a in order for b in order for c in order
    )
    inverse = sum(table[a][d4.inverse(a)] != table[0][0] for a in order)
    return Evidence(
        measured_on=f"the image of most contrast of {material.named}, and the group D4",
        comparisons=(
            Comparison(name="quarter turns whose composition is another image", value=wrong,
                expected=0),
            Comparison(name="products outside of D4", expected=0,
                value=sum(not 0 <= p < d4.order for row in table for p in row)),
            Comparison(name="products of three that depend on the bracket", value=associative,
                expected=0),
            Comparison(name="elements without their inverse", value=inverse, expected=0),
        ),
        exhibits=[Table(title="products of D4", columns=[str(b) for b in order], rows=table)],
    )  # fmt: skip


def _invariants(maps: Tensor) -> Tensor:
    """Pooled magnitudes: 8 scalars, then 6 pairs of channels of order 1."""
    scalars, pairs = maps[:, :8].relu(), maps[:, 8:]
    length = (pairs[:, 0::2].square() + pairs[:, 1::2].square()).sqrt()
    return torch.cat([scalars, length], 1).mean((2, 3))


def _change(features: Callable[[Tensor], Tensor], x: Tensor, angle: float) -> float:
    """Of features of what lies within a disc, which a rotation neither cuts nor fills."""
    down, right = (torch.linspace(-1, 1, n) for n in x.shape[2:])
    x = x * ((0.9 - (down[:, None] ** 2 + right**2).sqrt()) * 5).clamp(0, 1)
    with torch.no_grad():
        one, other = features(x), features(rotation_by(angle, border="zeros")(x))
    return float(((one - other).norm(dim=1) / one.norm(dim=1)).mean())


CLAIMS = (
    LectureClaim(id="E1", decks=(0, 4), measure=shifts, slow=True,
        text="Classifiers should be shift-invariant, segmenters shift-equivariant."),
    LectureClaim(id="E2", decks=(0,), measure=local_invariance, slow=True,
        text="Features of a patch may be locally invariant: z(T p) = z(p)."),
    LectureClaim(id="E3", decks=(4,), measure=aliasing_signal,
        text="A pooled signal of two high, two low turns into all ones when shifted by one."),
    LectureClaim(id="E4", decks=(4,), measure=partial_solution,
        text="Blur before downsampling is a partial solution; an exact one exists."),
    LectureClaim(id="E5", decks=(4,), measure=frequencies, slow=True,
        text="Downsampling keeps some frequencies of a feature map and aliases others."),
    LectureClaim(id="E6", decks=(4,), measure=rotations,
        text="Usual convolutions are not rotation-equivariant; harmonic ones are."),
    LectureClaim(id="E7", decks=(4,), measure=deformations, slow=True,
        text="The output changes in proportion to the slope of a deformation."),
    LectureClaim(id="E8", decks=(4,), measure=group_structure,
        text="Rotations compose, and form a group."),
)  # fmt: skip
"""In reading order."""
