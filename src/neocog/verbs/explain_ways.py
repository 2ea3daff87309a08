"""Ways of explaining, one visible table: what each needs, and what it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.modules.conv import _ConvNd

from neocog.data.samples import Samples
from neocog.errors import ModelError, NeocogError, UsageError, did_you_mean, printable
from neocog.explainers.activation_maximization import AscentConfig, maximize_activation
from neocog.explainers.activation_maximization_result import ActivationMaximization
from neocog.explainers.feature_maps import feature_maps
from neocog.explainers.feature_maps import sections as feature_sections
from neocog.explainers.features import features_of
from neocog.explainers.filters import Filters, filters
from neocog.explainers.grad_cam import METHODS
from neocog.explainers.target import choose_layer
from neocog.explainers.top_activations import gallery, top_patches
from neocog.graph.activations import differentiable
from neocog.graph.receptive_field import receptive_field
from neocog.layers.symmetrized import upright
from neocog.lectures.backward import backward
from neocog.lectures.classic_filters import Classic, classic
from neocog.lectures.classic_filters import sections as classic_sections
from neocog.lectures.gabor import first_layer, gabor_fit
from neocog.lectures.template_matching import busiest, search
from neocog.models.model import Model
from neocog.render.pixels import shaded
from neocog.verbs.explain_cells import seen_by
from neocog.verbs.explain_input import ImageBatch, short
from neocog.verbs.explain_maps import CamOptions, CamResult, maps

__all__ = ["WAYS", "Way"]

OUTPUTS = 10
"""Outputs that are maximized where none is named."""

LISTED = 100_000
"""Weights that are written as numbers, at most; of a larger network name a layer."""

DRAWN = 320
"""Filters that are shown of all layers together, but at least four of each."""

FEW, MANY = 16, 64
"""Filters and maps that are shown of a layer, among many layers, and where one was named."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way of explaining.

    Args:
        title: of its page.
        run: from model, images, data and options to the result.
        about: what it shows, a line.
        images: it needs images.
        data: it needs data.
    """

    title: str
    run: Callable[[Model, ImageBatch | None, Samples | None, CamOptions], CamResult]
    about: str
    images: bool = True
    data: bool = False


def _filters(
    of: Model, batch: ImageBatch | None, data: Samples | None, options: CamOptions
) -> CamResult:
    example = batch.x[:1] if batch is not None else _zeros(of)
    banks = filters(of.module, example=example)
    first, notes = None, []
    if options.layer is None:
        try:
            first = gabor_fit(first_layer(banks), seed=options.seed)
        except NeocogError as e:
            notes.append(f"No Gabor functions were fitted. {e}")
    else:
        banks = _named(of, banks, options.layer)
    most = MANY if len(banks) == 1 else max(4, min(FEW, DRAWN // len(banks)))
    whole = sum(f.weights.size for f in banks) <= LISTED
    sections = [s for f in banks for s in replace(f, name=of.label(f.name)).sections(most)]
    fitted = [] if first is None else [*replace(first, layer=of.label(first.layer)).sections()]
    return CamResult(
        sections=fitted + sections,
        figures={
            "layers": [_filters_json(f, of, whole=whole) for f in banks],
            "gabor": None if first is None else {**first.to_json(), "layer": of.label(first.layer)},
        },
        result=banks,
        notes=tuple(notes),
    )


def _named(of: Model, banks: tuple[Filters, ...], layer: str) -> tuple[Filters, ...]:
    """The filters of one layer; those without a module have a name too, as `#1`."""
    names = [of.label(f.name) for f in banks]
    chosen = tuple(
        f
        for f, name in zip(banks, names, strict=True)
        if layer in (f.name, name) or name.startswith(f"{layer} #")
    )
    if chosen:
        return chosen
    if "#" not in layer:
        of.inner(layer)  # raises where there is no such layer at all
    hint = did_you_mean(layer, names)
    if not hint.startswith("Did") and len(names) > FEW:
        hint = "Leave --layer out to see which there are."
    raise UsageError(f"Only convolutions have filters; `{printable(layer)}` is none. {hint}")


def _filters_json(bank: Filters, of: Model, *, whole: bool) -> dict[str, Any]:
    """A layer's filters; the weights only where they are not too many to be read."""
    shape = list(bank.weights.shape)
    if not whole:
        bank = replace(bank, weights=bank.weights[:0])
    plain = {**bank.to_json(), "name": of.label(bank.name), "shape": shape}
    return {k: v for k, v in plain.items() if whole or k != "weights"}


