"""Chapter A: the convolution as an operation, in one and two dimensions."""

from __future__ import annotations

import itertools
import math
from functools import partial

import torch
from scipy.integrate import quad
from torch import Tensor, nn

from neocog.audits.shift import shift_consistency
from neocog.exhibits import Bars, Curve, Gallery, Map, Table
from neocog.explainers.arithmetic.unit import Arithmetic, arithmetic
from neocog.explainers.grad_cam import grad_cam
from neocog.graph.moments import Moment
from neocog.graph.structure import follow
from neocog.lectures.backward import backward
from neocog.lectures.classic_filters import classic
from neocog.lectures.evidence import Comparison, Evidence, LectureClaim, largest, numbers
from neocog.lectures.material import (
    LabeledPart,
    Material,
    ShortTraining,
    accuracy_of,
    train_network,
)
from neocog.lectures.sheet_search import sheet_search
from neocog.lectures.template_matching import busiest, search
from neocog.lectures.timing import fastest
from neocog.render.pixels import amounts, as_image, enlarged, signed
from neocog.signal.correlate import FFT_FROM, convolve, correlate
from neocog.signal.kernels import prewitt

__all__ = ["CLAIMS"]

ROUNDING = 1e-10
"""Of sums of some hundred products in double precision, relative to their largest value."""

SINGLE = 1e-4
"""Of sums of some hundred products in single precision, in another order."""

SHEET, TEMPLATES = 16, 100
"""Images on a sheet, and templates whose class is looked for on it."""

LIGHT = ("as it is", "brighter", "less contrast", "darker", "uneven light")
"""Changes of an image that the normalized correlation is not to depend on."""

KERNEL_SIZES = (3, 7, 11, 17, 25)
"""Of the kernels that are timed."""


def correlation_by_hand(material: Material) -> Evidence:
    """A1: a 3×3 input with a 2×2 kernel."""
    x, kernel = torch.arange(9.0).view(3, 3), torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    out = correlate(x, kernel)
    return Evidence(
        measured_on="the numbers 0 to 8",
        comparisons=(
            Comparison(
                name="3×3 input with a 2×2 kernel",
                value=numbers(out),
                expected=((19, 25), (37, 43)),
                deck=True,
            ),
        ),
        exhibits=[
            Map(title=title, values=values.numpy())
            for title, values in (("input", x), ("kernel", kernel), ("output", out))
        ],
    )


def vertical_edge(material: Material) -> Evidence:
    """A2: the vertical-edge kernel on a half-bright image."""
    x = torch.zeros(6, 6, dtype=torch.float64)
    x[:, :3] = 1.0
    inside, padded = correlate(x, prewitt()), correlate(x, prewitt(), mode="same")
    rows = [numbers(row) for row in padded]
    return Evidence(
        measured_on="a 6 × 6 image, its left half 1 and its right half 0",
        comparisons=(
            Comparison(
                name="every row, no padding",
                value=numbers(inside),
                expected=((0, 3, 3, 0),) * 4,
                deck=True,
            ),
            Comparison(
                name="first and last row, zero padding",
                value=(rows[0], rows[-1]),
                expected=((-2, 0, 2, 2, 0, 0),) * 2,
                deck=True,
            ),
            Comparison(
                name="inner rows, zero padding",
                value=tuple(rows[1:-1]),
                expected=((-3, 0, 3, 3, 0, 0),) * 4,
                deck=True,
            ),
        ),
        exhibits=[
            Map(title="image", values=x.numpy()),
            Map(title="without padding", values=inside.numpy(), diverging=True),
            Map(title="with zeros around it", values=padded.numpy(), diverging=True),
        ],
        slip=f"One inner row is printed with −2 where the sum is {int(padded[1, 0])}: all inner "
        "rows see three rows of the image, and are alike.",
    )


def flipped_kernel(material: Material) -> Evidence:
    """A3: convolution is correlation with the flipped kernel."""
    generator = torch.Generator().manual_seed(material.seed)
    comparisons = []
    image = material.image.mean(0).double()
    for name, x, shape in (("2-D", image, (3, 5)), ("1-D", image.mean(0), (5,))):
        kernel = torch.randn(shape, generator=generator, dtype=torch.float64)
        flipped = kernel.flip(tuple(range(kernel.ndim)))
        true = convolve(x, kernel, mode="full")
        comparisons += [
            Comparison(
                name=f"{name}: convolution less correlation with the flipped kernel",
                value=_difference(true, correlate(x, flipped, mode="full")),
                expected=ROUNDING,
                relation="<=",
            ),
            Comparison(
                name=f"{name}: convolution less correlation with the kernel itself",
                value=_difference(true, correlate(x, kernel, mode="full")),
                expected=0.01,
                relation=">",
            ),
        ]
    return Evidence(
        measured_on=f"the image of most contrast of {material.named}",
        comparisons=tuple(comparisons),
        note="Largest difference over the largest value.",
    )


