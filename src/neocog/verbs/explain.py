"""See inside any network, and know whether to trust what you see."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from neocog.errors import NeocogError, UsageError, did_you_mean, printable
from neocog.exhibits import Bars, Curve, Gallery, Map, Section
from neocog.fields import Fields
from neocog.files import read_json
from neocog.first_screen import FirstScreen, Named
from neocog.graph.determinism import same_randomness_after
from neocog.graph.multiple_outputs import output_at
from neocog.graph.preserve import preserved
from neocog.jsonable import keys
from neocog.keywords import known_keywords
from neocog.layers.symmetrized import maps_of_inside
from neocog.models.external import as_it_is
from neocog.models.model import AnyModel, Model
from neocog.render.notebook import Result
from neocog.store.sound import finite_outputs
from neocog.targets import target_folder, write_bytes
from neocog.types import check_task
from neocog.verbs.explain_first import first_of
from neocog.verbs.explain_input import (
    ImageBatch,
    StrPath,
    given_data,
    open_explained,
)
from neocog.verbs.explain_maps import CamOptions
from neocog.verbs.explain_ways import WAYS
from neocog.verbs.progress import Progress, progress_line

__all__ = ["Explanation", "explain"]

PAGE, NUMBERS = "explain.html", "explain.json"


@dataclass(frozen=True, kw_only=True, repr=False)
class Explanation(Result):
    """An explanation, and its files.

    Args:
        method: how it was explained.
        title: what was explained.
        result: of the explainer: `Maps`, `ActivationMaximization`, `TopPatches` and so on.
        figures: plain numbers, lists and names.
        body: all sections.
        notes: sentences on what was left out.
        files: that were written; none without a folder.
        first: the first screen.
    """

    JSON = keys("method", "files", "*figures", "notes")

    method: str
    title: str
    result: Any
    figures: dict[str, Any]
    body: tuple[Section, ...]
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    first: FirstScreen

    def heading(self) -> str:
        """What was explained."""
        return self.title

    def first_screen(self) -> FirstScreen:
        """The first screen."""
        return self.first

    def brief(self) -> list[Section]:
        """For the terminal with --verbose: text and numbers."""
        drawn = (Gallery, Map, Curve, Bars)
        short = [
            replace(s, exhibits=tuple(e for e in s.exhibits if not isinstance(e, drawn)))
            for s in self.body
        ]
        return [s for s in short if s.exhibits or s.text]

    def sections(self) -> list[Section]:
        """For the page."""
        notes = [Section(title="Notes", text="\n\n".join(self.notes))] if self.notes else []
        return [*self.body, *notes]


@known_keywords
def explain(
    model: AnyModel,
    data: Any = None,
    *,
    images: Any = None,
    method: str = "grad_cam",
    layer: str | None = None,
    target: int | str | None = None,
    units: Sequence[int] | None = None,
    window: Sequence[int] | None = None,
    n: int = 8,
    sanity_checks: bool = True,
    seed: int = 0,
    task: str = "classify",
    strict: bool = False,
    allow_random: bool = False,
    out: StrPath | None = None,
    progress: Progress = True,
) -> Explanation:
    """Explain a model: evidence for its predictions, features of its layers. It is left unchanged.

    Args:
        model: a run folder or another name of a model, what `neocog.load` gives, or any
            `nn.Module` from values in [0, 1].
        data: what is looked at, or looked through: a data set (`DATA:val`, `DATA:all`) or a
            folder of images, of which some are sampled; image files, single samples as
            `digits:test[17]`; or what a program has, see `neocog.data.inputs`. Labels are not
            needed.
        images: what to look at, where it is not in the data: as for `data`.
        method: one of `neocog.verbs.explain_ways.WAYS`: `grad_cam` and its relatives say where an
            evidence for a class is; `filters`, `features`, `activation-maximization` and
            `top-activations` what layers and units do; `backward`, `template-matching` and
            `classic-filters` show how they work.
        layer: a submodule, by its name; chosen, with the reason, if left out.
        target: class, by name or index; the predicted class if left out.
        units: channels of a layer, for `activation-maximization` and `top-activations`.
        window: of a template: first row, end row (exclusive), first column, end column (exclusive).
        n: images that are looked at, at most.
        sanity_checks: put maps to the test: deletion, insertion, random weights, moved images.
        seed: of all random numbers.
        task: what an `nn.Module` does: classify, segment or regress.
        strict: stop at the first image that cannot be used.
        allow_random: take a model whose predictions are not a function of the image alone.
        out: a folder for PNG and SVG files, a page and the numbers as JSON; what an earlier
            explanation left there goes. Nothing is written if left out.
        progress: True for a line on standard error, False for none, or a function that is
            called with what is computed next.

    Raises:
        NeocogError: the model, the images or an option cannot be used.

    Example:
        >>> import neocog
        >>> net = neocog.build("convnet", num_classes=10, in_channels=1, size=(28, 28))
        >>> explanation = neocog.explain(net, "digits", n=1, sanity_checks=False)
        >>> explanation.figures["layer"], len(explanation.figures["images"])
        ('...', 1)
    """
    if n < 1:
        raise UsageError(f"An explanation needs at least one image; got n = {n}. Give 1 or more.")
    check_task(task)
    if method not in WAYS:
        raise UsageError(f"`{method}` is not an explanation method. {did_you_mean(method, WAYS)}")
    if out is not None:
        target_folder(out)
    way = WAYS[method]
    options = CamOptions(
        method=method,
        layer=layer,
        target=target,
        units=None if units is None else tuple(units),
        window=_window(window),
        sanity_checks=sanity_checks,
        seed=seed,
        on_progress=lambda text: None,
    )
    of = open_explained(model, task, allow_random=allow_random)
    if data is None and way.data:
        raise UsageError(
            f"The method `{method}` searches a data set, and none was given. Name one after the "
            "model: a folder of images, or `digits`."
        )
    given = given_data(
        of,
        data,
        images,
        whole=way.data,
        looked_through=way.data or not way.images,
        n=n,
        seed=seed,
        strict=strict,
    )
    samples, batch = given.samples, given.batch
    if way.images and batch is None:
        raise UsageError(
            f"The method `{method}` needs images, and none were given. Name files, or a data set, "
            "after the model."
        )
    of = _believed(of, batch, allow_random)
    if batch is not None:
        _must_be_numbers(of, batch)
    options = replace(options, named=_named(of, images, data))
    with progress_line("explain", progress) as on_progress:
        outcome = way.run(of, batch, samples, replace(options, on_progress=on_progress))
    first = outcome.first or first_of(
        method, outcome.figures, outcome.sections, named=options.named
    )
    done = Explanation(
        method=method,
        title=f"{way.title}: {of.title}",
        result=outcome.result,
        figures=outcome.figures,
        body=tuple(outcome.sections),
        notes=(
            *of.card.get("notes", ()),
            *outcome.notes,
            *given.notes,
            *maps_of_inside(of.module.network),
            *_left_out(batch),
            *of.doubts,
        ),
        first=first,
    )
    return done if out is None else _written(done, Path(out))


def _named(of: Model, images: object, data: object) -> Named | None:
    """How a command names the model and its images; None where none can."""
    given = data if images is None else images
    sources = list(given) if isinstance(given, (list, tuple)) else [given]
    if given is None or not sources:
        return of.named_as()
    first = sources[0]  # of several images the first, which is drawn large
    if not isinstance(first, (str, os.PathLike)):
        return None
    return of.named_as(os.fspath(first))


def _believed(of: Model, batch: ImageBatch | None, allow_random: bool) -> Model:
    """A module of unknown input size, opened for the size of these images."""
    if of.shape or batch is None:
        return of
    shape = tuple(batch.x.shape[1:])
    return as_it_is(of.network, shape, task=of.task, allow_random=allow_random)


def _must_be_numbers(of: Model, batch: ImageBatch) -> None:
    """A network that overflows on an image has no gradients there, and no explanation."""
    held = (p for p in of.module.parameters() if p.is_floating_point())
    like = next(held, torch.zeros(()))
    try:
        with preserved(of.module), torch.no_grad(), same_randomness_after():
            returned = of.module(batch.x.to(like.device, like.dtype))
        out = output_at(returned, "").float()
    except Exception:  # of any kind: the method raises its own error
        return
    finite_outputs(out.softmax(1) if out.ndim == 2 else out, batch.names)


def _left_out(batch: ImageBatch | None) -> list[str]:
    """Which images were not looked at, and why."""
    if batch is None:
        return []
    notes = [f"{printable(name)} was not used: {why}." for name, why in batch.skipped]
    if batch.left:
        notes.append(f"The first {len(batch.x)} images; --samples gives more.")
    return notes


def _written(done: Explanation, folder: Path) -> Explanation:
    """Images and curves, then the page, then the numbers, which name all files."""
    from neocog.render.files import write_files
    from neocog.render.page import page, write

    earlier = _earlier(folder)
    names = [p.name for p in write_files(folder, done.body)] + [PAGE, NUMBERS]
    done = replace(done, files=tuple(os.fspath(folder / name) for name in names))
    about = WAYS[done.method].about
    write(folder / PAGE, page(done.title, done.sections(), subtitle=about, first=done.first))
    for name in earlier - set(names):
        with suppress(OSError):
            (folder / name).unlink()
    text = json.dumps(done.to_json(), ensure_ascii=True, allow_nan=False, indent=1)
    write_bytes(folder / NUMBERS, text.encode("utf-8") + b"\n")
    return done


def _earlier(folder: Path) -> set[str]:
    """Images and curves that an earlier explanation wrote into the folder, as its numbers say."""
    try:
        numbers = Fields(read_json(folder / NUMBERS, limit=2**26), NUMBERS)
        paths = [Path(f) for f in numbers.texts("files")]
    except NeocogError:
        return set()
    return {p.name for p in paths if p.suffix in (".png", ".svg")}


def _window(window: Sequence[int] | None) -> tuple[int, int, int, int] | None:
    if window is None:
        return None
    numbers = [int(v) for v in window]
    if len(numbers) != 4:
        raise UsageError(
            "A window is four numbers: first row, end row (exclusive), first column, end column "
            f"(exclusive); got {len(numbers)}."
        )
    return (numbers[0], numbers[1], numbers[2], numbers[3])