def _features(
    of: Model, batch: ImageBatch | None, data: Samples | None, options: CamOptions
) -> CamResult:
    assert batch is not None
    layers = None if options.layer is None else [of.inner(options.layer)]
    # All layers of one image, or one layer of all images.
    rows = batch.x[:1] if layers is None else batch.x
    maps_of = [feature_maps(of.module, x, layers=layers) for x in rows]
    most = FEW if layers is None else MANY
    names = [short(n) for n in batch.names] if len(maps_of) > 1 else [""]
    drawn = shaded(rows, of.spec.input.values)
    labeled = [
        [replace(f, layer=of.label(f.layer), image=image.cpu().numpy()) for f in one]
        for one, image in zip(maps_of, drawn, strict=True)
    ]
    return CamResult(
        sections=[
            s
            for one, name in zip(labeled, names, strict=False)
            for s in feature_sections(one, most=most, name=name)
        ],
        figures={
            "layers": [
                {"name": of.label(f.layer), "kind": f.kind, "shape": list(f.maps.shape)}
                for f in maps_of[0]
            ]
        },
        result=tuple(maps_of),
        notes=_first_alone(batch, "name a layer for its maps of all images")
        if layers is None
        else (),
    )


def _maximize(
    of: Model, batch: ImageBatch | None, data: Samples | None, options: CamOptions
) -> CamResult:
    shape = _shape(of, batch, data)
    layer = "" if options.layer is None else of.inner(options.layer)
    units = options.units
    if units is None and (number := of.target(options.target)) is not None:
        units = (number,)
    if units is None:
        units = tuple(range(min(OUTPUTS, _units(of, shape, layer))))
    result = maximize_activation(
        of.module,
        layer,
        list(units),
        size=shape[1:],
        in_channels=shape[0],
        config=AscentConfig(seed=options.seed),
        samples=data,
    )
    names = of.classes if layer == "" else ()
    return CamResult(
        sections=_shaded(replace(result, layer=of.label(layer)), of).sections(names),
        figures={**result.to_json(), "layer": of.label(layer)},
        result=result,
    )


def _shaded(result: ActivationMaximization, of: Model) -> ActivationMaximization:
    """The same, its images as they are drawn."""
    largest = result.largest_images
    return replace(
        result,
        images=_shades(result.images, of),
        largest_images=None if largest is None else _shades(largest, of),
    )


def _shades(images: np.ndarray, of: Model) -> np.ndarray:
    """What a model takes as it is drawn, one image (C, H, W) or several; series as they are."""
    if images.ndim == 3 and len(of.spec.input.size) == 2:
        return np.asarray(_shades(images[None], of)[0])
    return np.asarray(shaded(torch.from_numpy(images), of.spec.input.values))


def _patches(
    of: Model, batch: ImageBatch | None, data: Samples | None, options: CamOptions
) -> CamResult:
    assert data is not None
    shape = _shape(of, batch, data)
    some = data.take(slice(0, 1))
    if options.layer is None:
        with differentiable(of.module) as run:
            chosen = choose_layer(run, of.module, some)
        layer, reason = chosen.name, chosen.reason
    else:
        layer, reason = of.inner(options.layer), "named by the user"
    seen = seen_by(of.module, shape, layer)
    patches = top_patches(of.module, data, layer, units=options.units, seen=seen)
    figures = {**patches.to_json(), "layer": of.label(layer), "layer_reason": reason}
    drawn = gallery(
        replace(patches, layer=of.label(layer)), data, most=FEW, values=of.spec.input.values
    )
    return CamResult(sections=drawn, figures=figures, result=patches)


def _backward(
    of: Model, batch: ImageBatch | None, data: Samples | None, options: CamOptions
) -> CamResult:
    assert batch is not None
    if options.layer is None:
        layer, reason = _first_convolution(of), "the first convolution"
    else:
        layer, reason = of.inner(options.layer), "named by the user"
    result = backward(of.module, layer, batch.x, target=of.target(options.target))
    figures = {**result.to_json(), "layer": of.label(layer), "layer_reason": reason}
    drawn = replace(result, layer=of.label(layer)).sections()
    return CamResult(sections=drawn, figures=figures, result=result)


def _first_convolution(of: Model) -> str:
    """The first convolution that is a module, so its input and output can be recorded."""
    for name, m in of.module.named_modules():
        if isinstance(m, _ConvNd) and not m.transposed:
            return str(name)
    raise UsageError(
        "The backward pass is shown of convolutions that are modules of their own; "
        f"{of.title} has none. Use another method, such as grad_cam."
    )