def algebra(material: Material) -> Evidence:
    """A4: commutative, associative, distributive, linear, associative with scalars."""
    generator = torch.Generator().manual_seed(material.seed)
    f = material.image.mean(0).double()
    other = material.test.x[1].mean(0).double()
    g, h = (torch.randn(5, 5, generator=generator, dtype=torch.float64) for _ in range(2))

    def full(a: Tensor, b: Tensor) -> Tensor:
        return convolve(a, b, mode="full")

    sides = {
        "commutative: f∗g less g∗f": (full(f, g), full(g, f)),
        "associative: (f∗g)∗h less f∗(g∗h)": (full(full(f, g), h), full(f, full(g, h))),
        "distributive: f∗(g+h) less f∗g + f∗h": (full(f, g + h), full(f, g) + full(f, h)),
        "linear: (2f−3e)∗g less 2(f∗g) − 3(e∗g)": (
            full(2 * f - 3 * other, g),
            2 * full(f, g) - 3 * full(other, g),
        ),
        "scalars: a(f∗g) less (af)∗g": (0.7 * full(f, g), full(0.7 * f, g)),
    }
    return Evidence(
        measured_on=f"images of {material.named}",
        comparisons=tuple(
            Comparison(name=name, value=_difference(a, b), expected=ROUNDING, relation="<=")
            for name, (a, b) in sides.items()
        ),
        note="Largest difference over the largest value, in double precision.",
    )


def spectra(material: Material) -> Evidence:
    """A5: a product of spectra; the kernel size from which transforms are faster."""
    x = material.sheet.mean(0).double()
    kernel = torch.randn(7, 7, generator=torch.Generator().manual_seed(material.seed)).double()
    wide = torch.zeros_like(x)
    wide[:7, :7] = kernel
    product = torch.fft.ifft2(torch.fft.fft2(x) * torch.fft.fft2(wide)).real
    sides = [k for k in KERNEL_SIZES if k <= min(x.shape)]
    times = {"direct": list[float](), "FFT": list[float]()}
    for side in sides:
        taps = torch.ones(side, side)
        for name, method in (("direct", "direct"), ("FFT", "fft")):
            run = partial(correlate, x.float(), taps, mode="circular", method=method)
            times[name].append(fastest(run, 3))
    ratio = [d / f for d, f in zip(times["direct"], times["FFT"], strict=True)]
    crossover = next((k for k, r in zip(sides, ratio, strict=True) if r > 1), None)
    return Evidence(
        measured_on=f"{x.shape[0]} × {x.shape[1]} pixels of {material.named}",
        comparisons=(
            Comparison(
                name="convolution less product of the spectra",
                value=_difference(convolve(x, kernel, mode="circular"), product),
                expected=ROUNDING,
                relation="<=",
            ),
            Comparison(
                name=f"direct over FFT time, kernel {sides[-1]} × {sides[-1]}",
                value=ratio[-1],
                expected=1.0,
                relation=">",
            ),
        ),
        exhibits=[
            Curve(
                title="time of a convolution",
                x=list(sides),
                lines=times,
                x_label="kernel size K (K × K)",
                y_label="ms",
                log_y=True,
                note="Processor time on one thread, the fastest of three.",
            )
        ],
        note=(
            f"The FFT is the faster one from K = {crossover} on here" if crossover else
            "The FFT was never the faster one here"
        ) + f"; `correlate(method='auto')` takes it from {FFT_FROM} taps on.",
    )  # fmt: skip


