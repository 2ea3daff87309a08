"""Chapter G: filters, feature maps, what a unit responds to, Grad-CAM."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from neocog.exhibits import Gallery
from neocog.explainers.activation_maximization import AscentConfig, maximize_activation
from neocog.explainers.feature_maps import feature_maps
from neocog.explainers.filters import filters
from neocog.explainers.grad_cam import grad_cam
from neocog.explainers.maps.overlay import laid_over
from neocog.explainers.top_activations import gallery, top_patches
from neocog.graph.structure import structure
from neocog.lectures.evidence import Comparison, Evidence, LectureClaim
from neocog.lectures.gabor import CHANCE, GaborFit, first_layer, gabor_fit
from neocog.lectures.material import Material
from neocog.render.pixels import as_image, sheet
from neocog.stats import wilson_interval

__all__ = ["CLAIMS"]


def learned_filters(material: Material) -> Evidence:
    """G1: filters of every layer, and how much like Gabor functions they are."""
    net = material.classifier
    banks = filters(net)
    fit = gabor_fit(first_layer(banks), random=20, seed=material.seed)
    convolutions = sum(isinstance(m, nn.Conv2d) for m in net.modules())
    likeness, missing = gabor_likeness(fit, photographs=material.in_channels == 3)
    return Evidence(
        measured_on=f"a LeNet-5 trained on {material.named}",
        comparisons=(
            Comparison(name="layers whose filters are drawn", value=len(banks),
                expected=convolutions),
            *likeness,
        ),
        exhibits=[e for bank in banks for s in bank.sections(16) for e in s.exhibits][:4]
        + [e for s in fit.sections(16) for e in s.exhibits][:3],
        missing=missing,
        note=fit.verdict(),
    )  # fmt: skip


def gabor_likeness(fit: GaborFit, *, photographs: bool) -> tuple[tuple[Comparison, ...], str]:
    """Whether more first-layer filters than by chance resemble Gabor functions.

    Args:
        fit: of the first layer.
        photographs: whether the network has seen natural images.

    Returns:
        what must hold, and what is not shown; one of the two is empty.
    """
    if not photographs:
        return (), (
            "natural images, whose first-layer filters resemble Gabor functions: give --data with "
            "photographs"
        )
    size = "×".join(map(str, fit.filters.shape[2:]))
    if not fit.is_evidence:
        return (), f"larger filters: at {size} nearly every one resembles a Gabor function"
    low, _ = wilson_interval(fit.above, fit.n)
    return (
        Comparison(
            name=f"{fit.above} of {fit.n} first-layer filters are nearer to a Gabor function than "
            "95 % of noise: lower end of the 95 % CI",
            value=low, expected=CHANCE, relation=">", unit="%",
        ),
    ), ""  # fmt: skip


def maps_of_layers(material: Material) -> Evidence:
    """G2: feature maps of any layer."""
    net = material.classifier
    maps = feature_maps(net, material.image)
    first = next(m for m in maps if m.kind == "Conv2d")
    layer = net.get_submodule(first.layer)
    with torch.no_grad():
        expected = layer(material.image[None])[0]
    error = float((torch.as_tensor(first.maps) - expected).abs().max())
    return Evidence(
        measured_on=f"the image of most contrast of {material.named}, a trained LeNet-5",
        comparisons=(
            Comparison(name="layers with feature maps", value=len(maps), expected=4,
                relation=">="),
            Comparison(name=f"maps of {first.layer} less the layer itself", value=error,
                expected=1e-5, relation="<="),
        ),
        exhibits=[
            Gallery(title="feature maps", captions=[m.layer for m in maps][:6],
                images=[sheet(m.images(16)) for m in maps][:6], pixelated=True),
        ],
    )  # fmt: skip


def responses(material: Material) -> Evidence:
    """G3: activation maximization, and the real patches that excite a unit most."""
    net, samples = material.classifier, material.test.first(200).samples
    layer = [k for k, m in net.named_modules() if isinstance(m, nn.Conv2d)][1]
    result = maximize_activation(
        net, layer, [0, 1, 2], size=material.size, in_channels=material.in_channels,
        config=AscentConfig(steps=48, seed=material.seed), samples=samples,
    )  # fmt: skip
    patches = top_patches(net, samples, layer, k=5, units=[0, 1, 2])
    assert result.largest is not None
    better = sum(
        bool(made > real) for made, real in zip(result.activations, result.largest, strict=True)
    )
    return Evidence(
        measured_on=f"three units of `{layer}` of a LeNet-5, 200 images of {material.named}",
        comparisons=(
            Comparison(name="made images that excite the unit more than any real one",
                value=better, expected=2, relation=">="),
            Comparison(name="real patches, strongest first: largest rise from one to the next",
                value=float((patches.scores[:, 1:] - patches.scores[:, :-1]).max()),
                expected=0.0, relation="<="),
        ),
        exhibits=[
            *(e for s in result.sections() for e in s.exhibits),
            *(e for s in gallery(patches, samples) for e in s.exhibits),
        ],
        note="48 steps of ascent, so that it takes seconds.",
    )  # fmt: skip


def class_maps(material: Material) -> Evidence:
    """G4: Grad-CAM for any class and any layer."""
    net, x = material.classifier, material.image[None]
    layers = [k for k, m in net.named_modules() if isinstance(m, nn.Conv2d)]
    layer = layers[1]
    cams = [grad_cam(net, x, layer=layer, target=k) for k in range(material.num_classes)]
    maps = torch.stack([c.maps[0] for c in cams])
    reached = sum(_says_where(grad_cam(net, x, layer=k).maps) for k in layers)
    spread = float((maps - maps.mean(0)).norm() / maps.norm())
    drawn = [laid_over(material.image, c.enlarged(c.positive)[0]) for c in cams]
    return Evidence(
        measured_on=f"the image of most contrast of {material.named}, a trained LeNet-5",
        comparisons=(
            Comparison(name="layers whose map is finite and differs from place to place",
                value=reached, expected=len(layers)),
            Comparison(name="difference of the maps of the classes, relative", value=spread,
                expected=0.1, relation=">"),
        ),
        exhibits=[
            Gallery(title=f"Grad-CAM at {layer}", images=[as_image(material.image), *drawn],
                captions=["image", *material.opened.classes], pixelated=False),
        ],
    )  # fmt: skip


def _says_where(maps: Tensor) -> bool:
    return bool(maps.isfinite().all()) and float(maps.std()) > 0


def interactive_page(material: Material) -> Evidence:
    """G5: a page that shows the kernel slide and the way from image to class."""
    graph = structure(material.classifier, material.image[None])
    last = graph.output
    return Evidence(
        measured_on=f"the graph of a LeNet-5 on {material.named}",
        comparisons=(
            Comparison(name="nodes from the image to the classes", value=len(graph.nodes),
                expected=8, relation=">="),
            Comparison(name="outputs of the last one", value=last.shape[-1],
                expected=material.num_classes),
        ),
        missing="the page itself, which needs a browser: `neocog explore MODEL DATA`",
    )  # fmt: skip


CLAIMS = (
    LectureClaim(id="G1", decks=(1, 4), measure=learned_filters, slow=True,
        text="Filters can be seen; on natural images the first ones resemble Gabor functions."),
    LectureClaim(id="G2", decks=(0, 1, 4), measure=maps_of_layers, slow=True,
        text="Each layer has feature maps, which can be seen for any image."),
    LectureClaim(id="G3", decks=(4,), measure=responses, slow=True,
        text="What a unit responds to: an optimized image, and the strongest real patches."),
    LectureClaim(id="G4", decks=(1,), measure=class_maps, slow=True,
        text="Grad-CAM shows the evidence for any class at any layer."),
    LectureClaim(id="G5", decks=(1,), measure=interactive_page, slow=True,
        text="An interactive page shows the kernel slide, the arithmetic and the way to a class."),
)  # fmt: skip
"""In reading order."""
