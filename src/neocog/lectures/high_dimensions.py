"""Chapter H: what is different in many dimensions, and why priors are needed."""

from __future__ import annotations

import math

import numpy as np

from neocog.exhibits import Curve, Scalar
from neocog.lectures.evidence import Comparison, Evidence, LectureClaim
from neocog.lectures.material import Material

__all__ = ["CLAIMS"]

POINTS = 100_000
"""Random points of an experiment."""


def ball_points(count: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Uniform points of the unit ball: the first n coordinates of points on a sphere of n + 2.

    The density on that sphere, projected, is even over the ball (Archimedes, for n = 1), so that no
    formula of a volume is used.

    Args:
        count: points.
        n: dimensions.
        rng: of the draws.

    Returns:
        (count, n).
    """
    on_sphere = rng.standard_normal((count, n + 2))
    length: np.ndarray = np.linalg.norm(on_sphere, axis=1, keepdims=True)
    points: np.ndarray = on_sphere[:, :n] / length
    return points


def half_length(material: Material) -> Evidence:
    """H1: half of a ball's volume lies in a thin shell."""
    rng = np.random.default_rng([material.seed, 1])
    median, drawn = {}, {}
    for n in (2, 3, 10, 350):
        radius = np.linalg.norm(ball_points(POINTS if n < 100 else POINTS // 10, n, rng), axis=1)
        median[n] = float(np.median(radius))
        drawn[n] = float((radius > 2 ** (-1 / n)).mean())
    dimensions = [1, 2, 3, 5, 10, 30, 100, 350, 1000]
    return Evidence(
        measured_on=f"{POINTS:,} random points in balls of 2, 3 and 10 dimensions, a tenth of "
        "them in 350",
        comparisons=(
            *(
                Comparison(name=f"n = {n}: thickness of the outer half of the points",
                    value=1 - median[n], expected=1 - 2 ** (-1 / n), tolerance=0.01)
                for n in (2, 3)
            ),
            Comparison(name="n = 350: radius within which half of the points lie",
                value=median[350], expected=0.998, tolerance=5e-4, deck=True),
            *(
                Comparison(name=f"n = {n}: points in the shell of 1 − 2^(−1/n)", value=share,
                    expected=0.5, tolerance=0.01 if n < 100 else 0.03, unit="%")
                for n, share in drawn.items()
            ),
        ),
        exhibits=[
            Curve(title="shell with half of the volume", x=[math.log10(n) for n in dimensions],
                x_names=[str(n) for n in dimensions], x_label="dimensions",
                y_label="thickness over radius",
                lines={"1 − 2^(−1/n)": [1 - 2 ** (-1 / n) for n in dimensions],
                       "0.7/n": [0.7 / n for n in dimensions]}),
        ],
        slip=f"0.35 for n = 2 is the first-order rule 0.7/n; exactly it is "
        f"{1 - 2 ** (-1 / 2):.2f}, and {1 - 2 ** (-1 / 3):.2f} for n = 3 in place of 0.23.",
    )  # fmt: skip


def hypercube(material: Material) -> Evidence:
    """H2: the corners of a hypercube hold nearly everything."""
    rng = np.random.default_rng([material.seed, 2])
    dimensions = list(range(1, 13))
    exact = [1 - math.pi ** (n / 2) / (math.gamma(n / 2 + 1) * 2**n) for n in dimensions]
    points = rng.random((POINTS, 8)) * 2 - 1
    outside = points[np.linalg.norm(points, axis=1) > 1]
    corners = np.unique((outside > 0) @ (1 << np.arange(8)))
    share = len(outside) / len(points)
    return Evidence(
        measured_on=f"{POINTS:,} random points in a cube of 8 dimensions",
        comparisons=(
            Comparison(name="corners that hold points, n = 8", value=len(corners), expected=256,
                deck=True),
            Comparison(name="points outside of the inscribed ball, n = 8", value=share, unit="%",
                expected=0.984, tolerance=0.002, deck=True),
            Comparison(name="points outside of it, by the formula of its volume", unit="%",
                value=share, expected=exact[7], tolerance=0.002),
        ),
        exhibits=[
            Curve(title="volume outside of the inscribed ball", x=dimensions,
                lines={"fraction": exact}, x_label="dimensions", y_label="%"),
        ],
    )  # fmt: skip


def torus(material: Material) -> Evidence:
    """H3: distances on a torus concentrate."""
    rng = np.random.default_rng([material.seed, 3])
    means, spreads = {}, {}
    dimensions = (1, 2, 5, 10, 30, 100, 1000)
    for n in dimensions:
        gap = np.abs(rng.random((4000, n)) - rng.random((4000, n)))
        distance = np.linalg.norm(np.minimum(gap, 1 - gap), axis=1) / (math.sqrt(n) / 2)
        means[n], spreads[n] = float(distance.mean()), float(distance.std())
    return Evidence(
        measured_on="4,000 pairs of random points on tori of 1 to 1,000 dimensions",
        comparisons=(
            Comparison(name="n = 1,000: mean distance over the largest", value=means[1000],
                expected=1 / math.sqrt(3), tolerance=0.002, deck=True),
            Comparison(name="its standard deviation", value=spreads[1000],
                expected=spreads[10] / 5, relation="<"),
        ),
        exhibits=[
            Curve(title="distance of random points", x=[math.log10(n) for n in dimensions],
                x_names=[str(n) for n in dimensions], x_label="dimensions",
                y_label="distance over the largest one",
                lines={"mean": list(means.values()),
                       "mean + standard deviation": [means[n] + spreads[n] for n in dimensions],
                       "mean − standard deviation": [means[n] - spreads[n] for n in dimensions]}),
        ],
    )  # fmt: skip


def sample_count(material: Material) -> Evidence:
    """H4: samples of a Lipschitz function."""
    rng = np.random.default_rng([material.seed, 4])
    counts = (50, 200, 800, 3200)
    slopes, errors = dict[int, float](), dict[int, list[float]]()
    for d in (1, 2, 4):
        errors[d] = []
        for n in counts:
            known, queries = rng.random((n, d)), rng.random((500, d))
            gap = np.stack([np.abs(q - known).max(1).min() for q in queries])
            errors[d].append(float(gap.mean()))  # |f(x) − f(nearest)| of f = distance, at most
        slopes[d] = float(np.polyfit(np.log(counts), np.log(errors[d]), 1)[0])
    digits = 36_000_000 * math.log10(1 / 0.1)
    return Evidence(
        measured_on="nearest samples in cubes of 1, 2 and 4 dimensions",
        comparisons=(
            *(
                Comparison(name=f"d = {d}: exponent of the error over the samples",
                    value=slope, expected=-1 / d, tolerance=0.25 / d)
                for d, slope in slopes.items()
            ),
        ),
        exhibits=[
            Curve(title="error of the nearest sample", x=[math.log10(n) for n in counts],
                x_names=[str(n) for n in counts], x_label="samples", y_label="error", log_y=True,
                lines={f"d = {d}": e for d, e in errors.items()}),
        ],
        slip=f"The notes print 10^36 where ε^−d is 10^{digits:,.0f}.",
        note="The error of a function of slope 1 by its nearest sample falls as n^(−1/d), so "
        "n = ε^(−d) samples are needed.",
    )  # fmt: skip


def universal(material: Material) -> Evidence:
    """H5: width approximates anything, depth is cheaper."""
    x = np.linspace(0, 1, 400)
    smooth = np.sin(2 * np.pi * x) + 0.5 * np.sin(6 * np.pi * x)
    widths = (2, 8, 32, 128)
    errors = [_one_layer_error(x, smooth, width, material.seed) for width in widths]
    depths = (1, 2, 3, 4, 5, 6)
    pieces, shallow = [], []
    fine = np.linspace(0, 1, 64 * 64 + 1)
    for depth in depths:
        teeth = fine
        for _ in range(depth):  # 2·relu(t) − 4·relu(t − 1/2): two units a layer
            teeth = 2 * np.maximum(teeth, 0) - 4 * np.maximum(teeth - 0.5, 0)
        slope = np.sign(np.diff(teeth))
        pieces.append(int((np.diff(slope) != 0).sum()) + 1)
        shallow.append(_one_layer_error(fine, teeth, 2 * depth, material.seed))
    return Evidence(
        measured_on="functions of one variable",
        comparisons=(
            Comparison(name="128 units in one layer: relative error", value=errors[-1],
                expected=0.01, relation="<"),
            Comparison(name="over that of 2 units", value=errors[-1] / errors[0], expected=0.05,
                relation="<"),
            Comparison(name="linear pieces of 6 layers with 2 units each", value=pieces[-1],
                expected=2**6),
            Comparison(name="a single layer with the same 12 units: relative error",
                value=shallow[-1], expected=0.3, relation=">"),
        ),
        exhibits=[
            Curve(title="one hidden layer", x=[math.log2(w) for w in widths],
                x_names=[str(w) for w in widths], x_label="units", y_label="relative error",
                log_y=True, lines={"a sum of two sines": errors}),
            Curve(title="depth", x=depths, lines={"2 units a layer": pieces,
                "one layer of as many units, at most": [2 * d + 1 for d in depths]},
                x_label="layers", y_label="linear pieces", log_y=True),
            Scalar(title="error of the shallow network on 64 teeth", value=shallow[-1]),
        ],
        note="Hidden units of the single layer have even knots, their output weights are fitted by "
        "least squares. The deep network is the composed tent map (Telgarsky 2016).",
    )  # fmt: skip


def _one_layer_error(x: np.ndarray, y: np.ndarray, width: int, seed: int) -> float:
    """‖y − net(x)‖ / ‖y − mean‖ of one hidden ReLU layer whose output weights fit best."""
    knots = (np.arange(width) + 0.5) / width - 0.5 / width
    hidden = np.maximum(x[:, None] - knots[None], 0)
    design = np.concatenate([hidden, np.ones((len(x), 1))], axis=1)
    weights = np.linalg.lstsq(design, y, rcond=None)[0]
    return float(np.linalg.norm(design @ weights - y) / np.linalg.norm(y - y.mean()))


CLAIMS = (
    LectureClaim(id="H1", decks=(4,), measure=half_length,
        text="Half of a ball's volume lies within 1 − 2^(−1/n) of its radius from the boundary."),
    LectureClaim(id="H2", decks=(4,), measure=hypercube,
        text="The corners of a hypercube hold nearly all of its volume."),
    LectureClaim(id="H3", decks=(4,), measure=torus,
        text="On a torus of many dimensions nearly all points are equally far apart."),
    LectureClaim(id="H4", decks=(4,), measure=sample_count,
        text="A Lipschitz function needs ε^(−d) samples."),
    LectureClaim(id="H5", decks=(2, 4), measure=universal,
        text="One hidden layer approximates any function, with many units; depth needs fewer."),
)  # fmt: skip
"""In reading order."""