def shift_equivariance(material: Material) -> Evidence:
    """A6: a convolution of a shifted image is the shifted convolution."""
    x = (255 * (1 - material.image.mean(0))).round()  # bright at the border, as paper is
    kernel = torch.randint(
        -9, 10, (5, 5), generator=torch.Generator().manual_seed(material.seed)
    ).float()  # integers, so that sums are exact in any order
    y = correlate(x, kernel, mode="circular")
    h, w = x.shape
    errors = []
    for shift in itertools.product(range(h), range(w)):
        moved = correlate(x.roll(shift, (0, 1)), kernel, mode="circular")
        errors.append(float((moved - y.roll(shift, (0, 1))).abs().max()))
    zeros = correlate(x, kernel, mode="same")
    moved = torch.zeros_like(x)
    moved[3:, 2:] = x[:-3, :-2]
    error = torch.zeros_like(x)
    error[3:, 2:] = (correlate(moved, kernel, mode="same")[3:, 2:] - zeros[:-3, :-2]).abs()
    inner = error[5:-2, 4:-2]
    return Evidence(
        measured_on=f"the image of most contrast of {material.named}, inverted, values 0 to 255",
        comparisons=(
            Comparison(
                name=f"largest error over all {h * w:,} circular shifts",
                value=largest(errors),
                expected=0,
                deck=True,
            ),
            Comparison(
                name="zero padding, shift (3, 2): largest error away from the border",
                value=float(inner.max()),
                expected=0,
                deck=True,
            ),
            Comparison(
                name="zero padding: largest error at the border, over the largest output",
                value=float(error.max() / zeros.abs().max()),
                expected=0.01,
                relation=">",
            ),
        ),
        exhibits=[
            Gallery(
                title="T conv(x), conv(T x)",
                images=[signed(t.roll((3, 2), (0, 1))) if t is y else signed(t)
                        for t in (y, correlate(x.roll((3, 2), (0, 1)), kernel, mode="circular"))],
                captions=["T conv(x)", "conv(T x)"],
            ),
            Map(title="zero padding: error of a shift", values=error.numpy()),
        ],
        note="Pixels and kernel are integers, so the equality is exact, not to rounding.",
    )  # fmt: skip


def continuous(material: Material) -> Evidence:
    """A7: the integral of a convolution and its sum over samples."""

    def f(t: float) -> float:
        return math.exp(-(t**2))

    def g(t: float) -> float:
        return math.exp(-((t - 0.5) ** 2) / 2)

    at = 0.75
    integral = quad(lambda t: f(t) * g(at - t), -12, 12)[0]
    formula = math.sqrt(2 * math.pi / 3) * math.exp(-((at - 0.5) ** 2) / 3)
    steps = [2.0, 1.5, 1.0, 0.75, 0.5, 0.25]
    errors = []
    for h in steps:
        n = round(12 / h)
        samples = torch.tensor([f(k * h) for k in range(-n, n + 1)], dtype=torch.float64)
        kernel = torch.tensor([g(at - k * h) for k in range(n, -n - 1, -1)], dtype=torch.float64)
        errors.append(abs(h * float(convolve(samples, kernel, mode="valid")[0]) - integral))
    return Evidence(
        measured_on="two Gaussians, whose convolution is known in closed form",
        comparisons=(
            Comparison(
                name="(f∗g)(0.75): integral", value=integral, expected=formula, tolerance=1e-8
            ),
            Comparison(
                name="sum over samples 0.25 apart less the integral",
                value=errors[-1],
                expected=1e-8,
                relation="<=",
            ),
            Comparison(
                name="error at step 2 over error at step 1",
                value=errors[0] / max(errors[2], 1e-16),
                expected=10.0,
                relation=">",
            ),
        ),
        exhibits=[
            Curve(
                title="error of the discrete convolution",
                x=steps,
                lines={"|sum − integral|": [max(e, 1e-17) for e in errors]},
                x_label="distance of the samples",
                y_label="error",
                log_y=True,
            )
        ],
        note="Smooth functions that vanish at both ends: the error falls faster than any power of "
        "the step, down to rounding.",
    )


