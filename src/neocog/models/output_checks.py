"""What is found out of a model before its figures are believed.

Which of its tensors is the prediction, what that is (logits, or probabilities already), and that it
is a function of the image alone.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from neocog.errors import ModelError, NeocogError, printable
from neocog.graph.determinism import difference, probes, same_randomness_after
from neocog.graph.multiple_outputs import choose, output_at
from neocog.graph.output_kind import last_operation, may_be_scores, noticed
from neocog.graph.preserve import exact, preserved
from neocog.networks.model import SpecifiedNetwork
from neocog.store.black_box import BlackBox
from neocog.types import InputSpec, ModelSpec, OutputSpec

__all__ = ["as_function", "axes_of", "kind_of", "picked", "specified"]

UNLIKE = 16
"""Samples that show whether outputs are probabilities."""

KINDS = {
    "probabilities": "probabilities (they are in [0, 1], and add up to 1)",
    "log_probabilities": "logarithms of probabilities (which add up to 1)",
    "sigmoid": "probabilities of one class against the rest (they end in a sigmoid)",
}


def axes_of(task: str, space: int) -> int:
    """Axes of a prediction, of a model of so many axes of space: maps have these too."""
    return 2 + (space if task == "segment" else 0)


def picked(
    out: object, task: str, *, space: int, num_classes: int | None, wanted: str | None
) -> tuple[str, str]:
    """Which of the tensors returned for two samples is the prediction.

    See `neocog.graph.multiple_outputs.choose`.
    """
    return choose(out, samples=2, axes=axes_of(task, space), num_classes=num_classes, wanted=wanted)


def kind_of(model: SpecifiedNetwork, first: Tensor) -> tuple[str, tuple[str, ...]]:
    """What the outputs of a classifier are, and what to say of it.

    Args:
        model: with a spec that already names the tensor; left unchanged.
        first: what it returned for two samples.

    Returns:
        One of `types.OUTPUTS`, and a sentence where they are not logits.
    """
    spec = model.spec
    if spec.task == "regress" or not may_be_scores(first):
        return "logits", ()
    raw = replace(spec, output=replace(spec.output, kind="logits"))
    plain = SpecifiedNetwork(model.network, raw)
    x = probes((spec.input.channels, *spec.input.size), UNLIKE)
    try:
        with preserved(plain), torch.no_grad(), exact(), same_randomness_after():
            network = model.network
            stated = network.last if isinstance(network, BlackBox) else {}  # by the file's graph
            name = spec.output.name or next(iter(stated), "")
            last = stated.get(name) or last_operation(lambda: plain(x[:2]))
            kind = noticed(plain, x, last)
    except Exception:  # of any kind: raised again by what needs the output
        return "logits", ()
    if kind == "logits":
        return kind, ()
    sentence = f"The outputs of the network are {KINDS[kind]}, and are used as they are"
    if kind == "sigmoid":
        sentence += ": the loss is of the probability given to the true class"
    return kind, (f"{sentence}.",)


def as_function(
    module: nn.Module, name: str, shape: tuple[int, ...], *, allow_random: bool
) -> tuple[str, ...]:
    """What to say of a model whose predictions are not a function of the image; nothing else.

    Args:
        module: values in [0, 1] to outputs; left as it was found.
        name: of the model, for messages.
        shape: (C, H, W) or (C, N) of a sample.
        allow_random: go on all the same, with a note.

    Raises:
        ModelError: the outputs for one sample differ from call to call, or with the other samples
            of the batch, and this was not allowed.

    Example:
        >>> as_function(nn.Flatten(), "flat", (1, 4, 4), allow_random=False)
        ()
    """
    try:
        coarse = any(isinstance(m, BlackBox) and m.coarse for m in module.modules())
        read = lambda out: output_at(out, "")  # noqa: E731
        difference_ = difference(module, probes(shape), read=read, coarse=coarse)
    except NeocogError:
        raise
    except Exception:  # of any kind: raised again by what needs the output
        return ()
    if difference_ is None:
        return ()
    if allow_random:
        sentence = f"Predictions are not a function of the image: {difference_.sentence}."
        return (f"{sentence} The figures hold only for this run and this batch size.",)
    raise ModelError(
        f"A prediction is a function of its image, and with `{printable(name)}` it is not: "
        f"{difference_.sentence}. {difference_.advice}, or use --allow-random (allow_random=True "
        "in Python)."
    )


def specified(
    module: nn.Module, shape: tuple[int, ...] | None, task: str
) -> tuple[SpecifiedNetwork, tuple[str, ...]]:
    """A module with what is found out of it; its values are not normalized.

    Args:
        module: an external one; one with a spec stays what it is. Left unchanged.
        shape: (C, H, W) or (C, N) of a sample; None where unknown.
        task: what it does.

    Returns:
        The module in a `SpecifiedNetwork`, where it is and in its precision; what to say.

    Raises:
        ShapeMismatch: it returns nothing that can be a prediction.
    """
    if isinstance(module, SpecifiedNetwork):
        return module, ()
    given = (t for t in (*module.parameters(), *module.buffers()) if t.is_floating_point())
    held = next(given, torch.zeros(()))
    channels, *size = shape or (0,)
    spec = ModelSpec(
        task=task,
        classes=(),
        input=InputSpec(
            channels=channels, size=tuple(size), mean=(0.0,) * channels, std=(1.0,) * channels
        ),
    )
    out = None if shape is None else _returned(module, shape, held)
    if out is None:
        return _around(module, spec, held), ()
    axes = axes_of(task, len(size))
    if isinstance(out, Tensor) and (out.ndim != axes or not may_be_scores(out)):
        return _around(module, _counted(spec, out), held), ()
    name, note = picked(out, task, space=len(size), num_classes=None, wanted=None)
    first = output_at(out, name)
    spec = replace(_counted(spec, first), output=OutputSpec(name=name))
    kind, more = kind_of(_around(module, spec, held), first)
    spec = replace(spec, output=OutputSpec(kind=kind, name=name))
    if kind == "logits" and not name:
        return _around(module, spec, held), ()
    return _around(module, spec, held), (*filter(None, (note,)), *more)


def _returned(module: nn.Module, shape: tuple[int, ...], held: Tensor) -> object | None:
    """What a module returns for two samples of zeros; None where it fails."""
    with preserved(module), torch.no_grad(), same_randomness_after():
        try:
            output: object = module(torch.zeros(2, *shape, device=held.device, dtype=held.dtype))
        except Exception:  # of any kind: raised again by what needs the output
            return None
        return output


def _counted(spec: ModelSpec, out: Tensor) -> ModelSpec:
    """With numbers for names of the outputs."""
    outputs = out.shape[1] if out.ndim > 1 else 1
    return replace(spec, classes=tuple(map(str, range(outputs))))


def _around(module: nn.Module, spec: ModelSpec, held: Tensor) -> SpecifiedNetwork:
    model = SpecifiedNetwork(module, spec)
    for name in ("mean", "std"):  # only these are moved: a module may lie on several devices
        setattr(model, name, getattr(model, name).to(held.device, held.dtype))
    model.training = module.training
    return model
