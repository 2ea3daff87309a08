"""Chapter B: sizes, receptive fields, parameters and cost."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.exhibits import Bars, Curve, Map, Table
from neocog.graph.cost import cost
from neocog.graph.gradient_field import effective_field, gradient_support
from neocog.graph.receptive_field import Field, receptive_field
from neocog.layers.blocks import conv, output_hw, output_size, same_padding
from neocog.layers.local import LocallyConnected2d
from neocog.lectures.evidence import Comparison, Evidence, LectureClaim, numbers
from neocog.lectures.material import Material
from neocog.lectures.timing import fastest
from neocog.signal.kernels import gabor, gaussian, laplace, product, sobel

__all__ = ["CLAIMS"]

SIZES = (
    ((10, 3, 1, 0), 8), ((7, 3, 1, 0), 5), ((7, 3, 2, 0), 3), ((7, 3, 1, 1), 7), ((7, 3, 2, 1), 4),
    ((32, 5, 1, 0), 28),
)  # fmt: skip
"""(W, K, S, P) and the output size that the lectures print."""


def output_sizes(material: Material) -> Evidence:
    """B1: (W − K + 2P)/S + 1."""
    comparisons = [
        Comparison(
            name=f"W={w}, K={k}, S={s}, P={p}",
            value=nn.Conv1d(1, 1, k, stride=s, padding=p)(torch.zeros(1, 1, w)).shape[2],
            expected=expected,
            deck=True,
        )
        for (w, k, s, p), expected in SIZES
    ]
    differing = sum(
        output_size(w, k, stride=s, padding=p)
        != F.conv1d(torch.zeros(1, 1, w), torch.zeros(1, 1, k), stride=s, padding=p).shape[2]
        for w in range(7, 30) for k in range(1, 8) for s in range(1, 4) for p in range(3)
    )  # fmt: skip
    six = conv(3, 6, kernel_size=5, pad=0)(torch.zeros(1, 3, 32, 32))
    two = conv(3, 2, kernel_size=3, stride=2, pad=1)(torch.zeros(1, 3, 5, 5))
    comparisons += [
        Comparison(name="32×32×3, six filters 5×5", value=_rows_columns_channels(six),
            expected=(28, 28, 6), deck=True),
        Comparison(name="5×5×3 padded to 7×7×3, two filters 3×3, S=2",
            value=_rows_columns_channels(two), expected=(3, 3, 2), deck=True),
        Comparison(name="formula against PyTorch, other sizes out of 1,449", value=differing,
            expected=0),
    ]  # fmt: skip
    return Evidence(measured_on="convolutions as they run", comparisons=tuple(comparisons))


def same_size(material: Material) -> Evidence:
    """B2: padding that keeps the size, strides of each axis, tiling."""
    odd = [(k, d) for k in (1, 3, 5, 7, 9) for d in (1, 2, 3)]
    kept = sum(
        output_size(28, k, padding=same_padding(k, dilation=d)[0], dilation=d) == 28 for k, d in odd
    )
    uneven = conv(1, 1, kernel_size=3, stride=(2, 3), pad=1)(torch.zeros(1, 1, 12, 12))
    x = torch.rand(1, 1, 12, 12, generator=torch.Generator().manual_seed(material.seed))
    tiles = F.unfold(x, 3, stride=3)
    return Evidence(
        measured_on="convolutions as they run",
        comparisons=(
            Comparison(name="padding a side of a 5×5 kernel", value=same_padding(5)[0],
                expected=2, deck=True),
            Comparison(name="odd kernels and dilations that keep 28 samples", value=kept,
                expected=len(odd)),
            Comparison(name="12×12, K=3, P=1, stride 2×3", value=tuple(uneven.shape[2:]),
                expected=output_hw((12, 12), 3, stride=(2, 3), padding=1)),
            Comparison(name="S = K: pixels that are in exactly one window",
                value=float((F.fold(torch.ones_like(tiles), (12, 12), 3, stride=3) == 1).sum()),
                expected=float(x.numel())),
        ),
    )  # fmt: skip


def receptive_fields(material: Material) -> Evidence:
    """B3: 1 + L(K − 1), any graph, and the effective field."""
    comparisons = []
    for k, depth in ((3, 4), (5, 3), (7, 2)):
        net = nn.Sequential(*(nn.Conv2d(1, 1, k, padding=k // 2) for _ in range(depth)))
        field = receptive_field(net, (1, 33, 33)).of("")
        comparisons.append(
            Comparison(name=f"{depth} convolutions {k}×{k}", value=field.receptive_field[0],
                expected=1 + depth * (k - 1), deck=True)
        )  # fmt: skip
    for name in ("lenet5_modern", "resnet20"):
        network = material.build(name)
        field = _last_map(network, material.shape)
        support = gradient_support(network, material.shape, field.name, seed=material.seed)
        extent = [torch.nonzero(support.any(1 - axis)).flatten() for axis in (0, 1)]
        comparisons.append(
            Comparison(name=f"{name}, {field.name}: first and last pixel of each axis with a "
                "gradient", value=tuple((int(e[0]), int(e[-1])) for e in extent),
                expected=numbers(list(field.middle)))
        )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(material.seed)
        deep = nn.Sequential(
            *(m for _ in range(8) for m in (nn.LazyConv2d(8, 3, padding=1), nn.ReLU()))
        )
        deep(material.test.x[:1])
    effective = effective_field(deep, material.test.x[:64].contiguous(), "14")
    comparisons.append(
        Comparison(name="side of the effective field of 8 random convolutions 3×3",
            value=float(effective.side), expected=1 + 8 * 2, relation="<", unit="px")
    )  # fmt: skip
    return Evidence(
        measured_on=f"networks for {material.named}",
        comparisons=tuple(comparisons),
        exhibits=[effective.map()],
    )


def filter_parameters(material: Material) -> Evidence:
    """B4: I·J·K + 1."""
    layer = conv(3, 1, kernel_size=3)
    return Evidence(
        measured_on="a convolution",
        comparisons=(
            Comparison(name="parameters of a 3×3×3 filter",
                value=sum(p.numel() for p in layer.parameters()), expected=28, deck=True),
        ),
    )  # fmt: skip


def sharing(material: Material) -> Evidence:
    """B5: dense n², sparse k·n, shared k."""
    n, k = 36_000_000, 3
    with torch.device("meta"):
        large = (
            nn.Linear(n, n, bias=False),
            LocallyConnected2d(1, 1, size=(1, n), kernel_size=(1, k), bias=False),
            nn.Conv1d(1, 1, k, padding=1, bias=False),
        )
    small = material.size[0]
    m = small * small
    layers = {
        "dense": nn.Linear(m, m, bias=False),
        "local": LocallyConnected2d(1, 1, size=(small, small), kernel_size=k, bias=False),
        "convolution": nn.Conv2d(1, 1, k, padding=1, bias=False),
    }
    params = {name: sum(p.numel() for p in layer.parameters()) for name, layer in layers.items()}
    macs = {name: cost(nn.Sequential(nn.Flatten(), layer) if name == "dense" else layer,
                       (1, small, small)).macs for name, layer in layers.items()}  # fmt: skip
    return Evidence(
        measured_on=f"layers from {small}×{small} to {small}×{small} pixels",
        comparisons=(
            Comparison(name="36 M inputs and outputs: dense weights", deck=True,
                value=large[0].weight.numel(), expected=1.296e15),
            Comparison(name="sparse, 3 inputs an output", value=large[1].weight.numel(),
                expected=108_000_000, deck=True),
            Comparison(name="shared, 3 inputs an output", value=large[2].weight.numel(),
                expected=3, deck=True),
            Comparison(name="dense layer as built", value=params["dense"], expected=m * m),
            Comparison(name="local layer 3×3 as built", value=params["local"],
                expected=9 * m),
            Comparison(name="convolution 3×3 as built", value=params["convolution"], expected=9),
        ),
        exhibits=[
            Table(title="parameters and MACs", columns=("layer", "parameters", "MACs"),
                rows=[[name, params[name], macs[name]] for name in layers]),
        ],
        note="Of n = 36 M samples and k = 3 the lectures print n², k·n and k weights; the layers "
        "that are run show the same law in two dimensions, with k = 9. Those of 36 M samples are "
        "built without memory, and counted.",
    )  # fmt: skip


def dense_weights(material: Material) -> Evidence:
    """B6: what one dense unit costs."""
    with torch.device("meta"):
        units = [nn.Linear(32 * 32 * 3, 1), nn.Linear(200 * 200 * 3, 1)]
        hundred = nn.Linear(4032 * 3024, 100)
    return Evidence(
        measured_on="linear layers",
        comparisons=(
            Comparison(name="one unit on 32×32×3", value=units[0].weight.numel(), expected=3_072,
                deck=True),
            Comparison(name="one unit on 200×200×3", value=units[1].weight.numel(),
                expected=120_000, deck=True),
            Comparison(name="pixels of 4032×3024", value=hundred.in_features, expected=12_192_768,
                deck=True),
            Comparison(name="100 units on them", value=hundred.weight.numel(), expected=1e9,
                relation=">", deck=True),
        ),
    )  # fmt: skip


def factorised(material: Material) -> Evidence:
    """B7: two 3×3 for one 5×5, and separable kernels."""
    five = nn.Conv2d(1, 1, 5, bias=False)
    threes = nn.Sequential(nn.Conv2d(1, 1, 3, bias=False), nn.Conv2d(1, 1, 3, bias=False))
    lines = nn.Sequential(nn.Conv2d(1, 1, (1, 5), bias=False), nn.Conv2d(1, 1, (5, 1), bias=False))
    weights = [sum(p.numel() for p in net.parameters()) for net in (five, threes, lines)]
    kernels = {
        "Gaussian 7×7": product(gaussian(1.5, taps=7)),
        "Sobel": sobel(),
        "Laplace": laplace(),
        "Gabor 45°, 9×9": gabor(9, wavelength=4, sigma=2, angle=45),
        "random 5×5": torch.randn(
            5, 5, generator=torch.Generator().manual_seed(material.seed), dtype=torch.float64
        ),
    }
    errors = {name: rank_one_error(kernel) for name, kernel in kernels.items()}
    times = _separable_times(material)
    return Evidence(
        measured_on=f"kernels, and 32 maps of {material.named} for the times",
        comparisons=(
            Comparison(name="weights: 5×5, two 3×3, 1×5 and 5×1", value=tuple(weights),
                expected=(25, 18, 10), deck=True),
            Comparison(name="best rank-1 approximation of a Gaussian, relative error",
                value=errors["Gaussian 7×7"], expected=1e-6, relation="<="),
            Comparison(name="of a Gabor function at 45°: only an approximation",
                value=errors["Gabor 45°, 9×9"], expected=0.1, relation=">"),
            Comparison(name="field of two 3×3",
                value=receptive_field(threes, (1, 16, 16)).of("").receptive_field[0], expected=5),
            Comparison(name="time of 1×15 then 15×1 over 15×15", value=times[15][1] / times[15][0],
                expected=1.0, relation="<"),
        ),
        exhibits=[
            Bars(title="error of the best rank-1 approximation", names=list(errors),
                series={"‖k − uvᵀ‖ / ‖k‖": list(errors.values())}, high=1.0),
            Curve(title="time on the same maps", x=list(times),
                lines={"K×K": [t[0] for t in times.values()],
                       "1×K then K×1": [t[1] for t in times.values()]},
                x_label="kernel size K", y_label="ms",
                note="One channel; processor time on one thread, the fastest of five."),
            Map(title="Gabor 45°", values=kernels["Gabor 45°, 9×9"].numpy(), diverging=True),
        ],
    )  # fmt: skip


def pointwise(material: Material) -> Evidence:
    """B8: a 1×1 convolution reduces depth."""
    size = (256, 14, 14)
    layer, wide = nn.Conv2d(256, 64, 1), nn.Conv2d(256, 64, 3, padding=1)
    costs = [cost(net, size) for net in (layer, wide)]
    out = layer(torch.zeros(1, *size))
    return Evidence(
        measured_on="256 maps of 14×14",
        comparisons=(
            Comparison(name="shape behind 64 filters 1×1", value=tuple(out.shape[1:]),
                expected=(64, 14, 14)),
            Comparison(name="parameters", value=costs[0].params, expected=256 * 64 + 64),
            Comparison(name="MACs", value=costs[0].macs, expected=256 * 64 * 14 * 14),
            Comparison(name="MACs of 3×3 over 1×1", value=costs[1].macs / costs[0].macs,
                expected=9),
        ),
        exhibits=[
            Table(title="cost", columns=("kernel", "parameters", "MACs", "FLOPs"),
                rows=[[name, c.params, c.macs, c.flops]
                      for name, c in zip(("1×1", "3×3"), costs, strict=True)]),
        ],
    )  # fmt: skip


def flattened(material: Material) -> Evidence:
    """B9: a map becomes a vector."""
    shapes = {(64, 4, 4): 1024, (100, 7, 7): 4900, (3, 32, 32): 3072}
    return Evidence(
        measured_on="`nn.Flatten`",
        comparisons=tuple(
            Comparison(name=f"{h}×{w}×{c}", deck=True, expected=expected,
                value=nn.Flatten()(torch.zeros(1, c, h, w)).shape[1])
            for (c, h, w), expected in shapes.items()
        ),
    )  # fmt: skip


def rank_one_error(kernel: Tensor) -> float:
    """‖k − uvᵀ‖ / ‖k‖ of the nearest product of a column and a row (Eckart and Young 1936).

    Args:
        kernel: (K, L).

    Example:
        >>> rank_one_error(torch.outer(torch.arange(3.0), torch.arange(4.0))) < 1e-6
        True
    """
    values = torch.linalg.svdvals(kernel.double())
    return float(values[1:].norm() / values.norm())


def _rows_columns_channels(x: Tensor) -> tuple[int, int, int]:
    return x.shape[2], x.shape[3], x.shape[1]


def _last_map(net: nn.Module, shape: tuple[int, int, int]) -> Field:
    """The last convolution whose output still has an extent."""
    fields = receptive_field(net, shape).layers
    return [f for f in fields if f.kind == "Conv2d" and min(f.output[1:]) > 1][-1]


def _separable_times(material: Material) -> dict[int, tuple[float, float]]:
    """K to milliseconds of K×K, and of 1×K then K×1."""
    x = material.test.x[:32].mean(1, keepdim=True).contiguous()
    out = {}
    for k in (3, 5, 9, 15):
        full = torch.ones(1, 1, k, k)
        row, column = torch.ones(1, 1, 1, k), torch.ones(1, 1, k, 1)
        half = k // 2

        def whole(full: Tensor = full, half: int = half) -> Tensor:
            return F.conv2d(x, full, padding=half)

        def parts(row: Tensor = row, column: Tensor = column, half: int = half) -> Tensor:
            return F.conv2d(F.conv2d(x, row, padding=(0, half)), column, padding=(half, 0))

        out[k] = (fastest(whole), fastest(parts))
    return out


CLAIMS = (
    LectureClaim(id="B1", decks=(0, 1, 4), measure=output_sizes,
        text="The output has (W − K + 2P)/S + 1 samples, rounded down."),
    LectureClaim(id="B2", decks=(1, 3), measure=same_size,
        text="(K − 1)/2 zeros a side keep the size; strides may differ; S = K tiles."),
    LectureClaim(id="B3", decks=(0, 1, 2), measure=receptive_fields, slow=True,
        text="L convolutions K×K see 1 + L(K − 1) samples; strides multiply the growth."),
    LectureClaim(id="B4", decks=(4,), measure=filter_parameters,
        text="A filter has I·J·K + 1 parameters."),
    LectureClaim(id="B5", decks=(4,), measure=sharing,
        text="Dense layers have n² weights, sparse ones k·n, shared ones k."),
    LectureClaim(id="B6", decks=(0, 1, 2), measure=dense_weights,
        text="A dense unit has a weight for every pixel and channel."),
    LectureClaim(id="B7", decks=(4,), measure=factorised,
        text="Small and separable kernels do the work of a large one, approximately, for less."),
    LectureClaim(id="B8", decks=(4,), measure=pointwise,
        text="A 1×1 convolution reduces the number of channels."),
    LectureClaim(id="B9", decks=(0, 3, 4), measure=flattened,
        text="Flattening makes a vector of a map."),
)  # fmt: skip
"""In reading order."""