def series(material: Material) -> Evidence:
    """A8: one-dimensional signals through training, audit and explanation."""
    parts = [_as_series(part) for part in (material.train, material.test)]
    channels, n = parts[0].x.shape[1:]
    network = nn.Sequential(
        nn.Conv1d(channels, 32, 5, padding=2, padding_mode="circular"), nn.ReLU(),
        nn.Conv1d(32, 32, 5, padding=2, padding_mode="circular"), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, material.num_classes),
    )  # fmt: skip
    train_network(network, parts[0], ShortTraining(steps=120, seed=material.seed))
    accuracy = accuracy_of(network, parts[1].x, parts[1].y)
    shift = shift_consistency(network, parts[1].first(100).samples, max_shift=3, seed=material.seed)
    cam = grad_cam(network, parts[1].x[:1], layer="3")
    chance = float(parts[1].y.bincount().max()) / len(parts[1].y)
    return Evidence(
        measured_on=f"{material.named}: the columns of each image as a series of {n} steps with "
        f"{channels} values each",
        comparisons=(
            Comparison(
                name="accuracy of a 1-D convolutional network",
                value=accuracy,
                expected=chance + 0.1,
                relation=">",
                unit="%",
            ),
            Comparison(
                name="circular shift consistency by the audit",
                value=shift.consistency,
                expected=1.0,
                unit="%",
            ),
            Comparison(
                name="steps that Grad-CAM explains",
                value=float(cam.enlarged().shape[-1]),
                expected=float(n),
            ),
        ),
        exhibits=[
            Curve(
                title="evidence for the class along the series",
                x=list(range(n)),
                lines={"Grad-CAM": cam.enlarged()[0].tolist()},
                x_label="step",
                y_label="evidence",
            )
        ],
        note="Must be ten points better than always predicting the most frequent class.",
    )


