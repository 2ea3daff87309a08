"""A model as one file for other programs, compared with the model that it was made of."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

import torch
from torch import Tensor

from neocog.errors import ModelError, RunError, UsageError, did_you_mean, printable
from neocog.jsonable import Jsonable
from neocog.layers.plain import has_plain, to_plain
from neocog.layers.symmetrized import Symmetrized
from neocog.models.declared import ModelOptions
from neocog.models.external import SPEC_FILE
from neocog.models.model import AnyModel, Model
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.load import load, symmetrized_by
from neocog.store.exported import save_exported
from neocog.store.onnx_file import save_onnx
from neocog.store.weights import load_weights
from neocog.surgery.symmetrize import symmetry_of
from neocog.targets import target_file, write_bytes
from neocog.verbs.opened import with_model_options

__all__ = ["FORMATS", "Export", "export"]

StrPath = str | os.PathLike[str]

FORMATS = {"onnx": ".onnx", "pt2": ".pt2", "torch": ".pt"}
"""What can be written, to the ending of its file."""

AGREEMENT = 1e-3
"""Maximum difference of a file's outputs from its model's, relative to the largest output."""


@dataclass(frozen=True, kw_only=True)
class Export(Jsonable):
    """What was written.

    Args:
        path: the file.
        format: a key of `FORMATS`.
        max_abs_difference: maximum difference between the outputs of the model and of the file, on
            eight samples of noise.
    """

    path: str
    format: str
    max_abs_difference: float


@with_model_options
def export(
    model: AnyModel,
    out: StrPath | None = None,
    *,
    format: str | None = None,
    **options: Unpack[ModelOptions],
) -> Export:
    """Write a model with its spec, open the file again and compare the outputs.

    `onnx` and `pt2` hold the whole model: pixels in [0, 1] go in, the normalization is inside, and
    the batch size is dynamic. Steerable layers are plain convolutions in it. `torch` holds the
    network's state dict with the spec beside it, and its `symmetry` where a fix made it invariant,
    for those who have the network's code; pixels are normalized before.

    Args:
        model: a run folder, `package.module:factory` or a .pt2.
        out: the file; one in the current folder, named after the model, if left out.
        format: a key of `FORMATS`; by the ending of the file, else "onnx", if left out.
        options: of an external model, as keyword arguments, see `neocog.load`.

    Raises:
        UsageError: there is no such format, or the model is a black box.
        ModelError: the model cannot be opened or written in that format, or the file predicts
            otherwise and is removed.
        RunError: the file is there already, or cannot be written.
    """
    if format is None:
        endings = {ending: name for name, ending in FORMATS.items()}
        format = endings.get(Path(out).suffix.lower() if out else "", "onnx")
    if format not in FORMATS:
        raise UsageError(
            f"`format` is what is written, got `{format}`. {did_you_mean(format, FORMATS)}"
        )
    if out is not None:
        target_file(out)
    trained = load(model, **options)
    if trained.black_box:
        raise UsageError(
            f"An export needs the layers of a model, and `{printable(trained.path)}` is a black "
            "box. Export the network that it was exported from."
        )
    path = _target_path(trained, out, FORMATS[format])
    target_file(path)
    example = _example(trained)
    largest = _largest(trained, trained.module if format == "torch" else _raw(trained), example)
    texts = {SPEC_FILE: _inside(trained)}
    if format == "torch":
        difference = _save_state(trained, path, example)
    elif format == "pt2":
        difference = save_exported(_raw(trained), path, example, texts=texts)
    else:
        kind = trained.spec.output.kind
        output = "probabilities" if kind == "sigmoid" else kind
        difference = save_onnx(_raw(trained), path, example, texts=texts, output=output)
    if not difference <= AGREEMENT * largest:  # nor where it is not a number
        path.unlink(missing_ok=True)
        raise ModelError(
            f"An exported file reproduces the outputs of its model to {AGREEMENT:g} of the largest "
            f"one; that of `{printable(trained.path)}` differs by {difference:.3g} where the "
            f"largest is {largest:.3g}, and was removed. Try another --format."
        )
    return Export(path=str(path), format=format, max_abs_difference=difference)


def _raw(trained: Model) -> SpecifiedNetwork:
    """The model as its network computes it, probabilities as probabilities."""
    spec = trained.spec
    output = replace(spec.output, kind="logits")
    network = trained.module.network
    if has_plain(network):
        network = to_plain(network, _example(trained))
    return SpecifiedNetwork(network, replace(spec, output=output)).eval()


def _target_path(trained: Model, out: StrPath | None, ending: str) -> Path:
    if out is None:
        # The name of the run, the file or the factory.
        name = trained.path.name.rpartition(":")[2]
        stem = name if trained.path.is_dir() else name.partition(".")[0]
        path = Path(f"{stem}{ending}")
    else:
        path = Path(out)
    if path.exists():
        raise RunError(
            f"An export writes a new file, and `{printable(path)}` exists. Remove it, or choose "
            "another with --out."
        )
    if (path.parent / "model.json").exists():
        raise RunError(
            f"A run folder holds the files of its run alone, and `{printable(path.parent)}` is "
            "one. Choose another folder with --out."
        )
    return path


def _example(trained: Model) -> Tensor:
    """Eight samples of noise, the same each time."""
    signal = trained.spec.input
    generator = torch.Generator().manual_seed(0)
    return torch.rand(8, signal.channels, *signal.size, generator=generator)


def _largest(trained: Model, module: SpecifiedNetwork, example: Tensor) -> float:
    """The largest magnitude of an output."""
    with torch.no_grad():
        largest = module(example).abs().max()
    if not bool(torch.isfinite(largest)):
        raise ModelError(
            f"The outputs of a model are finite numbers; those of `{printable(trained.path)}` are "
            "not. Check its weights."
        )
    return float(largest)


def _inside(trained: Model) -> str:
    """The spec of the model with its normalization inside: pixels go in as they are."""
    spec = trained.spec
    signal = spec.input
    none = replace(signal, mean=(0.0,) * signal.channels, std=(1.0,) * signal.channels)
    output = replace(spec.output, name="")  # the file has that one alone
    plain = replace(spec, input=none, output=output).to_json()
    inside = {"mean": list(signal.mean), "std": list(signal.std)}
    return json.dumps({**plain, "normalized_inside": inside})


def _save_state(trained: Model, path: Path, example: Tensor) -> float:
    """A state dict with the spec and the symmetry; the difference to what a reader makes of it."""
    import io

    network = trained.module.network
    state = network.state_dict()
    if not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(
            "A state dict holds tensors by name, and in "
            f"`{printable(trained.path)}` some are packed, as those of quantized or frozen parts. "
            "Try --format onnx, or export the original network."
        )
    held = {
        "state_dict": state,
        "spec": json.loads(json.dumps(trained.spec.to_json())),
        "network": json.loads(json.dumps(trained.card.get("network", {}))),
    }
    if (symmetry := symmetry_of(network)) is not None:  # not in the weights, nor in the network
        held["symmetry"] = {"group": symmetry.group, "by": symmetry.by}
    room = io.BytesIO()
    torch.save(held, room)
    write_bytes(path, room.getvalue())
    again = copy.deepcopy(network.inner if isinstance(network, Symmetrized) else network)
    with torch.no_grad():
        for values in again.state_dict().values():
            values.zero_()
        load_weights(again, path)
        module = SpecifiedNetwork(symmetrized_by(again, path, trained.spec), trained.spec).eval()
        difference = (module(example) - trained.module(example)).abs().max()
    return float(difference)
