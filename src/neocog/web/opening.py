"""From what a person names to what is shown: one or two models, and images for them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from neocog.data.inputs import Inputs, as_samples, resolved
from neocog.data.open import ALL, Source, open_data, parse_place
from neocog.data.samples import Samples
from neocog.data.split import ROLES, Split
from neocog.errors import DataError, UsageError, printable
from neocog.graph.determinism import same_randomness_after
from neocog.graph.found import as_found
from neocog.models.believed import as_function, as_logits
from neocog.models.data_of import learned_from
from neocog.models.matched import match_any
from neocog.models.model import Model
from neocog.models.scoring import space_axes, truths_of
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.load import load
from neocog.store.sound import check_network
from neocog.store.trial import first_output
from neocog.web.album import Album, synthetic
from neocog.web.network import Network
from neocog.web.session import Session

__all__ = ["Data", "Shown", "opened"]

Place = str | os.PathLike[str]
Shown = Place | Model | nn.Module
Data = Any

HELD = 1000
"""Samples of a program's dataset that are shown, at most."""


def opened(
    model: Shown,
    data: Data | None,
    *,
    baseline: Shown | None = None,
    size: Sequence[int] | None = None,
    task: str | None = None,
    allow_random: bool = False,
) -> Session:
    """What the explorer shows.

    Args:
        model: a place of a model, what `neocog.load` gives, or any `nn.Module` from values in
            [0, 1].
        data: a place of data, with labels or without (`DATA:val` shows that split first), what
            `neocog.data.inputs` takes, or None: then synthetic images are shown.
        baseline: a second model, shown the same images.
        size: (C, H, W) or (C, N) of a sample, of an `nn.Module` without data.
        task: what an `nn.Module` answers: classify, segment or regress; a classifier if left out.

        allow_random: take models whose predictions are not a function of the image alone.

    Raises:
        NeocogError: a model or the data cannot be opened, or they do not fit.
    """
    given = [model] if baseline is None else [model, baseline]
    trained = [
        load(m, allow_random=allow_random) if isinstance(m, (str, os.PathLike)) else m
        for m in given
    ]
    data = resolved(data)
    if isinstance(trained[0], Model):
        data = trained[0].taken(data)
    place, source, held = _place(data), None, None
    if place is not None and not all(isinstance(t, Model) for t in trained):
        source = open_data(parse_place(place)[0])
        size = size or _size_of(Samples.of(_nonempty(source)))
    elif data is not None and place is None:
        held = _held(data, trained[0])
        size = size or _size_of(held.samples)
    networks = [_network(t, size, task) for t in trained]
    for network, came in zip(networks, trained, strict=True):
        if not isinstance(came, Model):  # else it was asked when it was opened
            shape = (network.channels, *network.size)
            said = as_function(network.module, network.name, shape, allow_random=allow_random)
            for text in said:
                warnings.warn(text, stacklevel=2)
    if place is None:
        album = _given(held, networks)
    else:
        album = _of_place(place, networks, source)
    return Session(networks, album)


def _place(data: Data | None) -> str | None:
    return os.fspath(data) if isinstance(data, (str, os.PathLike)) else None


def _size_of(samples: Samples) -> tuple[int, ...]:
    return (samples.channels, *samples.size)


def _nonempty(source: Source) -> Split:
    if not len(source.whole):
        raise DataError("The data holds no image that can be shown. Choose other data.")
    return source.whole


def _network(model: Model | nn.Module, size: Sequence[int] | None, task: str | None) -> Network:
    if isinstance(model, Model):
        return _of_contract(model.module, _name(model), model)
    check_network(model, type(model).__name__)
    if isinstance(model, SpecifiedNetwork):
        return _of_contract(model, type(model.network).__name__, None)
    if size is None:
        raise UsageError(
            "A network is explored with samples of a size; nobody said which. "
            "Give data, or size=(C, H, W)."
        )
    sample = tuple(int(n) for n in size)
    if len(sample) not in (2, 3) or min(sample) < 1:
        raise UsageError(
            f"The size of a sample is (C, H, W), or (C, N) of a series; {sample} came."
        )
    module, said = as_logits(model, sample, task or "classify")
    for text in said:
        warnings.warn(text, stacklevel=4)
    if isinstance(module, SpecifiedNetwork):
        return _of_contract(module, type(model).__name__, None)
    with as_found(model), same_randomness_after():
        answer = first_output(model, sample)
    outputs = int(answer.shape[1]) if answer.ndim > 1 else 1
    return Network(
        model,
        name=type(model).__name__,
        task=task or ("classify" if answer.ndim == 2 and outputs > 1 else "regress"),
        classes=tuple(map(str, range(outputs))),
        size=sample[1:],
        channels=sample[0],
    )