def one_output(material: Material) -> Evidence:
    """A9: any output unit of a trained network, number by number."""
    rows: list[tuple[str, Arithmetic]] = []
    kinds = ("conv", "linear")

    def on_node(moment: Moment) -> None:
        if moment.pieces:
            unit = arithmetic(moment, [n // 2 for n in moment.shape])
            if unit.kind in kinds:
                rows.append((moment.name or moment.label, unit))

    follow(material.classifier, material.image[None], on_node=on_node, pieces=True)
    return Evidence(
        measured_on=f"a LeNet-5 trained on {material.named}",
        comparisons=(
            Comparison(
                name=f"{len(rows)} layers, a unit each: Σ weight × input + bias less the output",
                value=largest(_sum_error(unit) for _, unit in rows),
                expected=SINGLE,
                relation="<=",
            ),
            Comparison(
                name="layers with a kernel or a matrix", value=len(rows), expected=2, relation=">="
            ),
        ),
        exhibits=[
            Table(
                title="one unit of each layer",
                columns=("layer", "input channels", "sum", "bias", "output by the network"),
                rows=[
                    [name, len(u.terms) + (u.rest[0] if u.rest else 0), u.total, u.bias, u.value]
                    for name, u in rows
                ],
            )
        ],
        note="`neocog explore` shows these numbers for every unit.",
    )


def backward_pass(material: Material) -> Evidence:
    """A10: the backward pass of a convolution is made of convolutions."""
    network = material.classifier
    name = next(k for k, m in network.named_modules() if isinstance(m, nn.Conv2d))
    result = backward(network, name, material.test.x[:4].contiguous())
    return Evidence(
        measured_on=f"`{name}` of a LeNet-5 trained on {material.named}",
        comparisons=(
            Comparison(
                name="kernel: correlation of input and upstream gradient, less autograd",
                value=result.kernel_error,
                expected=SINGLE,
                relation="<=",
            ),
            Comparison(
                name="input: full convolution of upstream gradient and kernel, less autograd",
                value=result.input_error,
                expected=SINGLE,
                relation="<=",
            ),
        ),
        exhibits=[e for s in result.sections() for e in s.exhibits if isinstance(e, Gallery)],
        note="Largest difference over the largest amount.",
    )


def ready_filters(material: Material) -> Evidence:
    """A11: edges, sharpening and blur as ready kernels."""
    image = material.sheet
    result = classic(image)
    by = {f.name: f for f in result.filtered}
    gray = image.mean(0).double()
    detail = float(gray.diff(dim=1).abs().mean())

    def contrast(name: str) -> float:
        return float(torch.from_numpy(by[name].values).double().mean(0).diff(dim=1).abs().mean())

    return Evidence(
        measured_on=f"{image.shape[1]} × {image.shape[2]} pixels of {material.named}",
        comparisons=(
            Comparison(
                name="blur: difference of neighbors, relative",
                value=contrast("blur") / detail,
                expected=1.0,
                relation="<",
            ),
            Comparison(
                name="sharpen: difference of neighbors, relative",
                value=contrast("sharpen") / detail,
                expected=1.0,
                relation=">",
            ),
            Comparison(
                name="sum of the vertical-edge kernel: flat areas give nothing",
                value=float(by["vertical edges"].kernel.sum()),
                expected=0.0,
                tolerance=1e-12,
            ),
            Comparison(
                name="sum of the blur kernel: the mean stays",
                value=float(by["blur"].kernel.sum()),
                expected=1.0,
                tolerance=1e-6,
            ),
        ),
        exhibits=[e for s in result.sections() for e in s.exhibits],
    )


def template_matching(material: Material) -> Evidence:
    """A12: raw correlation, normalized correlation, learned features."""
    image, network = material.sheet, material.classifier
    changed = search(image, busiest(image), changes=LIGHT, seed=material.seed)
    templates = material.test.x[SHEET : SHEET + TEMPLATES]
    truth = material.test.y[SHEET : SHEET + TEMPLATES]
    ways = sheet_search(image, templates, network)
    rates = {
        name: float((material.test.y[way.best] == truth).double().mean())
        for name, way in ways.items()
    }
    light = {
        way: sum(r.correct for r in changed.of(way)) / len(LIGHT) for way in ("raw", "normalized")
    }
    return Evidence(
        measured_on=f"a sheet of {SHEET} held-out images of {material.named}; {len(templates)} "
        "other ones are the templates, and their class is looked for",
        comparisons=(
            Comparison(
                name="learned features find the class",
                value=rates["features"],
                expected=rates["normalized"],
                relation=">",
                unit="%",
            ),
            Comparison(
                name="normalized correlation finds it",
                value=rates["normalized"],
                expected=rates["raw"],
                relation=">",
                unit="%",
            ),
            Comparison(
                name="normalized correlation finds a cut piece under other light",
                value=light["normalized"],
                expected=1.0,
                unit="%",
            ),
        ),
        exhibits=[
            Bars(
                title="the class of the template is found",
                names=list(rates),
                series={"fraction of templates": list(rates.values())},
                unit="%",
                high=1.0,
            ),
            Gallery(
                title="a template, and its best score on each image of the sheet",
                images=[as_image(image), as_image(material.test.x[SHEET]),
                        *(enlarged(amounts(way.scores[0]), 16) for way in ways.values())],
                captions=["sheet", "template", *ways],
            ),
            *changed.sections()[0].exhibits,
        ],
        note="Features: those in front of the last layer of a trained LeNet-5, of windows "
        "within 2 pixels of each image, compared by their cosine.",
    )  # fmt: skip


def _as_series(part: LabeledPart) -> LabeledPart:
    """Columns as steps, rows (of all channels) as channels."""
    return LabeledPart(x=part.x.flatten(1, 2).contiguous(), y=part.y)


def _sum_error(unit: Arithmetic) -> float:
    """How far the sum by hand is from the network's output; nan where there is no sum."""
    return math.nan if unit.computed is None else abs(unit.computed - unit.value)


def _difference(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


CLAIMS = (
    LectureClaim(id="A1", decks=(3,), measure=correlation_by_hand,
        text="A 3×3 input and a 2×2 kernel: the output is a sum of products at each position."),
    LectureClaim(id="A2", decks=(2,), measure=vertical_edge,
        text="The kernel [1, 0, −1] × 3 answers to vertical edges, and to a border of zeros."),
    LectureClaim(id="A3", decks=(1, 2, 4), measure=flipped_kernel,
        text="True convolution flips the kernel, correlation does not."),
    LectureClaim(id="A4", decks=(0, 4), measure=algebra,
        text="Convolution is commutative, associative, distributive and linear."),
    LectureClaim(id="A5", decks=(4,), measure=spectra,
        text="Convolution in space is a product in frequency; the FFT pays for large kernels."),
    LectureClaim(id="A6", decks=(0, 2, 4), measure=shift_equivariance,
        text="Convolution is shift-equivariant: conv(T x) = T conv(x)."),
    LectureClaim(id="A7", decks=(0, 4), measure=continuous,
        text="The discrete convolution is the continuous one, sampled."),
    LectureClaim(id="A8", decks=(1,), measure=series, slow=True,
        text="Series are convolved like images: training, audit and explanation run on both."),
    LectureClaim(id="A9", decks=(1, 3, 4), measure=one_output, slow=True,
        text="An output is the dot product of kernel and patch over all channels, plus bias."),
    LectureClaim(id="A10", decks=(1,), measure=backward_pass, slow=True,
        text="The backward pass of a convolution is again made of convolutions."),
    LectureClaim(id="A11", decks=(4,), measure=ready_filters,
        text="Edges, sharpening and Gaussian blur are convolutions with known kernels."),
    LectureClaim(id="A12", decks=(4,), measure=template_matching, slow=True,
        text="Raw correlation is a poor template matcher, normalized better, features better yet."),
)  # fmt: skip
"""In reading order."""
