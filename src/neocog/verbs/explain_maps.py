"""Grad-CAM and its relatives on images, with what speaks for and against each map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from neocog.data.samples import Samples
from neocog.errors import UsageError
from neocog.exhibits import Section
from neocog.explainers.grad_cam import Cam, grad_cam
from neocog.explainers.maps.objective import Target
from neocog.explainers.maps.sections import cam_sections, class_of, trust_sections
from neocog.explainers.trust.trust import Trust, trust
from neocog.first_screen import FirstScreen, Named
from neocog.models.model import Model
from neocog.render.pixels import shaded
from neocog.verbs.explain_cells import cells_of
from neocog.verbs.explain_first import first_of_maps
from neocog.verbs.explain_input import ImageBatch, short

__all__ = ["CamOptions", "CamResult", "Maps", "maps"]


@dataclass(frozen=True, kw_only=True)
class CamOptions:
    """How something is explained.

    Args:
        method: a key of `explain_ways.WAYS`.
        layer: as the user names it; chosen if left out.
        target: class, by name or index; the predicted class if left out.
        units: channels of a layer; those that come first if left out.
        window: of a template: first row, end row (exclusive), first column, end column (exclusive).
        sanity_checks: whether maps are put to the test.
        seed: of all random numbers.
        on_progress: called with what is computed next.
        named: model and data as the user named them; None where they are objects in Python.
    """

    method: str
    layer: str | None = None
    target: int | str | None = None
    units: tuple[int, ...] | None = None
    window: tuple[int, int, int, int] | None = None
    sanity_checks: bool = True
    seed: int = 0
    on_progress: Callable[[str], None] = lambda text: None
    named: Named | None = None


@dataclass(frozen=True, kw_only=True)
class CamResult:
    """The result.

    Args:
        sections: of the page.
        figures: plain numbers, lists and names, for JSON.
        result: the very result of the explainer.
        notes: sentences on what was left out.
        first: the first screen, where the method has one of its own.
    """

    sections: list[Section]
    figures: dict[str, Any]
    result: Any
    notes: tuple[str, ...] = ()
    first: FirstScreen | None = None


@dataclass(frozen=True, kw_only=True)
class Maps:
    """Maps and their test.

    Args:
        cam: the maps.
        trust: their sanity checks; None where they were left out.
    """

    cam: Cam
    trust: Trust | None


def maps(
    of: Model, batch: ImageBatch | None, data: Samples | None, options: CamOptions
) -> CamResult:
    """Maps of all images.

    Args:
        of: the model.
        batch: the images.
        data: is not looked at.
        options: method, layer, class.
    """
    assert batch is not None
    layer = None if options.layer is None else of.inner(options.layer)
    target, name_of_target = _target(of, options)
    options.on_progress("maps")
    cam = grad_cam(of.module, batch.x, layer=layer, target=target, method=options.method)
    cells = cells_of(of.module, tuple(batch.x.shape[1:]), cam.layer, cam.layout)
    cam = replace(cam, cells=cells)
    checked = None
    if options.sanity_checks:
        checked = trust(
            of.module,
            batch.x,
            cam,
            target=target,
            seed=options.seed,
            on_progress=options.on_progress,
        )
        checked = _named(checked, of)
    names = [short(n) for n in batch.names]
    images = shaded(batch.x, of.spec.input.values)  # for eyes
    sections = cam_sections(cam, images, names=names, classes=of.classes, layer=of.label(cam.layer))
    if checked is not None:
        tests = trust_sections(checked, cam, images)
        sections = [sections[0], *tests, *sections[1:]]
    targets = [name_of_target or class_of(t, of.classes) or None for t in cam.targets]
    figures: dict[str, Any] = {
        "layer": of.label(cam.layer),
        "layer_reason": cam.layer_reason,
        "target": targets[0] if len(set(targets)) == 1 else targets,
        "grid": list(cam.grid),
        "cells": None if cells is None else {"first": list(cells.first), "step": list(cells.step)},
        **({} if checked is None else checked.to_json()),
        "images": _images(cam, batch, targets, checked),
    }
    first = first_of_maps(of, batch, cam, checked, named=options.named, method=options.method)
    return CamResult(
        sections=sections, figures=figures, result=Maps(cam=cam, trust=checked), first=first
    )


def _target(of: Model, options: CamOptions) -> tuple[Target, str | None]:
    """What is explained, and its name where it is not a class."""
    number = of.target(options.target)
    if of.task != "regress":
        return number, None
    n = number or 0
    if n < 0:
        raise UsageError(f"Outputs are counted from 0; got number {n}. Name one of them.")

    def output(outputs: Tensor) -> Tensor:
        flat = outputs[:, None] if outputs.ndim == 1 else outputs
        if n >= flat.shape[1]:
            raise UsageError(
                f"This model has {flat.shape[1]} outputs, counted from 0; got number {n}. "
                "Name one of them."
            )
        return flat[:, n]

    return output, f"output {n}"


def _named(checked: Trust, of: Model) -> Trust:
    """With the names of layers as the user knows them."""
    layers = tuple(of.label(name) for name in checked.randomized.layers)
    return replace(checked, randomized=replace(checked.randomized, layers=layers))


def _images(
    cam: Cam, batch: ImageBatch, targets: Sequence[str | None], checked: Trust | None
) -> list[dict[str, Any]]:
    """A row per image."""
    rows = []
    for i, name in enumerate(batch.names):
        value = float(cam.values[i])
        row: dict[str, Any] = {
            "path": name,
            "target": targets[i],
            "class": cam.targets[i],
            "value": value if value == value else None,
            "probability": cam.probability(i),
            "map": cam.maps[i].cpu().tolist(),
        }
        if checked is not None:
            row["deletion"] = float(checked.deletion.areas("deletion")[i])
            row["insertion"] = float(checked.deletion.areas("insertion")[i])
            rank = float(checked.randomized.rank[i, -1])
            row["randomization"] = rank if rank == rank else None
        rows.append(row)
    return rows