def _of_contract(module: SpecifiedNetwork, name: str, trained: Model | None) -> Network:
    spec = module.spec
    return Network(
        module,
        name=name,
        task=spec.task,
        classes=spec.classes,
        size=tuple(spec.input.size),
        channels=spec.input.channels,
        trained=trained,
    )


def _name(trained: Model) -> str:
    """A run by its folder, a model from elsewhere as it was named."""
    place = trained.place
    return printable(place.name if place.is_dir() else str(place))


# ---- images


def _held(data: Data, model: Model | nn.Module) -> Inputs:
    """What the caller has, as the first model takes it; of much, some."""
    module = model.module if isinstance(model, Model) else model
    if isinstance(module, SpecifiedNetwork):
        return as_samples(data, module.spec.input, n=HELD)
    return as_samples(data, axes=space_axes(module), n=HELD)


def _given(held: Inputs | None, networks: list[Network]) -> Album:
    """Synthetic images, or those of the caller."""
    if held is None:
        return Album({"synthetic": [synthetic(n) for n in networks]}, name=None, first="synthetic")
    samples = held.samples
    if samples.y is not None and networks[0].task == "classify":
        own = networks[0].classes
        y, names, _ = truths_of(own, held, named=own != tuple(map(str, range(len(own)))))
        samples, networks[0].classes = replace(samples, y=y), names
    for network in networks:
        if (network.channels, *network.size) != _size_of(samples):
            raise DataError(
                f"The samples are of {_size_of(samples)}, the model takes "
                f"{(network.channels, *network.size)}. Give samples of that size."
            )
    return Album({"data": [samples] * len(networks)}, name="data", first="data")


def _of_place(place: str, networks: list[Network], source: Source | None) -> Album:
    """A place of data, as each model takes it."""
    where, asked = parse_place(place)
    views = [_views(where, asked, n, networks[0], source) for n in networks]
    names = [role for role in (*ROLES, ALL) if all(role in v for v in views)]
    if not names or (asked is not None and asked not in names):
        raise DataError(
            f"`{printable(where)}` must have a split `{asked or 'test'}` with samples, and has "
            f"{', '.join(f'`{n}`' for n in names) or 'none'}. Name another as DATA:SPLIT."
        )
    for role in names:
        first, *others = ((len(v[role]), list(v[role].names)) for v in views)
        if any(o != first for o in others):
            raise DataError(
                f"The two models are shown the same images; they see other splits of "
                f"`{printable(where)}`. Name models that were trained on the same split."
            )
    start = asked or ("test" if "test" in names else names[-1])
    return Album({role: [v[role] for v in views] for role in names}, name=where, first=start)


def _views(
    where: str, asked: str | None, network: Network, first: Network, source: Source | None
) -> Mapping[str, Samples]:
    """The splits of a place as one model takes them; truths only where they are its classes."""
    trained = network.trained
    if trained is None:
        assert source is not None
        shown = (network.channels, *network.size)
        if _size_of(Samples.of(_nonempty(source))) != shown:
            raise DataError(
                f"`{printable(where)}` holds images of {_size_of(Samples.of(_nonempty(source)))} "
                f"and the network takes {shown}. Open the model with its size."
            )
        return _numbered(network, source, _shown_splits(source, asked, ()))
    models = [n.trained for n in (network, first) if n.trained is not None]
    seeded, signal = _seeded(trained, first.trained), trained.spec.input
    found = open_data(
        where,
        size=signal.image_size,
        channels=signal.channels,
        resize_mode=signal.resize_mode,
        **seeded.drawn,
    )
    return _numbered(network, found, _shown_splits(found, asked, models))


def _shown_splits(source: Source, asked: str | None, models: Sequence[Model]) -> dict[str, Split]:
    """The splits that somebody made, or a training did; else everything as one."""
    split = bool(source.sheet.found_splits) or any(learned_from(m, source) for m in models)
    if asked == ALL or (asked is None and not split):
        return {ALL: source.whole} if len(source.whole) else {}
    return {role: s for role, s in source.splits.items() if len(s)}


def _numbered(network: Network, source: Source, held: Mapping[str, Split]) -> dict[str, Samples]:
    """Truths by the network's numbers; a bare network takes the names of the data as its own."""
    if network.task != "classify":
        return {role: Samples(s, None, s.names) for role, s in held.items()}
    named = network.classes != tuple(map(str, range(len(network.classes))))
    if network.trained is not None:
        named = network.trained.named
    found = match_any(network.classes, source.classes, source.place, named=named)
    network.classes = found.classes
    return {
        role: Samples.of(Split(s.x, found.truth(s.y), s.names, s.ids)) for role, s in held.items()
    }


def _seeded(trained: Model, first: Model | None) -> Model:
    """With the split of the first model, so that both see the same images."""
    if first is None or first is trained or "data" not in first.card:
        return trained
    data = {**trained.card.get("data", {}), **first.drawn}
    return replace(trained, card={**trained.card, "data": data})
