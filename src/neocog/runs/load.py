"""The door to all models, and the only reader of those that lie in run folders."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from neocog.errors import ModelError, NeocogError, RunError, UsageError, printable
from neocog.exhibits import Exhibit
from neocog.keywords import known_keywords
from neocog.models.external import LOOSE, is_external, open_external
from neocog.models.model import Model
from neocog.models.output_checks import as_function
from neocog.models.seen_samples import read_seen
from neocog.networks.catalog import build
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.folder import RunFolder
from neocog.store.exported import load_exported
from neocog.store.sound import check_network
from neocog.store.tensors import load_state
from neocog.store.weights import read_beside
from neocog.surgery.symmetrize import of_card, symmetrize, symmetry_of
from neocog.types import ModelSpec

__all__ = ["load", "load_run", "symmetrized_by"]

StrPath = str | os.PathLike[str]

TRIES = 3
"""So often a run is read that is replaced in the very moment."""


@known_keywords
def load(
    model: StrPath | nn.Module | Model,
    *,
    weights: StrPath | None = None,
    size: Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    classes: StrPath | int | Sequence[str] | None = None,
    task: str | None = None,
    init: str | None = None,
    output: str | None = None,
    allow_random: bool = False,
    resize_mode: str | None = None,
    values: str | None = None,
) -> Model:
    """Any model, ready for every verb.

    Args:
        model: a run folder, `package.module:factory`, `torchvision:NAME`, `timm:NAME`,
            `hf://ORG/NAME`, a network with pretrained weights such as `efficientnet_lite1`, a .pt2
            or an .onnx file, an `nn.Module`, or what this function gave. A run folder knows all
            that follows.
        weights: of a factory's network: safetensors, or a state dict of `torch.save`; those that
            the factory made, or that a library gives for its name, if left out. A symmetry that
            `export` stated beside them is taken too.
        size: (C, H, W) of a sample, (C, N) of a series; where a file says it, it may be left out.
        mean: subtracted from pixels in [0, 1], one number per channel or one for all; 0 if left
            out, which is said in a warning for images.
        std: what the difference is divided by, in the same way; 1 if left out.
        classes: names, in the order of the outputs, or a text file with one per line, or their
            number. If left out, the outputs are counted, and data says their names.
        task: `classify`, `segment` or `regress`; a classifier if left out.
        init: of a network of a library: `pretrained`, its library's weights, if left out; `none`
            for random ones, which is said.
        output: which of several tensors that the network returns is its prediction, by name or
            number; the one called logits, or of the right shape, if left out, and it is said which.
        allow_random: take a model whose predictions are not a function of the image alone, as with
            dropout that is left on or statistics of the batch; it is said in a warning and in
            results.
        resize_mode: how images are brought to `size`: `crop`, `stretch` or `pad`; `crop`, or what
            the file says, if left out.
        values: `pixels` in [0, 1], or `raw`: arrays of any range, taken as they are; mean and std
            are of these then.

    Raises:
        UnsafeWeights: a file would execute code when it is opened.
        ModelError: the model cannot be opened, does not take samples of that size, or says
            something else when it is run again, or alone instead of in a batch.
        UsageError: something is missing, or given where it does not belong.

    Example:
        >>> model = load("torch.nn:Flatten", size=(1, 2, 2), mean=(0,), std=(1,))
        >>> model.spec.classes
        ('0', '1', '2', '3')
    """
    given: dict[str, Any] = {
        "weights": weights,
        "size": size,
        "mean": mean,
        "std": std,
        "classes": classes,
    }
    given |= {"init": init, "resize_mode": resize_mode, "task": task, "output": output}
    given |= {"values": values}
    given = {name: value for name, value in given.items() if value is not None}
    for name in {"size", "mean", "std"} & given.keys():  # arrays and tensors too
        given[name] = tuple(v.item() if hasattr(v, "item") else v for v in given[name])
    if isinstance(model, Model):
        return _as_opened(model, printable(model.path), given)
    if isinstance(model, nn.Module) or is_external(model):
        external = open_external(model, given, allow_random=allow_random)
        return external if weights is None else _as_stated(external, Path(weights))
    _must_be_a_run(model)
    return _as_opened(load_run(model, allow_random=allow_random), printable(model), given)


def _as_stated(model: Model, weights: Path) -> Model:
    """A network with the symmetry that its file of weights states, as `export` writes it."""
    made, spec = model.module.network, model.module.spec
    network = symmetrized_by(made, weights, spec)
    if network is made:
        return model
    return replace(model, module=SpecifiedNetwork(network, spec).eval())


def symmetrized_by(network: nn.Module, weights: Path, spec: ModelSpec) -> nn.Module:
    """A network with the symmetry that a file of weights states; itself where it states none.

    Args:
        network: with these weights.
        weights: a file of them.
        spec: of the model.

    Raises:
        ModelError: what is stated is no symmetry.
    """
    symmetry = of_card(read_beside(weights, "symmetry"))
    if symmetry is None or symmetry_of(network) is not None:
        return network
    return symmetrize(network, symmetry, spec)


def _as_opened(model: Model, name: str, given: Mapping[str, Any]) -> Model:
    """A model that knows all of itself; nothing else may be given."""
    same = {"task": model.spec.task, "output": model.spec.output.name}
    other = [n for n, value in given.items() if n not in same or value != same[n]]
    if other:
        raise UsageError(
            f"A run folder knows its model's {other[0]}; `{name}` was given with "
            f"--{other[0].replace('_', '-')}. Leave it out, or name an external model: "
            "module:factory, a .pt2, an .onnx."
        )
    return model


def _must_be_a_run(path: StrPath) -> None:
    """A run may be called what it likes; another folder is not a file of that kind."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".pt2", ".onnx", *LOOSE):
        return
    try:
        RunFolder.open(Path(path))
    except RunError as e:
        raise ModelError(
            f"`{printable(path)}` is a folder, and neither a run, which has a recipe.toml, nor a "
            f"{suffix} file. Check the path."
        ) from e


