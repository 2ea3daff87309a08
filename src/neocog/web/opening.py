"""From what a person names to what is shown: one or two models, and images for them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from neocog.data.inputs import Inputs, as_samples, resolved
from neocog.data.open import ALL, Source, parse_source
from neocog.data.samples import Samples
from neocog.data.split import ROLES, Split
from neocog.errors import DataError, UsageError, printable
from neocog.graph.determinism import same_randomness_after
from neocog.graph.preserve import preserved
from neocog.layers.symmetrized import maps_of_inside
from neocog.models.class_matching import match_any
from neocog.models.data_of import learned_from, source_of
from neocog.models.declared import ModelOptions
from neocog.models.model import Model
from neocog.models.scoring import truths_of
from neocog.networks.model import SpecifiedNetwork
from neocog.store.trial import first_output
from neocog.verbs.opened import opened as opened_model
from neocog.web.album import Album, synthetic
from neocog.web.network import Network
from neocog.web.session import Session

__all__ = ["AnyNetwork", "Data", "opened"]

StrPath = str | os.PathLike[str]
AnyNetwork = StrPath | Model | nn.Module
Data = Any

HELD = 1000
"""Samples of a program's dataset that are shown, at most."""


def opened(
    model: AnyNetwork,
    data: Data | None,
    *,
    baseline: AnyNetwork | None = None,
    size: Sequence[int] | None = None,
    task: str | None = None,
    allow_random: bool = False,
) -> Session:
    """What the explorer shows.

    Args:
        model: the name of a model, what `neocog.load` gives, or any `nn.Module` from values in
            [0, 1].
        data: a data set, with labels or without (`DATA:val` shows that split first), what
            `neocog.data.inputs` takes, or None: then synthetic images are shown.
        baseline: a second model, shown the same images.
        size: (C, H, W) or (C, N) of a sample, of an `nn.Module` without data.
        task: what an `nn.Module` does: classify, segment or regress; a classifier if left out.

        allow_random: take models whose predictions are not a function of the image alone.

    Raises:
        NeocogError: a model or the data cannot be opened, or they do not fit.
    """
    data = resolved(data)
    models = []
    for one in [model] if baseline is None else [model, baseline]:
        network, data = _model(one, data, size, task, allow_random=allow_random)
        size = size or network.shape
        models.append(network)
    networks = [Network(m) for m in models]
    for note in {n for m in models for n in maps_of_inside(m.network)}:
        warnings.warn(f"{note} The explorer shows what that network predicts.", stacklevel=3)
    if isinstance(data, (str, os.PathLike)):
        return Session(networks, _of_source(os.fspath(data), networks))
    held = None if data is None else as_samples(data, models[0].spec.input, n=HELD)
    return Session(networks, _given(held, networks))


def _model(
    model: AnyNetwork,
    data: Data | None,
    size: Sequence[int] | None,
    task: str | None,
    *,
    allow_random: bool,
) -> tuple[Model, Data]:
    """A model with a size, and the data."""
    if size is not None and (len(size) not in (2, 3) or min(size) < 1):
        raise UsageError(
            f"The size of a sample is (C, H, W), or (C, N) of a series; got {tuple(size)}."
        )

    def as_a(task: str, data: Data | None) -> tuple[Model, Data]:
        options: ModelOptions = {"allow_random": allow_random}
        return opened_model(model, data, options, task=task, shape=size, n=HELD)

    candidate, read = as_a(task or "classify", data)
    if not isinstance(model, nn.Module):
        return candidate, read
    if not candidate.shape:
        raise UsageError("The explorer needs an input size. Give data, or size=(C, H, W).")
    if task is None and not isinstance(model, SpecifiedNetwork):
        with preserved(model), same_randomness_after():
            output = first_output(candidate.module, candidate.shape)
        if output.ndim != 2 or output.shape[1] < 2:
            candidate, read = as_a("regress", read)  # data may be read once only
    for text in (*candidate.card["notes"], *candidate.card["doubts"]):
        warnings.warn(text, stacklevel=3)
    return candidate, read


# ---- images


def _given(held: Inputs | None, networks: list[Network]) -> Album:
    """Synthetic images, or those of the caller."""
    if held is None:
        return Album({"synthetic": [synthetic(n) for n in networks]}, name=None, first="synthetic")
    samples = held.samples
    if samples.y is not None and networks[0].task == "classify":
        y, names, _ = truths_of(networks[0].classes, held, named=networks[0].model.named)
        samples, networks[0].classes = replace(samples, y=y), names
    for network in networks:
        if network.model.shape != (shape := (samples.channels, *samples.size)):
            raise DataError(
                f"The samples are {shape}, the model takes {network.model.shape}. Give samples of "
                "that size."
            )
    return Album({"data": [samples] * len(networks)}, name="data", first="data")


def _of_source(source_text: str, networks: list[Network]) -> Album:
    """A data set, as each model takes it."""
    where, split = parse_source(source_text)
    models = [n.model for n in networks]
    views = [_views(where, split, n, models) for n in networks]
    names = [role for role in (*ROLES, ALL) if all(role in v for v in views)]
    if not names or (split is not None and split not in names):
        raise DataError(
            f"`{printable(where)}` must have a split `{split or 'test'}` with samples, and has "
            f"{', '.join(f'`{n}`' for n in names) or 'none'}. Name another as DATA:SPLIT."
        )
    for role in names:
        first, *others = ((len(v[role]), list(v[role].names)) for v in views)
        if any(o != first for o in others):
            raise DataError(
                f"The two models are shown the same images; they have different test splits of "
                f"`{printable(where)}`. Name models that were trained on the same split."
            )
    start = split or ("test" if "test" in names else names[-1])
    return Album({role: [v[role] for v in views] for role in names}, name=where, first=start)


def _views(
    where: str, split: str | None, network: Network, models: Sequence[Model]
) -> Mapping[str, Samples]:
    """The splits of a data set as one model takes them; labels only where they are its classes."""
    source = source_of(_seeded(network.model, models[0]), where)
    return _numbered(network, source, _splits_to_show(source, split, models))


def _splits_to_show(source: Source, name: str | None, models: Sequence[Model]) -> dict[str, Split]:
    """The given splits, or those of a training; else everything as one."""
    split = bool(source.sheet.found_splits) or any(learned_from(m, source) for m in models)
    if name == ALL or (name is None and not split):
        return {ALL: source.whole} if len(source.whole) else {}
    return {role: s for role, s in source.splits.items() if len(s)}


def _numbered(network: Network, source: Source, held: Mapping[str, Split]) -> dict[str, Samples]:
    """Truths by the network's numbers; a bare network takes the names of the data as its own."""
    if network.task != "classify":
        return {role: Samples(s, None, s.names) for role, s in held.items()}
    matched = match_any(network.classes, source.classes, source.path, named=network.model.named)
    network.classes = matched.classes
    return {
        role: Samples.of(Split(s.x, matched.truth(s.y), s.names, s.ids)) for role, s in held.items()
    }


def _seeded(trained: Model, first: Model | None) -> Model:
    """With the split of the first model, so that both see the same images."""
    if first is None or first is trained or "data" not in first.card:
        return trained
    data = {**trained.card.get("data", {}), **first.drawn}
    return replace(trained, card={**trained.card, "data": data})