def _template(
    of: Model, batch: ImageBatch | None, data: Samples | None, options: CamOptions
) -> CamResult:
    assert batch is not None
    x = batch.x[0]
    window = options.window or busiest(x)
    features, notes = None, [*_first_alone(batch, "name one to look at another")]
    layer = of.inner(options.layer) if options.layer is not None else _fine_layer(of, x, window)
    if layer is not None:
        seen = seen_by(of.module, tuple(x.shape), layer)
        if seen is None:
            notes.append(f"What `{of.label(layer)}` sees is unknown, so no features are matched.")
        else:
            name = f"{of.title}, {of.label(layer)}"
            features = features_of(of.module, layer, seen, name=name)
    result = search(x, window, features=features, seed=options.seed)
    figures = {**result.to_json(), "layer": None if layer is None else of.label(layer)}
    drawn = replace(
        result,
        image=_shades(result.image, of),
        changed={name: _shades(image, of) for name, image in result.changed.items()},
    )
    return CamResult(sections=drawn.sections(), figures=figures, result=result, notes=tuple(notes))


def _filter(
    of: Model, batch: ImageBatch | None, data: Samples | None, options: CamOptions
) -> CamResult:
    assert batch is not None
    results = [classic(x) for x in batch.x]
    names = [short(name) for name in batch.names]
    return CamResult(
        sections=classic_sections([_classic_shades(r, of) for r in results], names=names),
        figures=results[0].to_json(),
        result=tuple(results),
    )


def _classic_shades(result: Classic, of: Model) -> Classic:
    """The same, its images as they are drawn; signed maps as they are."""
    filtered = (
        replace(f, values=_shades(f.values, of)) if f.kind == "image" else f
        for f in result.filtered
    )
    return replace(result, image=_shades(result.image, of), filtered=tuple(filtered))


WAYS: dict[str, Way] = {
    **{name: Way(title=m.title, run=maps, about=m.question) for name, m in METHODS.items()},
    "filters": Way(
        title="Filters",
        run=_filters,
        about="The filters of every convolution.",
        images=False,
    ),
    "features": Way(
        title="Feature maps", run=_features, about="The output of each layer for an image."
    ),
    "activation-maximization": Way(
        title="What excites units",
        run=_maximize,
        about="Images optimized to excite a unit.",
        images=False,
    ),
    "top-activations": Way(
        title="Top activations",
        run=_patches,
        about="The real patches with the highest activation of a unit.",
        images=False,
        data=True,
    ),
    "backward": Way(
        title="Backward pass",
        run=_backward,
        about="The backward pass of a convolution, as convolutions.",
    ),
    "template-matching": Way(
        title="Template matching",
        run=_template,
        about="A template cut from an image, searched for in it.",
    ),
    "classic-filters": Way(
        title="Classic filters", run=_filter, about="The classic filters on an image."
    ),
}
"""Name to the way of explaining, as `--method` takes it."""


def _shape(of: Model, batch: ImageBatch | None, data: Samples | None) -> tuple[int, ...]:
    """Channels and size of what the model takes."""
    if of.shape:
        return of.shape
    if batch is not None:
        return tuple(batch.x.shape[1:])
    if data is not None:
        return (data.channels, *data.size)
    raise UsageError(
        "The input size of the model must be known, and a module does not state it. Give images or "
        "data of that size."
    )


def _first_alone(batch: ImageBatch, otherwise: str) -> tuple[str, ...]:
    """That of several images the first is looked at."""
    if len(batch.x) < 2:
        return ()
    first = printable(batch.names[0])
    return (f"Of the {len(batch.x)} images the first is shown, {first}; {otherwise}.",)


def _zeros(of: Model) -> Tensor | None:
    return None if not of.shape else torch.zeros(1, *of.shape)


def _units(of: Model, shape: tuple[int, ...], layer: str) -> int:
    """Units of a layer."""
    from neocog.explainers.units import output_of

    with differentiable(of.module) as run, torch.no_grad():
        return int(output_of(run, of.module, layer, torch.zeros(1, *shape)).shape[1])


def _fine_layer(of: Model, x: Tensor, window: Sequence[int]) -> str | None:
    """The deepest layer whose map is fine enough for a piece of that size."""
    try:
        with upright():
            layers = receptive_field(of.module, tuple(x.shape)).layers
    except ModelError:
        return None
    least = min(window[1] - window[0], window[3] - window[2])
    fit = [
        f.name
        for f in layers
        if f.known
        and f.name
        and len(f.output) == 3
        and all(j is not None and j == int(j) and 4 * int(j) <= least for j in f.jump)
        and all(s is not None for s in f.start)
        and not (f.whole and any(f.whole))
    ]
    return fit[-1] if fit else None