def load_run(path: StrPath, *, allow_random: bool = False) -> Model:
    """The model of a run folder.

    Args:
        path: the folder.
        allow_random: take a model whose predictions are not a function of the image alone.

    Raises:
        RunError: it is not a run folder, or is being replaced again and again.
        ModelError: the model is missing, damaged, does not fit its network, or says something else
            when it is run again.
    """
    for _ in range(TRIES):
        folder = RunFolder.open(Path(path))
        before = folder.identity()
        try:
            opened = _loaded(folder, path, allow_random=allow_random)
        except NeocogError:
            if folder.identity() == before:
                raise
        else:
            if folder.identity() == before:
                return opened
        # Another run took its place meanwhile: what was read may be of both.
    raise RunError(
        f"A run cannot be read while it is replaced, and `{printable(path)}` was replaced {TRIES} "
        "times meanwhile. Try again later."
    )


def _loaded(folder: RunFolder, path: StrPath, *, allow_random: bool) -> Model:
    card = folder.card()
    spec = ModelSpec.from_json(card["spec"])
    name, options = card["network"]["name"], dict(card["network"]["options"])
    if (program := folder.program) is not None:
        network: nn.Module = load_exported(program)[0]
        check_network(network, printable(program))
    else:
        network = _built(name, spec, options, folder)
    if (symmetry := of_card(card.get("symmetry"))) is not None:
        network = symmetrize(network, symmetry, spec)
    module = SpecifiedNetwork(network, spec)
    module.eval()
    chance = as_function(module, os.fspath(path), spec.input.shape, allow_random=allow_random)
    for note in (*chance, *_untrained_head(card)):
        warnings.warn(note, stacklevel=3)
    return Model(
        module,
        {**card, "doubts": list(chance)},
        Path(path),
        recall=partial(read_seen, Path(path)),
        history=partial(_history, folder),
    )


def _untrained_head(card: Mapping[str, Any]) -> tuple[str, ...]:
    """What a network without labels is good for."""
    if "pretrained" not in card:
        return ()
    note = (
        "This network was pretrained without labels: it has features but no classes. "
        "Train a classifier on it with `neocog train DATA --init RUN`, or measure its features "
        "with `neocog evaluate RUN DATA --probe`."
    )
    return (note,)


def _history(folder: RunFolder) -> tuple[Exhibit, ...]:
    """The curves of a training of several epochs; nothing where its lines cannot be read."""
    from neocog.runs.exhibits import training_curves

    try:
        rows, objective = folder.metrics(), folder.recipe.objective
    except NeocogError:
        return ()
    return tuple(training_curves(rows, objective.loss).exhibits[:2]) if len(rows) > 1 else ()


def _built(name: str, spec: ModelSpec, options: dict[str, Any], folder: RunFolder) -> nn.Module:
    """A network of ours, with the weights of its run."""
    try:
        network = build(
            name,
            num_classes=len(spec.classes),
            in_channels=spec.input.channels,
            size=spec.input.image_size,
            options={k: tuple(v) if isinstance(v, list) else v for k, v in options.items()},
        )
    except (UsageError, RuntimeError, ValueError, TypeError, ZeroDivisionError) as e:
        why = str(e).partition("\n")[0]
        raise ModelError(f"The network of `{printable(folder.path)}` cannot be built. {why}") from e
    load_state(network, folder.weights(), f"`{printable(folder.path / 'model.safetensors')}`")
    return network
