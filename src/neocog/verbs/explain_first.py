"""The first screen of an explanation: a sentence, an image, figures, a command."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from neocog.audits.compare import flipped
from neocog.errors import printable
from neocog.exhibits import Bars, Checks, Curve, Exhibit, Gallery, Map, Scalar, Section
from neocog.explainers.grad_cam import Cam
from neocog.explainers.maps.sections import cam_gallery, class_of
from neocog.explainers.trust.trust import Trust
from neocog.first_screen import MOST_FIGURES, Command, FirstScreen, Level, Named
from neocog.graph.output_kind import probabilities
from neocog.models.model import Model
from neocog.render.pixels import shaded
from neocog.verbs.explain_input import ImageBatch, short

__all__ = ["first_of", "first_of_maps"]

DRAWN = 8
"""Images of a gallery that a first screen shows."""


def first_of_maps(
    of: Model, batch: ImageBatch, cam: Cam, trust: Trust | None, *, named: Named | None, method: str
) -> FirstScreen:
    """Of maps over images: the prediction, and how many sanity checks the maps pass.

    Args:
        of: the model.
        batch: the images.
        cam: their maps.
        trust: the sanity checks; None where they were left out.
        named: model and data as the user named them.
        method: of the maps.
    """
    level: Level = "plain"
    badge = ""
    many = "The map" if len(cam.maps) == 1 else f"The {len(cam.maps)} maps together"
    verb = "passes" if len(cam.maps) == 1 else "pass"
    headline, detail = _predicted(of, batch, cam), "The sanity checks were left out."
    if trust is not None:
        good, _, rest = trust.outcome.removeprefix("passed ").partition(" (")
        headline += f" {many} {verb} {good} sanity checks."
        detail = f"{rest.rstrip(')')[:1].upper()}{rest.rstrip(')')[1:]}." if rest else ""
        values = [c.passed for c in trust.checks]
        badge = f"{sum(v is True for v in values)} of {len(values)} checks"
        level = "bad" if False in values else "open" if None in values else "good"
    image: list[Exhibit] = [
        cam_gallery(
            cam,
            shaded(batch.x, of.spec.input.values),
            0,
            names=_names(batch),
            classes=of.classes,
            large=True,
        )
    ]
    if trust is not None:
        image.append(Checks(title="sanity checks", checks=trust.checks))
    return FirstScreen(
        headline=headline,
        detail=detail,
        badge=badge,
        level=level,
        image=tuple(image),
        next=_next(of, cam, named, method),
        note=f"Layer {printable(of.label(cam.layer))}: {cam.layer_reason}.",
    )


def _names(batch: ImageBatch) -> list[str]:
    return [short(n) for n in batch.names]


def _predicted(of: Model, batch: ImageBatch, cam: Cam) -> str:
    """What the model predicts for the first image, and what is explained where it differs."""
    name = printable(short(batch.names[0]))
    more = f", the first of {len(batch.x)} images" if len(batch.x) > 1 else ""
    if cam.outputs.ndim != 2 or cam.outputs.shape[1] < 2:
        target = class_of(cam.targets[0], of.classes)
        what = f"class {target} in it" if target else f"output {float(cam.values[0]):.3g}"
        return f"{name}{more}: {what}."
    p = probabilities(cam.outputs[0].double(), cam.kind, dim=0)
    best = int(p.argmax())
    sentence = (
        f"Predicted {class_of(best, of.classes)} ({_percent(float(p[best]))}) for {name}{more}."
    )
    target_index = cam.targets[0]
    if target_index is not None and target_index != best:
        chosen = class_of(target_index, of.classes)
        sentence += f" Explained is {chosen} ({_percent(float(p[target_index]))})."
    return sentence


def _percent(value: float) -> str:
    return f"{flipped(value, 0 if value >= 0.1 else 1)} %"


def _next(of: Model, cam: Cam, named: Named | None, method: str) -> tuple[Command, ...]:
    """Another class, and the explorer."""
    if named is None:
        return ()
    commands = []
    other = _runner_up(cam)
    if other is not None and named.data:
        how = () if method == "grad_cam" else ("--method", method)
        text = f"Explain the runner-up, {class_of(other, of.classes)}"
        commands.append(named.command("explain", text, *how, "--class", str(other)))
    commands.append(
        named.command("explore", "Follow this model layer by layer", data=_is_data(named))
    )
    return tuple(commands)


def _is_data(named: Named) -> bool:
    """Whether the explorer takes what was named: it opens data, no single sample of it."""
    return bool(named.data) and not named.data.endswith("]")


def _runner_up(cam: Cam) -> int | None:
    """The second most probable class of the first image; None where the map is of no class."""
    if cam.outputs.ndim != 2 or cam.outputs.shape[1] < 2 or cam.targets[0] is None:
        return None
    order = cam.outputs[0].argsort(descending=True)
    return int(next(k for k in order.tolist() if k != cam.targets[0]))


# ---- all other methods


def first_of(
    method: str,
    figures: Mapping[str, Any],
    sections: Sequence[Section],
    *,
    named: Named | None,
) -> FirstScreen:
    """Of any other method: what was looked at, its first image, its first figures.

    Args:
        method: a key of `HEADLINES`.
        figures: as `--json` prints them.
        sections: all sections.
        named: model and data as the user named them.
    """
    exhibits = [e for s in sections for e in s.exhibits]
    return FirstScreen(
        headline=HEADLINES[method](figures),
        image=_first_image(exhibits),
        figures=tuple(
            replace(e, note="") for e in exhibits if isinstance(e, Scalar) and e.value == e.value
        )[:MOST_FIGURES],
        next=()
        if named is None
        else (named.command("explore", "Follow this model layer by layer", data=_is_data(named)),),
    )


def _first_image(exhibits: Sequence[Exhibit]) -> tuple[Exhibit, ...]:
    """One with images, else the first that is drawn."""
    for kinds in ((Gallery,), (Map, Curve, Bars)):
        for e in exhibits:
            if isinstance(e, Gallery) and isinstance(e, kinds) and len(e.images):
                n = DRAWN - DRAWN % max(1, e.together)
                return (replace(e, images=e.images[:n], captions=e.captions[:n]),)
            if isinstance(e, kinds) and not isinstance(e, Gallery):
                return (e,)
    return ()


def _filters(figures: Mapping[str, Any]) -> str:
    layers = figures["layers"]
    count = sum(int(layer["shape"][0]) for layer in layers)
    headline = f"{_n(count, 'filter')} in {_n(len(layers), 'convolution')}."
    gabor = figures.get("gabor")
    known = [v for v in (gabor or {}).get("explained", ()) if v is not None]
    if gabor and known:
        headline += (
            f" In {printable(gabor['layer'])}, Gabor functions explain "
            f"{_percent(statistics.median(known))} of the median filter's energy; of random "
            f"filters {_percent(gabor['floor']['median'])}."
        )
    return headline


def _features(figures: Mapping[str, Any]) -> str:
    layers = figures["layers"]
    shape = "×".join(map(str, layers[-1]["shape"])) if layers else ""
    last = f", to {shape} in {printable(layers[-1]['name'])}" if layers else ""
    return f"Feature maps of {_n(len(layers), 'layer')}{last}."


def _maximized(figures: Mapping[str, Any]) -> str:
    units, awake = figures["units"], figures["awake"]
    silent = sum(not a for a in awake)
    where = printable(figures["layer"]) or "the output"
    headline = f"{_n(len(set(units)), 'unit')} of {where} maximized"
    return f"{headline}; {silent} stayed silent." if silent else f"{headline}."


def _patches(figures: Mapping[str, Any]) -> str:
    units = figures["units"]
    best = [u["patches"][0]["score"] for u in units if u["patches"]]
    headline = (
        f"The patches that activate {_n(len(units), 'unit')} of {printable(figures['layer'])} "
        f"most, among {_n(figures['count'], 'image')}."
    )
    return f"{headline} Highest activation {max(best):.3g}." if best else headline


def _backward(figures: Mapping[str, Any]) -> str:
    worst = max(figures["kernel_error"], figures["input_error"])
    return (
        f"Both gradients of {printable(figures['layer'])}, computed as convolutions, agree with "
        f"automatic differentiation to {worst:.1g} of the largest value."
    )


def _template(figures: Mapping[str, Any]) -> str:
    rows = figures.get("rows") or ()
    correct = sum(bool(r.get("correct")) for r in rows)
    if not rows:
        return (
            "A template cut from the image was searched for in the image and in changed copies of "
            "it."
        )
    return f"The template is found in {correct} of {len(rows)} searches."


def _classic(figures: Mapping[str, Any]) -> str:
    return f"{_n(len(figures['filters']), 'classic filter')} applied to the image."


def _n(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


HEADLINES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "filters": _filters,
    "features": _features,
    "activation-maximization": _maximized,
    "top-activations": _patches,
    "backward": _backward,
    "template-matching": _template,
    "classic-filters": _classic,
}
"""Method to the sentence that it opens with."""
