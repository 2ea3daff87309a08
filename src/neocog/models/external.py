"""External models: networks, programs, black boxes, modules at hand.

    package.module:factory      a function that returns an nn.Module, with weights from a file
    torchvision:NAME timm:NAME  a network of a library
    efficientnet_lite1 …        a network of ours with pretrained weights
    hf://ORG/NAME               a network of the Hugging Face Hub, in timm's form
    FILE.pt2                    an exported program
    FILE.onnx                   a black box

The spec of a run folder has the input size, the normalization and the class names; for an external
model they are given.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neocog.errors import ModelError, UsageError, printable
from neocog.files import parse_json
from neocog.first_screen import option_words
from neocog.graph.determinism import same_randomness_after
from neocog.graph.multiple_outputs import output_at
from neocog.legacy import OLD_SPEC_FILE
from neocog.models.declared import count, input_spec, output_names
from neocog.models.hub import hub_model, hub_network, is_hub
from neocog.models.model import Model
from neocog.models.output_checks import as_function, axes_of, kind_of, picked, specified
from neocog.models.suggest import suggestion
from neocog.networks.model import SpecifiedNetwork
from neocog.networks.pretrained import PRETRAINED, load_pretrained
from neocog.store.black_box import BlackBox, load_onnx
from neocog.store.exported import Exported, load_exported
from neocog.store.foreign import LIBRARIES, as_written, is_factory, make
from neocog.store.sound import check_network, lazy_names
from neocog.store.trial import first_output
from neocog.store.weights import load_weights
from neocog.types import ModelSpec, OutputSpec, check_task

__all__ = ["LOOSE", "SPEC_FILE", "as_it_is", "is_external", "open_external"]

SPEC_FILE = "neocog-spec.json"
"""Name of the text inside a program or an ONNX file that holds its spec."""

LOOSE = (".pt", ".pth", ".th", ".bin", ".ckpt", ".safetensors", ".tar")
"""Files of weights, which are not models."""

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class _Opened:
    """A network, its own spec, and notes for the user."""

    network: nn.Module
    spec: ModelSpec | None = None
    shape: tuple[int, ...] | None = None
    notes: list[str] = field(default_factory=list)
    library: str = ""  # source of its spec


def is_external(name: StrPath) -> bool:
    """Whether a text names an external model, and no folder.

    Raises:
        UsageError: it names neither.
    """
    text = os.fspath(name)
    if os.path.isdir(text) or is_hub(text):  # noqa: PTH112 (names too long are none)
        return is_hub(text)
    known = is_factory(text) or text in PRETRAINED
    if not known and Path(text).suffix.lower() not in (".pt2", ".onnx", *LOOSE):
        raise _nothing(text)
    return True


def open_external(
    model: StrPath | nn.Module, given: Mapping[str, Any], *, allow_random: bool = False
) -> Model:
    """An external model, opened with the given options.

    Args:
        model: what `is_external` is true of, or a module.
        given: options of `neocog.load` that were given.
        allow_random: take a model whose predictions are not a function of the image alone.

    What a name makes with random weights has the same ones each time, so that a command after the
    other measures one model; the generators of the caller are left as they were.

    Raises:
        NeocogError: as for `neocog.load`.
    """
    if isinstance(model, nn.Module):
        made = _opened(
            type(model).__name__, _module(model, given), given, allow_random=allow_random
        )
        return replace(made, options=None)
    text = os.fspath(model)
    with same_randomness_after():  # random weights are the same each time it is opened
        torch.manual_seed(0)
        opened = _find(text, Path(text).suffix.lower(), given)
        made = _opened(text, opened, given, allow_random=allow_random)
    return replace(made, options=_words(given, allow_random))


def as_it_is(
    module: nn.Module,
    shape: tuple[int, ...] | None,
    *,
    task: str = "classify",
    allow_random: bool = False,
) -> Model:
    """A module at hand as a model: not copied, on its device, its values not normalized.

    Args:
        module: from values in [0, 1] to outputs; left as it was found.
        shape: of a sample, (C, H, W) or (C, N); None where unknown.
        task: what it does, where it does not say it.
        allow_random: take a model whose predictions are not a function of the image alone.

    Raises:
        ModelError: it is not a network to be measured, or no function of the image.

    Example:
        >>> as_it_is(nn.Flatten(), (1, 2, 2)).spec.classes
        ('0', '1', '2', '3')
    """
    name = type(module).__name__
    check_network(module, name)
    check_task(task)
    network, notes = specified(module, shape, task)
    spec = network.spec
    chance: tuple[str, ...] = ()
    if shape := shape or spec.input.shape:
        chance = as_function(network, name, shape, allow_random=allow_random)
    inner = type(network.network).__name__
    card = {
        "spec": spec.to_json(),
        "network": {"name": inner, "options": {}},
        "notes": list(notes),
        "doubts": list(chance),
    }
    numbers = tuple(map(str, range(len(spec.classes))))
    named = spec.classes not in ((), numbers)
    return Model(network, card, Path(inner), named=named, options=None)


def _words(given: Mapping[str, Any], allow_random: bool) -> tuple[str, ...] | None:
    """How it was opened, as words of a command; None where no command can say it."""
    if isinstance(given.get("classes"), (list, tuple)):
        return None
    # A classifier is what every verb takes.
    spoken = {k: v for k, v in given.items() if k != "task" or v != "classify"}
    return option_words({**spoken, "allow_random": allow_random})


def _nothing(text: str) -> UsageError:
    return UsageError(
        f"MODEL is a run folder, package.module:function, timm:NAME, torchvision:NAME, "
        f"hf://ORG/NAME, a pretrained network ({', '.join(PRETRAINED)}), a .pt2 or an .onnx file; "
        f"`{printable(text)}` is none. {suggestion(text)}"
    )


def _find(text: str, suffix: str, given: Mapping[str, Any]) -> _Opened:
    if is_factory(text):
        return _factory(text, given)
    if text in PRETRAINED:
        return _pretrained(text, given)
    if is_hub(text):
        return _of_hub(text, given)
    if misplaced := next((n for n in ("weights", "init") if n in given), None):
        raise UsageError(
            f"Weights need a function that makes the network, as module:factory; "
            f"`{printable(text)}` is a file. Leave --{misplaced} out or name the function."
        )
    if suffix in LOOSE:
        raise UsageError(
            f"A file of weights is not a network by itself, and `{printable(text)}` was given as "
            "MODEL. Name the function that makes the network, with the file: module:factory "
            f"--weights {printable(text)}."
        )
    loaded: tuple[Exported | BlackBox, Mapping[str, str]]
    loaded = load_onnx(Path(text)) if suffix == ".onnx" else load_exported(Path(text))
    network, texts = loaded
    return _Opened(network, _embedded(texts, text), network.shape)


def _factory(text: str, given: Mapping[str, Any]) -> _Opened:
    weights, init, classes = given.get("weights"), given.get("init"), count(given.get("classes"))
    if weights is not None and init is not None:
        raise UsageError(
            f"`init` selects weights when there is no file; --init {init} and --weights "
            f"were given for `{printable(text)}`. Leave one out."
        )
    library = text.partition(":")[0]
    library = library if library in LIBRARIES else ""
    if weights is None:
        made = make(text, num_classes=classes, init=init)
        notes = [made.weights] if made.weights else []
    else:
        made = make(text, num_classes=classes, init="none" if library else None)
        notes = [*load_weights(made.network, Path(weights))]
    if isinstance(made.network, SpecifiedNetwork):  # a factory may return one of ours
        return _Opened(made.network.network, made.network.spec, None, notes)
    if made.input is None:
        return _Opened(made.network, None, None, notes)
    known = made.classes if weights is None and "classes" not in given else ()
    spec = ModelSpec(task="classify", classes=known, input=made.input)
    return _Opened(made.network, spec, None, notes, library=library)


def _of_hub(text: str, given: Mapping[str, Any]) -> _Opened:
    """A Hub network, with the spec of its description."""
    if misplaced := next((n for n in ("weights", "init") if n in given), None):
        raise UsageError(
            f"`{printable(text)}` comes with its weights; --{misplaced} was given. Leave it out."
        )
    known = hub_model(text)
    network = hub_network(known)
    note = f"The weights of `{printable(text)}` are those of the Hub ({known.source})."
    if known.input is None:
        return _Opened(network, None, None, [note])
    spec = ModelSpec(task="classify", classes=known.classes, input=known.input)
    return _Opened(network, spec, None, [note])


def _pretrained(name: str, given: Mapping[str, Any]) -> _Opened:
    """A network of ours with the weights of its package; their classes have numbers, no names."""
    if misplaced := next((n for n in ("weights", "init") if n in given), None):
        raise UsageError(
            f"`{name}` as MODEL is the network with its pretrained weights; --{misplaced} was "
            f"given. Leave it out, or train one of your own: `neocog train DATA --model {name}`."
        )
    size = given.get("size", ())
    known: dict[str, Any] = {}
    if len(size) == 3:
        known = {"in_channels": int(size[0]), "size": (int(size[1]), int(size[2]))}
    loaded = load_pretrained(name, **known)
    note = f"The weights of `{name}` are those of {PRETRAINED[name].trained_on}."
    spec = replace(loaded.spec, classes=())
    return _Opened(loaded.network, spec, None, [note, *loaded.notes])


def _module(network: nn.Module, given: Mapping[str, Any]) -> _Opened:
    """A network that is at hand; one of ours brings its spec."""
    if misplaced := next((n for n in ("weights", "init") if n in given), None):
        raise UsageError(
            f"A module already has its weights; `{misplaced}` was given with a "
            f"{type(network).__name__}. Load them with load_state_dict, or leave it out."
        )
    network = as_written(network)
    if isinstance(network, SpecifiedNetwork):
        return _Opened(_own(network.network), network.spec)
    return _Opened(_own(network))


def _own(network: nn.Module) -> nn.Module:
    """The same parameters in a copy of the modules, with separate modes and buffers.

    On the processor in float32, as every network that is opened: of another, a copy.
    """
    held = [t for t in (*network.parameters(), *network.buffers()) if t.is_floating_point()]
    same = all(t.dtype == torch.float32 and t.device.type == "cpu" for t in held)
    shared: dict[int, Any] = {id(p): p for p in network.parameters()} if same else {}
    try:
        with torch.no_grad():  # scripts copy tensors as an operation, which would be recorded
            own = copy.deepcopy(network, shared)
    except Exception:  # of any kind: what cannot be copied is taken as it is
        return network
    for mine, theirs in zip(own.parameters(), network.parameters(), strict=True):
        if mine.requires_grad is not theirs.requires_grad:  # of a script, which shares none
            mine.requires_grad_(theirs.requires_grad)
    return own if same else own.to("cpu").float()


def _from_library(library: str, given: Mapping[str, Any]) -> list[str]:
    """Which of size, mean and std come from a library, and were not given."""
    taken = [n for n in ("size", "mean", "std") if n not in given]
    if not library or not taken:
        return []
    names = " and ".join(filter(None, (", ".join(taken[:-1]), taken[-1])))
    verb = "is what" if len(taken) == 1 else "are those that"
    return [f"{names[0].upper()}{names[1:]} {verb} {library} gives for this network."]


def _embedded(texts: Mapping[str, str], text: str) -> ModelSpec | None:
    """The spec that `neocog export` puts into a file."""
    held = next((texts[name] for name in (SPEC_FILE, OLD_SPEC_FILE) if name in texts), None)
    if held is None:
        return None
    source = f"the spec inside `{printable(text)}`"
    plain = parse_json(held, source=source, depth=8, error=ModelError)
    return ModelSpec.from_json(plain, source)


def _opened(text: str, opened: _Opened, given: Mapping[str, Any], *, allow_random: bool) -> Model:
    own = opened.spec
    does = check_task(given.get("task") or (own.task if own else "classify"))
    check_network(opened.network, text, lazy=True)
    lazy = lazy_names(opened.network)
    opened.network.eval()
    signal, assumed = input_spec(text, given, own=own.input if own else None, shape=opened.shape)
    shape = signal.shape
    outputs = _Outputs(does, signal.axes, count(given.get("classes")), given.get("output"))
    with same_randomness_after():
        output = first_output(opened.network, shape, read=outputs.read)
    axes = axes_of(does, signal.axes)
    if output.ndim != axes or output.shape[1] < (1 if does == "regress" else 2):
        dense = "(B, K, H, W)" if signal.axes == 2 else "(B, K, N)"
        form = {"classify": "(B, K), K ≥ 2", "segment": dense, "regress": "(B, M)"}[does]
        raise ModelError(
            f"A model that does `{does}` returns {form}; `{printable(text)}` returns for two "
            f"samples {tuple(output.shape)}. Name a factory whose network does."
        )
    known = own.classes if own else ()
    names, named = output_names(text, given.get("classes"), known=known, outputs=output.shape[1])
    kind = own.output.kind if own else "logits"
    spec = ModelSpec(
        task=does, classes=names, input=signal, output=OutputSpec(kind=kind, name=outputs.name)
    )
    notes = [*opened.notes, *_from_library(opened.library, given), *assumed, *outputs.notes]
    if kind == "logits":
        kind, more = kind_of(SpecifiedNetwork(opened.network, spec), output)
        spec = replace(spec, output=replace(spec.output, kind=kind))
        notes += more
    if lazy:
        notes.append(
            f"`{printable(lazy[0])}` and other lazy tensors ({len(lazy)} in all) were initialized "
            "from the input size, with random values."
        )
    module = SpecifiedNetwork(opened.network, spec)
    module.eval()
    chance = as_function(module, text, shape, allow_random=allow_random)
    for note in (*notes, *chance):
        warnings.warn(note, stacklevel=3)
    card = {
        "spec": spec.to_json(),
        "network": {"name": text, "options": {}},
        "weights": os.fspath(given["weights"]) if "weights" in given else None,
        "notes": notes,
        "doubts": list(chance),
    }
    return Model(
        module, card, Path(text), named=named, black_box=isinstance(opened.network, BlackBox)
    )


class _Outputs:
    """Picks the prediction from what a network returns, and remembers which."""

    def __init__(self, task: str, space: int, num_classes: int | None, wanted: str | None) -> None:
        self.task, self.space, self.classes, self.wanted = task, space, num_classes, wanted
        self.name = ""
        self.notes: tuple[str, ...] = ()

    def read(self, out: object) -> Tensor:
        self.name, note = picked(
            out, self.task, space=self.space, num_classes=self.classes, wanted=self.wanted
        )
        self.notes = (note,) if note else ()
        return output_at(out, self.name)
